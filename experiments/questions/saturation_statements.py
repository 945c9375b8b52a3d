"""What `saturation` claims: sentences with their sources, and tolerances fixed before any run.

"G5 less" was reworded after its first run; the original wording is "G5 frozen".
"""

from __future__ import annotations

from experiments.lab.claims import Statement, Tolerance

_PAPER = "Glorot & Bengio 2010"

EARLY = 5_000  # updates after which "almost at once" is over, or the end of a shorter control
LEFT = 0.1  # nats below the entropy of the classes, from which on a net has left the plateau
SATURATED = 0.95  # p98 of a tanh layer that is saturated
ESCAPE_BY = 2_000_000  # updates, the paper's "around epoch 100" of 20,000 each
END = 1_000_000  # updates from which on "the end of training" is meant

G1 = Statement(
    "G1",
    "sigmoid, 4 layers: the top layer is driven to 0 almost at once (mean of x)",
    f"{_PAPER}, figure 2",
    Tolerance("at most", 0.1),
)
G1_OTHERS = Statement(
    "G1 others",
    "then the means of the layers below have not fallen under one half (a hundredth is left for "
    "noise)",
    f"{_PAPER}, section 3.1",
    Tolerance("at least", 0.49),
)
G1_ORDER = Statement(
    "G1 order",
    "and they rise toward the output (mean of x, each layer's minus that of the one below)",
    f"{_PAPER}, section 3.1",
    Tolerance("at least", 0.0),
)
G2 = Statement(
    "G2",
    "sigmoid, 4 layers: the net escapes in the end (entropy of the classes minus loss, nats)",
    f"{_PAPER}, section 3.1: around epoch 100",
    Tolerance("at least", LEFT),
)
G2_LAYERS = Statement(
    "G2 layers",
    "as it does, the top layer's mean comes back and layer 1 saturates (its std of x): at the end "
    "over when the mean was lowest",
    f"{_PAPER}, section 3.1",
    Tolerance("at least", 2.0),
)
G3 = Statement(
    "G3",
    "Shapeset: sigmoid, 5 layers: no escape, as far as the run goes (entropy of the classes minus "
    "loss)",
    f"{_PAPER}, section 3.1",
    Tolerance("at most", LEFT / 2),
)
G3_SOONER = Statement(
    "G3 sooner",
    "sigmoid: 3 layers escape before 4 do (ratio of the updates it takes)",
    f"{_PAPER}, section 3.1: deeper, later",
    Tolerance("at most", 1.0),
)
G5 = Statement(
    "G5",
    "sigmoid, 4 layers: softmax(b + Wh) has learned b alone when h is lowest (loss over entropy of "
    "the classes)",
    f"{_PAPER}, section 3.1",
    Tolerance("relative", 0.03),
)
G5_FROZEN = Statement(
    "G5 frozen",
    "with b frozen at 0, the top layer is not driven to 0 (mean of x, early; G1's bound)",
    f"{_PAPER}, section 3.1: a control of our own",
    Tolerance("at least", 0.1),
)
G5_LESS = Statement(
    "G5 less",
    "but it is driven less far down (its mean, frozen over free, early)",
    f"{_PAPER}, section 3.1: a control of our own, worded after its first run",
    Tolerance("at least", 2.0),
)
G5_TANH = Statement(
    "G5 tanh",
    "tanh: for it x = 0 is no saturation, and a net with the same softmax(b + Wh) leaves the "
    "plateau (entropy of the classes minus loss)",
    f"{_PAPER}, section 3.1",
    Tolerance("at least", LEFT),
)
G6 = Statement(
    "G6",
    "tanh, standard init: layers saturate from the bottom up (updates to p98 = 0.95, each "
    "layer's over that of the one below)",
    f"{_PAPER}, figure 3",
    Tolerance("at least", 1.0),
)
G7 = Statement(
    "G7",
    "softsign saturates less than tanh (p98 at the end, mean of the layers, tanh minus softsign)",
    f"{_PAPER}, figure 3",
    Tolerance("at least", 0.0),
)
G7_TOGETHER = Statement(
    "G7 together",
    "and its layers move together (latest over earliest layer, in updates to half of p98's change: "
    "tanh's over softsign's)",
    f"{_PAPER}, figure 3",
    Tolerance("at least", 1.0),
)
G8 = Statement(
    "G8",
    "at the end of training tanh's activations pile up at ±1 or 0 (highest density there over the "
    "highest elsewhere, fifths of |x|)",
    f"{_PAPER}, figure 4",
    Tolerance("at least", 1.0),
)
G8_SOFTSIGN = Statement(
    "G8 softsign",
    "and softsign's at ±(0.6–0.8) (the same ratio)",
    f"{_PAPER}, figure 4",
    Tolerance("at least", 1.0),
)
G16 = Statement(
    "G16",
    "tanh with normalized init evolves more like softsign (its distance from softsign over that of "
    "tanh with standard init)",
    f"{_PAPER}, figure 10",
    Tolerance("at most", 1.0),
)
