"""Numbers and names as the titles of figures say them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.lab.activations import label

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ACTIVATIONS = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
}
_LEVEL = 2.0
"""What changes by less than this factor is said to stay level."""


def activation_name(text: str) -> str:
    """As papers write it: "ReLU" for "relu", and "swish" for "my_file.py:swish"."""
    return _ACTIVATIONS.get(text, label(text))


def quantity(value: float, digits: int = 2) -> str:
    """So many digits: "0.98", "34", "12,000", and "2.3·10⁻⁸" where there are many zeros."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "unknown"
    if value == 0:
        return "0"
    sign = "−" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value):.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -3 <= power < 5:
        return sign + _short(f"{float(f'{mantissa}e{power}'):,.{max(0, digits - 1 - power)}f}")
    tens = f"10{str(power).translate(_SUPERSCRIPTS)}"
    return sign + (tens if float(mantissa) == 1 else f"{_short(mantissa)}·{tens}")


def _short(text: str) -> str:
    """Without zeros at the end of a decimal fraction."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float, digits: int = 2) -> str:
    """A share of 1 in per cent: "83 %"."""
    return f"{quantity(100 * share, digits)} %"


def is_level(ratio: float) -> bool:
    return 1 / _LEVEL <= ratio <= _LEVEL


def change(ratio: float, of: str) -> str:
    """What becomes of a size: "falls to 2·10⁻⁸ of it", "stays level (×0.98)"."""
    if not ratio > 0:
        return f"falls to 0 of {of}"
    if is_level(ratio):
        return f"stays level (×{ratio:.2f})"
    if ratio < 1:
        return f"falls to {quantity(ratio)} of {of}"
    return f"grows to {quantity(ratio)} times {of}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
