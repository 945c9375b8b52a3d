"""The claims that `theory` tests, each with its source and its tolerance.

Expected numbers are those of the papers' formulas, computed once and written down, where they are
the same at any size; where sizes matter, `nn.theory`'s for this run. S6, H1 and H5 are the
statements of `vanishing`, measured here on nets at their fixed point and of more layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.questions.vanishing_claims import H1, H5, S6

if TYPE_CHECKING:
    from experiments.questions.theory import Settings

Arrays = Mapping[str, npt.NDArray[np.generic]]

_QUADRATURE = "by quadrature over s ~ N(0, 1)"
_SCHOENHOLZ = "Poole et al. 2016; Schoenholz et al. 2017"
_HE = "He et al. 2015"

GF = Statement(
    "GF",
    "the gain that keeps E[x²], 1/√E[f(s)²], from the s and x of a layer",
    _QUADRATURE,
    Tolerance("relative", 0.02),
    exact=True,
)
GV = Statement(
    "GV",
    "the gain that keeps Var x, 1/√Var f(s), from the s and x of a layer",
    _QUADRATURE,
    Tolerance("relative", 0.02),
    exact=True,
)
GB = Statement(
    "GB",
    "the gain that keeps the gradient, 1/√E[f′(s)²], from ∂L/∂x and ∂L/∂s of a layer",
    _QUADRATURE,
    Tolerance("relative", 0.02),
    exact=True,
)
S1 = Statement(
    "S1",
    "tanh with σ_b² = .05: χ₁ = 1 at σ_w² = 1.761 (where the measured ln χ₁ at 1.65 and 1.88, on a "
    "line, is 0)",
    _SCHOENHOLZ,
    Tolerance("relative", 0.05),
    exact=True,
)
S2 = Statement(
    "S2",
    "tanh with σ_b² = .05: q*, χ₁ and c* by σ_w²",
    _SCHOENHOLZ,
    Tolerance("relative", 0.05),
)
S2_DEPTH = Statement(
    "S2 ξ",
    "tanh with σ_b² = .05: ξ_c, the layers in which c comes nearer to c* by e",
    f"{_SCHOENHOLZ}; more draws at σ_w² = 2 after a first run had too few",
    Tolerance("relative", 0.15),
)
S4 = Statement(
    "S4",
    "tanh with Xavier does not keep the variance: 2 l q is near 1 after l layers, and l times the "
    "gradient's mean square, layer 1 over layer l + 1, is near .71",
    "mean-field theory, q → 1/(2l); the expected numbers start from E[x²] = 1; more draws after a "
    "first run had too few",
    Tolerance("relative", 0.05),
)
S5 = Statement(
    "S5",
    "PyTorch's tanh gain 5/3 lies in the chaotic phase: q* and χ₁",
    _SCHOENHOLZ,
    Tolerance("relative", 0.03),
    exact=True,
)
S7 = Statement(
    "S7",
    "Kaiming's ReLU makes inputs alike: c after l layers, from c = 0",
    "the map [√(1−c²) + (π − arccos c)c]/π (Cho & Saul 2009)",
    Tolerance("relative", 0.03),
    exact=True,
)
S7_APART = Statement(
    "S7 far",
    "the same after 100 layers, as 1 − c, in which an error shows",
    "the map [√(1−c²) + (π − arccos c)c]/π (Cho & Saul 2009)",
    Tolerance("relative", 0.10),
)
S8 = Statement(
    "S8",
    "Kaiming's ReLU, 20 layers of 100: E‖x‖⁴/(E‖x‖²)² = (1 + 5/n)^L over draws (the product of the "
    "layers' own ratios, which are independent)",
    "by moments of max(0, s)",
    Tolerance("relative", 0.10),
    exact=True,
)
H2 = Statement(
    "H2",
    "ReLU with ½ n Var[W] = 1: rms x neither grows nor shrinks, whatever the first layer's factor",
    f"{_HE}, section 2.2",
    Tolerance("relative", 0.02),
    exact=True,
)
H3 = Statement(
    "H3",
    "ReLU, uneven widths: under either Kaiming condition the other direction's product is a ratio "
    "of widths (rms x last/first, rms ∂L/∂s first/last)",
    f"{_HE}, section 2.2",
    Tolerance("relative", 0.15),
    recalled=True,
)
H4 = Statement(
    "H4",
    "PReLU with ½(1 + a²) n Var[W] = 1 is level: the gain √(2/(1 + a²)), and the factor per layer",
    f"{_HE}, section 2.2",
    Tolerance("relative", 0.02),
    exact=True,
)

# To six digits, by a quadrature apart from this project's.
GAIN_TABLE: dict[str, tuple[float, float, float]] = {
    "tanh": (1.592537, 1.592537, 1.467414),
    "sigmoid": (1.846229, 4.801313, 4.722646),
    "relu": (1.414214, 1.712859, 1.414214),
    "leaky_relu": (1.414143, 1.704832, 1.414145),
    "elu": (1.245198, 1.270843, 1.223429),
    "selu": (1.000000, 1.000000, 0.966025),
    "gelu": (1.533530, 1.700926, 1.481114),
    "silu": (1.676532, 1.787187, 1.623320),
    "mish": (1.486848, 1.592025, 1.444755),
    "softplus": (1.041867, 1.919126, 1.846229),
    "softsign": (2.337533, 2.337533, 2.095781),
}
# σ_w²: q*, χ₁, c*, ξ_c
TANH_TABLE: dict[float, tuple[float, float, float, float]] = {
    1.3: (0.3153, 0.880, 1.0, 7.83),
    1.5: (0.4180, 0.939, 1.0, 15.8),
    2.0: (0.7218, 1.048, 0.744, 25.2),
    2.5: (1.0640, 1.134, 0.447, 11.8),
    3.0: (1.4280, 1.209, 0.299, 9.05),
}


def claims(settings: Settings, arrays: Arrays) -> list[Claim]:
    """Every claim, with what this run measured; those it can't measure stay "not yet measured"."""
    run = _Run(settings, arrays)
    makers: list[Callable[[_Run], Claim]] = [
        *(lambda r, i=i, s=s: _gain(r, i, s) for i, s in enumerate((GF, GV, GB))),
        *(_s1, _s2, _s2_depth, _s4, _s5, _s6, _s7, _s7_apart, _s8),
        *(_h1, _h2, _h3, _h4, _h5),
    ]
    return [make(run) for make in makers]


