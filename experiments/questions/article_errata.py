"""The article's errata: what it says, what it should say, and what measures the difference.

Each number's claim is the right sentence; the article's own number is judged beside it with the
same tolerance. Errata about the text alone have a source and no number. P6 and P13 are in the
equations (6) and (13) of Glorot & Bengio 2010, which the article cites.
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.lab.claims import Claim, Statement, Tolerance, Verdict
from experiments.questions import article_measures as measures
from experiments.questions.article_measures import Measure, Quantity

_GLOROT = "Glorot & Bengio 2010"
_RECTIFIER = "Glorot, Bordes & Bengio 2011"
_HE = "He et al. 2015, section 2.2"
# Up to rounding, and up to what the draws scatter.
_EXACT, _DRAWN = Tolerance("relative", 1e-6), Tolerance("relative", 0.05)


@dataclass(frozen=True)
class Erratum:
    """One erratum.

    Attributes:
        quote: the article's words.
        statement: what it should say, as a claim of this experiment.
        measure: what measures it; None where it is about the text alone.
    """

    quote: str
    statement: Statement
    measure: Measure | None = None

    @property
    def id(self) -> str:
        return self.statement.id


@dataclass(frozen=True)
class Judged:
    """An erratum with its numbers: `claim` is of what it should say."""

    erratum: Erratum
    quantities: tuple[Quantity, ...]

    @property
    def claim(self) -> Claim:
        return self.erratum.statement.measured(
            [q.should for q in self.quantities],
            [q.measured for q in self.quantities],
            [q.label for q in self.quantities],
        )

    @property
    def article(self) -> Verdict | None:
        """The verdict on the article's own numbers; None where it gives none."""
        said = [(q.says, q.measured) for q in self.quantities if q.says is not None]
        if not said:
            return None
        expected, measured = zip(*said, strict=True)
        return self.erratum.statement.measured(expected, measured).verdict


def _numbered(
    id: str,
    quote: str,
    should: str,
    source: str,
    measure: Measure | None = None,
    tolerance: Tolerance = _EXACT,
    recalled: bool = False,
) -> Erratum:
    statement = Statement(id, should, source, tolerance, recalled, exact=measure is not None)
    return Erratum(quote, statement, measure)


# R8 is no erratum: the article has it right.
R8 = Statement(
    "R8",
    "about half of a ReLU layer's outputs are exactly 0 at a symmetric initialisation",
    f"{_RECTIFIER}; a symmetric s is negative half of the time",
    Tolerance("relative", 0.02),
    exact=True,
)

