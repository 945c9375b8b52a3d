"""Cases: what they count, what they are called, and that they survive a journey as JSON."""

import json

import pytest

from experiments.speed.cases import (
    Elementwise,
    Limit,
    Product,
    Step,
    Training,
    case_from,
    count,
)
from experiments.speed.plans import FORMS, GLOROT, MAIN, OTHERS, SMALL


def product(form="X·W", batch=3, fan_in=5, fan_out=7, dtype="float32"):
    return Product("matmul", dtype, form, batch, fan_in, fan_out)


class TestCounts:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_product(self, form):
        assert product(form).flops == 2 * 3 * 5 * 7
        assert product(form).bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)
        assert product(form, dtype="float64").bytes == 8 * (3 * 5 + 5 * 7 + 3 * 7)

    def test_an_activation_reads_one_array_forward_and_two_back(self):
        forward = Elementwise("activations", "float32", "relu", 100, False)
        backward = Elementwise("activations", "float64", "relu", 100, True)
        assert (forward.flops, forward.bytes) == (100, 800)
        assert (backward.flops, backward.bytes) == (100, 2400)

    @pytest.mark.parametrize("f", [*MAIN, *OTHERS])
    def test_every_activation_has_its_operations(self, f):
        for backward in (False, True):
            assert Elementwise("activations", "float32", f, 10, backward).flops >= 10

    def test_a_training_step(self):
        # Weights 2·3 and 3·1. Forward both products, back both for ∂L/∂W, and one for ∂L/∂x.
        step = Training("small", "float32", (2, 3, 1), 4, "mse")
        assert step.weights == 9
        assert step.flops == 2 * 4 * (9 + 9 + 3)
        assert step.bytes == 4 * (3 * 9 + 2 * 4 * 6)

    def test_a_step_and_the_limits(self):
        assert Step("steps", "float32", "packed", 10).flops == 2000
        assert Step("steps", "float32", "packed", 10).bytes == 1200
        assert Limit("roofline", "float32", "triad", 10, "L2").bytes == 120
        assert Limit("roofline", "float32", "triad", 10, "L2").flops == 20
        peak = Limit("roofline", "float64", "peak", 3, operations=50.0)
        assert (peak.flops, peak.bytes) == (150, 0)


@pytest.mark.parametrize(
    ("case", "label"),
    [
        (product(), "X·W, 3×5×7"),
        (product("Xᵀ·G", dtype="float64"), "Xᵀ·G, 3×5×7, f64"),
        (product("X·W", 16, 16, 16), "X·W, 16³"),
        (Elementwise("activations", "float32", "tanh", 10**6, True), "tanh backward, 10⁶"),
        (Elementwise("activations", "float32", "gelu", 500, False), "gelu forward, 500"),
        (Training("training", "float32", GLOROT, 10, ""), "1024–5×1000–10, batch 10"),
        (Training("small", "float32", SMALL, 32, "mse"), "2–16–16–1, batch 32"),
        (Step("steps", "float32", "along_rows", 64), "along rows, 64³"),
        (Limit("roofline", "float64", "peak", 3), "peak, f64"),
        (Limit("roofline", "float32", "triad", 2**20, "L3"), "triad in L3, 12 MiB"),
    ],
)
def test_labels_and_the_journey_as_json(case, label):
    assert case.label == label
    assert case_from(json.loads(json.dumps(case.request()))) == case


@pytest.mark.parametrize(
    ("n", "words"), [(10**4, "10⁴"), (10**7, "10⁷"), (100, "100"), (1500, "1500"), (0, "0")]
)
def test_powers_of_ten(n, words):
    assert count(n) == words