class _Run:
    """The arrays of a run as numbers."""

    def __init__(self, settings: Settings, arrays: Arrays) -> None:
        self.settings, self._arrays = settings, arrays

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        return np.asarray(self._arrays[name], np.float64)

    def tanh(self, key: str, var_w: float, var_b: float = 0.05) -> npt.NDArray[np.float64]:
        from experiments.questions.theory import TANH

        return np.asarray(self[f"tanh_{key}"][:, TANH.index((var_w, var_b))])

    def depths(self, var_w: float) -> npt.NDArray[np.float64]:
        """ξ_c of every draw at this σ_w², the further ones of the study "near" included."""
        from experiments.questions.theory import NEAR

        draws = self.tanh("xi_c", var_w)
        return np.concatenate([draws, self["near_xi_c"][:, 0]]) if var_w == NEAR[0] else draws


def _gain(run: _Run, mode: int, statement: Statement) -> Claim:
    measured = run["gains_measured"]
    return statement.measured(
        [row[mode] for row in GAIN_TABLE.values()],
        [Measured.of(measured[:, i, mode]) for i in range(len(GAIN_TABLE))],
        tuple(GAIN_TABLE),
    )


def _s1(run: _Run) -> Claim:
    low, high = (np.log(run.tanh("chi_1", var_w)) for var_w in (1.65, 1.88))
    # From the mean slope: a single draw's may be next to 0.
    slope = float((high - low).mean()) / (1.88 - 1.65)
    crossing = (1.65 + 1.88) / 2 - (low + high) / 2 / slope
    return S1.measured((1.76095,), (Measured.of(crossing),))


def _s2(run: _Run) -> Claim:
    expected, measured, labels = [], [], []
    for i, (key, name) in enumerate((("q", "q*"), ("chi_1", "χ₁"), ("c", "c*"))):
        for var_w, row in TANH_TABLE.items():
            expected.append(row[i])
            measured.append(Measured.of(run.tanh(key, var_w)))
            labels.append(f"{name} {var_w:g}")
    return S2.measured(expected, measured, labels)


def _s2_depth(run: _Run) -> Claim:
    # The mean is of 1/ξ, in which the factor per layer is all but linear.
    measured = []
    for var_w in TANH_TABLE:
        rate = Measured.of(1 / run.depths(var_w))
        ends = (1 / rate.value, 1 / rate.high, 1 / rate.low if rate.low > 0 else math.inf)
        measured.append(Measured(*ends))
    labels = [f"ξ_c {var_w:g}" for var_w in TANH_TABLE]
    return S2_DEPTH.measured([row[3] for row in TANH_TABLE.values()], measured, labels)