ERRATA: tuple[Erratum, ...] = (
    _numbered(
        "E1",
        "∂x_k/∂w_jk = f′(s_j) x_j",
        "∂x_k/∂w_jk = f′(s_k) x_j, since w_jk is in s_k alone",
        "the article's own s = xW",
        measures.weight_derivative,
    ),
    _numbered(
        "E2",
        "The authors conduct experiments on MNIST digits classification.",
        "figures 2 to 4 are on Shapeset-3×2; MNIST is in Table 1",
        f"{_GLOROT}, section 3 and the captions",
    ),
    _numbered(
        "E3",
        "For sigmoid, gradient at x ≈ 0 is 0",
        "σ′(0) = ¼ is σ′'s maximum, and tanh′(0) = 1; it is the output σ(s) that is pushed to 0, "
        "which is s → −∞, and there σ′ = σ(1 − σ) vanishes",
        f"{_GLOROT}, section 3.1; σ′ = σ(1 − σ)",
        measures.slopes_at_zero,
    ),
    _numbered(
        "E4",
        "consider the last layer (say, layer 5) […] feature output from layer 4 is random",
        "figure 2 has four hidden layers, and nets with five never left the plateau",
        f"{_GLOROT}, section 3.1 and figure 2",
    ),
    _numbered(
        "E5",
        "For tanh […] there is sequentially saturation starting with layer 1",
        "tanh's layers saturate one after another under the standard initialisation, U[±1/√n]; "
        "under the normalized one it evolves more like softsign",
        f"{_GLOROT}, sections 3.2 and 4.2.2, figures 3 and 10",
    ),
    _numbered(
        "E6",
        "gradient will saturate (f′ = 0) when s is too big or small",
        "f′ → 0 as |s| grows; it is positive at every s",
        "tanh′ = 1/cosh² s, σ′ = 1/(4 cosh² ½s)",
        measures.slopes_far_out,
    ),
    _numbered(
        "E7",
        "The goal of Xavier initialization is to keep variance of gradient on s constant",
        "Xavier's initialisation is a compromise of n_i Var W = 1, for the activations, and "
        "n_{i+1} Var W = 1, for the gradients; where the widths differ neither is kept",
        f"{_GLOROT}, equations 10 to 12",
        measures.xavier_both_ways,
        _DRAWN,
    ),
    _numbered(
        "E8",
        "Var(s_i) = n_i Var(w_i) Var(x_i)",
        "Var(s) = n Var(w) E[x²]; with Var(x) it needs an x of mean zero, which ReLU's is not",
        f"{_HE}",
        measures.variance_of_s,
        _DRAWN,
    ),
    _numbered(
        "E9",
        "half of variance is chop out by the ReLU operator: Var(x_i) = ½ Var(s_{i−1})",
        "E[x²] = ½ Var(s), and Var(x) = (½ − 1/2π) Var(s); with that, Var w would be 2.93/n and s "
        "would grow",
        f"{_HE}",
        measures.relu_moments,
        _DRAWN,
    ),
    _numbered(
        "E10",
        "For a uniform w_l, the std is √(6/n_i).",
        "√(6/n) is the uniform's bound; its std is √(2/n), the normal's",
        "Var U(−a, a) = a²/3",
        measures.kaiming_std,
        Tolerance("relative", 0.01),
    ),
    _numbered(
        "E11",
        "consistent with Keras documentation, but differs by a factor of √2 with PyTorch",
        "Keras and PyTorch agree: PyTorch's bound is gain·√(3/n) with gain √2. What differs is "
        "nn.Linear's default, U(±1/√n), the “standard” initialisation",
        "documentation of torch.nn.init.kaiming_uniform_, torch.nn.Linear and Keras's HeUniform",
        measures.pytorch_beside_keras,
        Tolerance("relative", 0.01),
    ),
    _numbered(
        "E12",
        "they either fire (1) or not fire (0)",
        "a rectifier's output is graded: the active units of a normal s have std/mean = √(½π − 1)",
        f"{_RECTIFIER}, section 3; moments of a half-normal",
        measures.graded,
        _DRAWN,
    ),
    _numbered(
        "E13",
        "ReLU yield better convergence on CV and NLP",
        "the tables report test errors; and with pre-training, tanh's 1.16 % on MNIST is below "
        "ReLU's 1.20 %",
        f"{_RECTIFIER}, table 1",
        recalled=True,
    ),
    _numbered(
        "E14",
        "they compared ReLU to tanh",
        "the rectifiers' set-up also had half the units' outputs multiplied by −1, which gives the "
        "activations mean zero, and an L1 penalty on them",
        f"{_RECTIFIER}, sections 3.3 and 4.1, from notes on it; moments of a half-normal",
        measures.half_negated,
        _DRAWN,
    ),
    _numbered(
        "E15",
        "You can view DBN as stacked RBM.",
        "only the top two layers of a DBN are an RBM; the lower ones are directed, as the "
        "factors P(x|g¹) and P(g¹|g²) say",
        "Hinton, Osindero & Teh 2006",
    ),
    _numbered(
        "E16",
        "if training […] relies on Gibbs sampling, the speed should be quite slow",
        "p(h|v) is the product of its units', so a whole layer is drawn at once, and CD-1 takes "
        "one such step",
        "p(h_j = 1|v) = σ(c_j + vW_j); 6 × 4 units, enumerated",
        measures.factorised_posterior,
        Tolerance("at most", 1e-12),
    ),
    _numbered(
        "P6",
        "Var[∂Cost/∂s⁽ⁱ⁾] = Var[∂Cost/∂s⁽ᵈ⁾] ∏ from i to d of n_{i'+1} Var[W⁽ⁱ'⁾]",
        "equation 6's product starts at i + 1: in linear layers ∂Cost/∂s⁽ⁱ⁾ does not depend on "
        "W⁽ⁱ⁾",
        f"{_GLOROT}, equation 6, by its own equation 2",
        measures.equation_6,
    ),
    _numbered(
        "P13",
        "Var[∂Cost/∂s⁽ⁱ⁾] = [n Var W]^{d−i} Var[x]",
        "equation 13 ends in Var[∂Cost/∂s⁽ᵈ⁾]: gradients grow with the cost and not with x",
        f"{_GLOROT}, equation 13, by its own equation 6",
        measures.equation_13,
    ),
)
