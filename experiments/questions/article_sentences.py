"""The article's sentences, in its order, each with the claims that measure it.

A claim is named by its experiment and its id. Its verdict is read from that experiment's result on
disk; without a result the claim is "not yet measured". Claims of experiments that do not exist yet
are left out of every table: a sentence that has no other claim and no erratum is listed by itself,
as a sentence that no experiment measures yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.lab.records import Record


@dataclass(frozen=True)
class Sentence:
    """A sentence, shortened, and what measures it.

    Attributes:
        section: the article's heading above it.
        claims: "experiment id" each; "saturation G1" means "G1 others" and "G1 order" too.
        erratum: the id of the erratum about it.
    """

    section: str
    quote: str
    claims: tuple[str, ...] = ()
    erratum: str | None = None

    @property
    def existing(self) -> list[tuple[str, str]]:
        """Experiment and id of each claim whose experiment exists."""
        named = (name.partition(" ") for name in self.claims)
        return [(question, id) for question, _, id in named if question in ORDER]

    @property
    def unmeasured(self) -> bool:
        """No experiment measures this sentence yet."""
        return not (self.existing or self.erratum)


@dataclass(frozen=True)
class Line:
    """One claim of a sentence with its verdict.

    Attributes:
        result: the folder that has it, if any.
        command: what measures it, where nothing has; "" where that is not known.
    """

    question: str
    id: str
    verdict: str
    data: str | None = None
    result: str | None = None
    command: str = ""


_REVIEW, _NOTATIONS, _SIGMOID = "Literature review", "Notations", "Sigmoid vs tanh"
_LOSS, _XAVIER = "Loss function", "Xavier initialization"
_RELU, _KAIMING = "ReLU", "Kaiming initialization"

# The experiments that exist, in the article's order: by what each is chiefly about.
ORDER = (
    "vanishing",
    "saturation",
    "loss_surface",
    "initialization",
    "table1",
    "theory",
    "article",
)

SENTENCES: tuple[Sentence, ...] = (
    Sentence(
        _REVIEW,
        "prior to 2006, deep multilayer neural networks were not successfully trained",
        ("rbm B7",),
    ),
    Sentence(_REVIEW, "You can view DBN as stacked RBM.", erratum="E15"),
    Sentence(
        _REVIEW,
        "if training […] relies on Gibbs sampling, the speed should be quite slow",
        ("rbm B3", "rbm B4"),
        "E16",
    ),
    Sentence(
        _REVIEW,
        "compared to stacking one additional layer at a time, training all layers together […] "
        "should be more efficient",
        ("rbm B5", "rbm B7"),
    ),
    Sentence(
        _REVIEW,
        "logistic sigmoid activation is unsuited for deep networks training",
        ("vanishing S6", "saturation G3", "table1 G4", "table1 G18"),
    ),
    Sentence(
        _REVIEW,
        "ReLU is more suitable for training of deeper network",
        ("rectifier R1", "rectifier R3"),
    ),
    Sentence(_REVIEW, "AlexNet was introduced, which features ReLU as activation", ("alexnet A1",)),
    Sentence(_NOTATIONS, "∂x_k/∂w_jk = f′(s_j) x_j", erratum="E1"),
    Sentence(
        _NOTATIONS,
        "Gradient from next layer should be well behaved",
        ("vanishing G12", "vanishing V1"),
    ),
    Sentence(
        _NOTATIONS,
        "If activation from previous layer is too big or small […] the effects are compounded by "
        "multiple layers",
        ("vanishing G11", "vanishing H5", "theory H2"),
    ),
    Sentence(
        _NOTATIONS, "gradient will saturate (f′ = 0) when s is too big or small", erratum="E6"
    ),
    Sentence(_SIGMOID, "The authors conduct experiments on MNIST", erratum="E2"),
    Sentence(
        _SIGMOID,
        "at the beginning of the training, all the sigmoid activation values of the last hidden "
        "layer are pushed to their lower saturation value of 0",
        ("saturation G1",),
    ),
    Sentence(_SIGMOID, "This phenomenon is more server on deeper network.", ("saturation G3",)),
    Sentence(
        _SIGMOID,
        "The top hidden layer quickly saturates at 0 […] then slowly desaturates around epoch 100.",
        ("saturation G2",),
    ),
    Sentence(
        _SIGMOID,
        "sequentially saturation starting with layer 1 and propagating up",
        ("saturation G6", "saturation G16"),
        "E5",
    ),
    Sentence(
        _SIGMOID,
        "consider the last layer (say, layer 5) of the network",
        ("saturation G2", "saturation G3"),
        "E4",
    ),
    Sentence(
        _SIGMOID,
        "the optimization will push the activation to zero for a lower loss",
        ("saturation G5",),
    ),
    Sentence(
        _SIGMOID,
        "For tanh, gradient at x ≈ 0 is 1, which looks good. For sigmoid, gradient at x ≈ 0 is 0",
        erratum="E3",
    ),
    Sentence(
        _LOSS,
        "compared to L2 loss […] cross-entropy loss induced better shape […] less loss plateaus",
        ("loss_surface G9",),
    ),
    Sentence(
        _XAVIER,
        "back-propagated gradients were smaller as one moves from the output layer towards the "
        "input layer",
        ("vanishing G12", "initialization G12"),
    ),
    Sentence(
        _XAVIER,
        "The goal of Xavier initialization is to keep variance of gradient on s constant",
        ("vanishing G12", "initialization G12", "initialization G14"),
        "E7",
    ),
    Sentence(
        _XAVIER,
        "Var(W_i) = 2/(n_i + n_{i+1}) […] a = √(6/(n_i + n_{i+1}))",
        ("vanishing G10", "initialization G10"),
    ),
    Sentence(
        _RELU,
        "ReLU […] yield equal or better performance than tanh",
        ("rectifier R1", "rectifier R2"),
    ),
    Sentence(_RELU, "biological neurons where they either fire (1) or not fire (0)", erratum="E12"),
    Sentence(
        _RELU,
        "ReLU can naturally output zeros and hence learns sparse representations",
        ("article R8", "rectifier R5", "rectifier R7"),
    ),
    Sentence(
        _RELU,
        "non-differentiability at zero does not hurt performance",
        ("rectifier R1", "rectifier R6"),
    ),
    Sentence(_RELU, "they compared ReLU to tanh", erratum="E14"),
    Sentence(
        _RELU,
        "ReLU yield better convergence on CV and NLP (sentiment analysis) tasks",
        ("rectifier R1", "rectifier R12"),
        "E13",
    ),
    Sentence(_RELU, "tanh is heavily used RNN, LSTM and GRU", ("recurrent T3", "recurrent T8")),
    Sentence(
        _RELU, "Tanh is also widely used in […] policy network of actor-critic", ("policy L1",)
    ),
    Sentence(
        _KAIMING,
        "Xavier initialization is based on the assumption that activations is linear, which is "
        "invalid for ReLU",
        ("vanishing H5", "theory H5"),
    ),
    Sentence(_KAIMING, "Var(s_i) = n_i Var(w_i) Var(x_i)", erratum="E8"),
    Sentence(
        _KAIMING,
        "half of variance is chop out by the ReLU operator: Var(x_i) = ½ Var(s_{i−1})",
        ("vanishing H1", "theory H1"),
        "E9",
    ),
    Sentence(_KAIMING, "This leads to: Var(w_i) = 2/n_i", ("theory H2", "theory H4")),
    Sentence(
        _KAIMING,
        "for a normal w_i, the std is √(2/n_i). For a uniform w_l, the std is √(6/n_i).",
        erratum="E10",
    ),
    Sentence(
        _KAIMING,
        "consistent with Keras documentation, but differs by a factor of √2 with PyTorch",
        erratum="E11",
    ),
)


def lines(sentence: Sentence, records: Iterable[Record]) -> list[Line]:
    """The verdicts on a sentence's claims, in each result that has them.

    A claim without a result is "not yet measured"; one whose experiment does not exist is left out.
    """
    found = list(records)
    made = []
    for question, id in sentence.existing:
        here = [
            Line(
                question,
                claim.id,
                claim.verdict,
                record.data,
                record.folder.name,
                record.to_measure(claim),
            )
            for record in found
            if record.question == question
            for claim in record.claims
            if claim.id == id or claim.id.startswith(f"{id} ")
        ]
        command = f"gradtrace run {question}"
        made += here or [Line(question, id, "not yet measured", command=command)]
    return made
