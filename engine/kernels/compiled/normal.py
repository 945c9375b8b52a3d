"""The tail of the normal distribution, for GELU, as arithmetic that the compiler can vectorise.

For a ≥ 0, with t = 1 / (1 + a/k),

    Φ(−a) = ½ erfc(a/√2) = t · P(t) · exp(−a²/2),

where P is a polynomial, since erfc(a/√2)·exp(a²/2) varies slowly in t. The coefficients of P are
interpolated at Chebyshev's nodes with 50 digits, in the variable u = (t − middle) / half, for all a
at which Φ(−a) does not underflow. Relative errors are below 1.3e-8 (float32, k = 4) and 1.3e-17
(float64, k = 5).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from engine.kernels.compiled.compiling import INLINED
from engine.kernels.compiled.exponential import exp_below, like

_F32 = np.float32
INV_SQRT_2_PI = 1 / math.sqrt(2 * math.pi)


@register_jitable(**INLINED)
def bell(s: float) -> float:
    """exp(−s²/2), for |s| up to 40.

    s² = h² + (s − h)(s + h), where h has so few digits that h² is exact, and the second term is
    small. Rounding s² would cost s²/2 ULP.
    """
    step = rounder(s)
    h = (s + step) - step
    x = like(s, 0.5) * (s - h) * (s + h)
    rest = like(s, 1) - x * (like(s, 1) - x * (like(s, 0.5) - x * like(s, 1 / 6)))
    return exp_below(like(s, -0.5) * h * h) * rest


def rounder(s: float) -> Any:
    """r such that (s + r) − r rounds s to a multiple of 2⁻⁸ (float32) or 2⁻²⁰ (float64)."""
    return like(s, 1.5 * 2.0 ** (15 if isinstance(s, np.float32) else 32))


@overload(rounder, inline="always")
def _rounder(s):  # type: ignore[no-untyped-def]
    if s == types.float32:
        return lambda s: np.float32(1.5 * 2.0**15)
    return lambda s: np.float64(1.5 * 2.0**32)


def scaled_tail(a: float) -> float:
    """Φ(−a) exp(a²/2)."""
    return 0.5 * math.erfc(a / math.sqrt(2)) * math.exp(min(a * a / 2, 700))


@register_jitable(**INLINED)
def _scaled_tail_32(a: Any) -> Any:
    most = _F32(14.5)
    t = _F32(1.0) / (_F32(1.0) + (most if a > most else a) * _F32(0.25))
    u = (t - _F32(0.608108108)) * _F32(2.55172414)
    p = _F32(3.43203818e-6) * u + _F32(1.54568297e-5)
    p = p * u - _F32(4.65799624e-5)
    p = p * u - _F32(0.000321052066)
    p = p * u + _F32(0.00011532557)
    p = p * u + _F32(0.00618487999)
    p = p * u + _F32(0.029065153)
    p = p * u + _F32(0.0807364318)
    p = p * u + _F32(0.157536649)
    p = p * u + _F32(0.226710306)
    return t * p


@register_jitable(**INLINED)
def _scaled_tail_64(a: Any) -> Any:
    most = 39.0
    t = 1.0 / (1.0 + (most if a > most else a) * 0.2)
    u = (t - 0.556818181818181818) * 2.25641025641025641
    p = -2.2349804897049853e-12 * u - 3.41441253096533297e-11
    p = p * u + 5.38596862208933865e-11
    p = p * u + 4.36969588478690917e-10
    p = p * u - 6.98927790561025843e-10
    p = p * u - 3.7462426660485737e-9
    p = p * u + 6.96453450522347791e-9
    p = p * u + 3.20621081490795464e-8
    p = p * u - 5.90249673046037408e-8
    p = p * u - 3.16852039207619171e-7
    p = p * u + 3.71296030812676429e-7
    p = p * u + 3.56197018081423451e-6
    p = p * u + 8.94222620924729511e-7
    p = p * u - 0.0000386455131381867227
    p = p * u - 0.000104870294207331733
    p = p * u + 0.000172549724006995065
    p = p * u + 0.00221307559804459091
    p = p * u + 0.00919458659510652149
    p = p * u + 0.0257340130270880171
    p = p * u + 0.0554436944207512155
    p = p * u + 0.0967979791499592603
    p = p * u + 0.140245201732873228
    p = p * u + 0.170337928911767283
    return t * p


@overload(scaled_tail, inline="always")
def _scaled_tail(a):  # type: ignore[no-untyped-def]
    if a == types.float32:
        return lambda a: _scaled_tail_32(a)
    return lambda a: _scaled_tail_64(a)