def _s4(run: _Run) -> Claim:
    expected, measured, labels = [], [], []
    for layers in (10, 30, 100):
        if layers < run.settings.depth:
            expected.append(2 * layers * float(run["predicted_xavier_q"][layers]))
            measured.append(Measured.of(2 * layers * run["xavier_q"][:, layers]))
            labels.append(f"2 l q, l={layers}")
            expected.append(layers * float(run["predicted_xavier_gradient"][layers]))
            measured.append(Measured.of(layers * run["xavier_gradient"][:, layers]))
            labels.append(f"l δ², l={layers}")
    return S4.measured(expected, measured, labels)


def _s5(run: _Run) -> Claim:
    values = [Measured.of(run.tanh(key, 25 / 9, 0.0)) for key in ("q", "chi_1")]
    return S5.measured((1.17848, 1.20983), values, ("q*", "χ₁"))


def _s6(run: _Run) -> Claim:
    factor = run["sigmoid_factor"]
    values = [Measured.of(factor[:, i], log=True) for i in range(2)]
    return S6.measured((0.1414, 0.2361), values, ("standard", "Xavier"))


def _s7(run: _Run) -> Claim:
    c = run["relu_c"]
    return S7.measured(
        (0.31831, 0.49373), [Measured.of(c[:, layer]) for layer in (1, 2)], ("l=1", "l=2")
    )


def _s7_apart(run: _Run) -> Claim:
    c = run["relu_c"]
    if c.shape[1] < 101:
        return Claim(S7_APART)
    return S7_APART.measured((0.0035769,), (Measured.of(1 - c[:, 100]),), ("1 − c",))


def _s8(run: _Run) -> Claim:
    ratios = run["tail_ratios"]
    groups = np.array_split(ratios, min(20, len(ratios)))
    # The jackknife: a group left out each time, since a ratio of few draws is biased.
    whole = _norm_ratio(ratios)
    count = len(groups)
    left_out = [
        _norm_ratio(np.concatenate([g for j, g in enumerate(groups) if j != i]))
        for i in range(count)
    ]
    pseudo = [count * whole - (count - 1) * one for one in left_out]
    n, depth = 100, ratios.shape[1]
    return S8.measured(((1 + 5 / n) ** depth,), (Measured.of(pseudo),))


def _norm_ratio(ratios: npt.NDArray[np.float64]) -> float:
    return float(np.prod(np.mean(ratios**2, axis=0) / np.mean(ratios, axis=0) ** 2))


def _h1(run: _Run) -> Claim:
    values = [Measured.of(run[f"relu_{name}"]) for name in ("E_x2", "var_x")]
    return H1.measured((0.5, 0.5 - 1 / (2 * math.pi)), values, ("E[x²]", "Var x"))


def _h2(run: _Run) -> Claim:
    growth = run["relu_growth"]
    values = [Measured.of(growth[:, i], log=True) for i in (0, 1)]
    return H2.measured((1.0, 1.0), values, ("per layer", "first W/√2"))


def _h3(run: _Run) -> Claim:
    expected, ratios = run["predicted_uneven"], run["uneven_ratios"]
    labels = ("x, fan_in", "∂L/∂s, fan_in", "x, fan_out", "∂L/∂s, fan_out")
    values = [Measured.of(ratios[:, i, j], log=True) for i in range(2) for j in range(2)]
    return H3.measured([float(e) for e in expected.reshape(-1)], values, labels)


def _h4(run: _Run) -> Claim:
    from experiments.questions.theory import SLOPES

    expected = [math.sqrt(2 / (1 + a * a)) for a in SLOPES] + [1.0] * len(SLOPES)
    values = [
        Measured.of(run[name][:, i], log=True)
        for name in ("prelu_gain", "prelu_growth")
        for i in range(len(SLOPES))
    ]
    labels = [f"{name} a={a:g}" for name in ("gain", "layer") for a in SLOPES]
    return H4.measured(expected, values, labels)


def _h5(run: _Run) -> Claim:
    growth = run["relu_growth"]
    return H5.measured((1 / math.sqrt(2),), (Measured.of(growth[:, 2] / growth[:, 0], log=True),))
