"""The claims of `speed`: their targets, and their verdicts from given times."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.questions.speed_claims import claims, targets
from experiments.speed.cases import Elementwise, Product, Training
from experiments.speed.plans import GLOROT, SMALL
from experiments.speed.rivals import ARRAYS, FUSED, NUMPY, OPENBLAS, OURS, STATS, TORCH
from experiments.speed.schedule import Timing
from experiments.speed.startup import GRADIENTS, Starts
from experiments.speed.times import Times

IDS = [f"K{i}" for i in range(1, 14)] + ["T1", "T2", "T3", "T4", "T5", "T6", "P1", "P2"]
TARGETS = {
    "K1": "at least 0.95", "K2": "at least 1.7", "K3": "at least 2", "K4": "at least 1",
    "K5": "at least 1.7", "K6": "at least 1.3", "K7": "at least 1", "K8": "at least 1",
    "K9": "at least 1", "K10": "at least 1", "K11": "at least 1", "K12": "at least 1.5",
    "K13": "at least 1.5", "T1": "at least 4", "T2": "at least 2", "T3": "at least 4",
    "T4": "at least 1", "T5": "at most 1.5", "T6": "at most 1.5",
    "P1": "at least 1", "P2": "at most 12",
}  # fmt: skip


def claim(result, id):
    return next(c for c in result.claims if c.statement.id == id)


def test_targets_and_their_source(made_up):
    _, result = made_up()
    assert {c.statement.id: str(c.statement.tolerance) for c in result.claims} == TARGETS
    assert [c.statement.id for c in result.claims] == IDS
    sources = {c.statement.source.partition(";")[0] for c in result.claims}
    assert sources == {"project target, issue table"}


def test_all_hold_when_we_are_fast_enough(made_up, verdicts):
    _, result = made_up(sizes="all", threads=(1, 2))
    assert verdicts(result) == dict.fromkeys(IDS, "holds")


def test_none_holds_when_we_are_slow(made_up, verdicts):
    slow = {OURS: 1.0, FUSED: 1.0, NUMPY: 0.5, OPENBLAS: 0.5, TORCH: 0.5, STATS: 1.6}
    late = Starts(np.full(4, 2.0), dict.fromkeys(GRADIENTS, np.full(4, 30.0)), np.ones(4))
    _, result = made_up(slow, starts=late, sizes="most")
    assert verdicts(result) == dict.fromkeys(IDS, "does not hold")


# Which claims fall when one rival is just faster than its target allows, the others being slow.
@pytest.mark.parametrize(
    ("rival", "factor", "fall"),
    [
        (OPENBLAS, 1.31, set()),
        (OPENBLAS, 1.29, {"K6"}),
        (OPENBLAS, 0.96, {"K4", "K6"}),
        (OPENBLAS, 0.94, {"K1", "K4", "K6"}),
        (NUMPY, 1.71, set()),
        (NUMPY, 1.69, {"K2", "K5"}),
        (NUMPY, 1.29, {"K2", "K5", "K6"}),
        (NUMPY, 0.99, {"K2", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "T4"}),
        (TORCH, 4.01, set()),
        (TORCH, 3.99, {"T3"}),
        (TORCH, 1.99, {"T3", "T1", "T2", "K3"}),
        (TORCH, 1.49, {"T3", "T1", "T2", "K3", "K12", "K13"}),
    ],
)
def test_what_each_rival_decides(rival, factor, fall, made_up, verdicts):
    factors = {OURS: 1.0, FUSED: 0.5, NUMPY: 9.0, OPENBLAS: 9.0, TORCH: 9.0, rival: factor}
    _, result = made_up(factors, sizes="most")
    assert {id for id, v in verdicts(result).items() if v == "does not hold"} == fall
    assert {v for id, v in verdicts(result).items() if id not in fall} == {"holds"}


def test_the_fused_step_counts_at_batch_10_alone(made_up, verdicts):
    factors = {OURS: 1.0, FUSED: 1.0, NUMPY: 9.0, OPENBLAS: 9.0, TORCH: 3.0}
    assert verdicts(made_up(factors)[1])["T1"] == "does not hold"
    _, result = made_up({**factors, FUSED: 0.7})
    assert verdicts(result)["T1"] == "holds"
    assert claim(result, "T1").labels == ("batch 10, 1t, fused",)
    _, result = made_up({**factors, TORCH: 1.5, FUSED: 0.1}, sizes="most")
    assert verdicts(result)["T2"] == "does not hold"
    without = {name: f for name, f in factors.items() if name != FUSED}
    _, result = made_up({**without, TORCH: 5.0})
    assert verdicts(result)["T1"] == "holds"
    assert claim(result, "T1").labels == ("batch 10, 1t",)


@pytest.mark.parametrize(
    ("stats", "said"), [(1.51, "does not hold"), (1.49, "holds"), (0.9, "holds")]
)
def test_a_trace_of_statistics_is_compared_with_the_plain_step(stats, said, made_up, verdicts):
    _, result = made_up({STATS: stats, OURS: 1.0, ARRAYS: 9.0}, groups=("traces",), sizes="most")
    measured = {i: v for i, v in verdicts(result).items() if v != "not yet measured"}
    assert measured == {"T5": said, "T6": said}
    for name, batches in (("T5", (10, 64)), ("T6", (10, 64, 256))):
        found = claim(result, name)
        assert found.labels == tuple(f"batch {batch}, 1t" for batch in batches)
        assert [m.value for m in found.measured] == pytest.approx([stats] * len(batches), rel=1e-3)


AGAINST_TORCH = {"K3", "K6", "K8", "K9", "K10", "K11", "K12", "K13", "T1", "T2", "T3", "P1"}


class TestWhoIsMissing:
    def test_pytorch(self, made_up, verdicts):
        factors = {OURS: 1.0, FUSED: 0.5, NUMPY: 3.0, OPENBLAS: 2.0}
        missing = {TORCH: "PyTorch isn't installed here"}
        result = made_up(factors, missing=missing, sizes="most")[1]
        found = verdicts(result)
        assert {i for i, v in found.items() if v == "not yet measured"} == AGAINST_TORCH
        for name in AGAINST_TORCH:
            assert claim(result, name).statement.needs.startswith("--torch-python PYTHON")
        assert {v for i, v in found.items() if i not in AGAINST_TORCH} == {"holds"}

    def test_openblas_best_kernels(self, made_up, verdicts):
        factors = {OURS: 1.0, FUSED: 0.5, NUMPY: 3.0, TORCH: 5.0}
        result = made_up(factors, missing={OPENBLAS: "no AVX-512"}, sizes="most")[1]
        found = verdicts(result)
        # At batch 10 NumPy as installed is then OpenBLAS at its best.
        assert {i for i, v in found.items() if v != "holds"} == {"K1", "K4"}
        assert found["K1"] == "not yet measured"
        assert claim(result, "K1").statement.needs == "# on a processor with AVX-512"

    def test_groups_that_were_not_run(self, made_up, verdicts):
        found = verdicts(made_up(groups=("small",))[1])
        assert {i for i, v in found.items() if v != "not yet measured"} == {"T3", "T4"}
        result = made_up(groups=("scaling", "steps", "roofline"))[1]
        assert set(verdicts(result).values()) == {"not yet measured"}
        assert {c.statement.needs for c in result.claims} == {""}  # the defaults run every group

    def test_starts_that_were_left_out(self, made_up, verdicts):
        starts = Starts(np.array([0.5, 0.51]), {}, np.array([1.0, 1.01]))
        found = verdicts(made_up(starts=starts)[1])
        assert (found["P1"], found["P2"]) == ("holds", "not yet measured")


class TestFailures:
    """One case in which somebody failed: nothing is hidden, the claim is not shown."""

    @staticmethod
    def without(name, case_is):
        def change(timing):
            if not case_is(timing.case):
                return timing
            kept = {k: v for k, v in timing.medians.items() if k != name}
            return replace(timing, medians=kept, failures={name: "its process ended"})

        return change

    @pytest.mark.parametrize(
        ("name", "shown"), [(OPENBLAS, {"K2", "K3"}), (TORCH, {"K1", "K2"}), (OURS, set())]
    )
    def test_a_product(self, name, shown, made_up, verdicts):
        change = self.without(name, lambda c: isinstance(c, Product) and c.form == "G·Wᵀ")
        found = verdicts(made_up(change=change)[1])
        assert {i for i in ("K1", "K2", "K3") if found[i] == "holds"} == shown
        assert {found[i] for i in {"K1", "K2", "K3"} - shown} <= {"not shown"}
        # Which rival would have been the fastest can't be known.
        assert found["K6"] == "not shown"

    def test_an_activation(self, made_up, verdicts):
        change = self.without(NUMPY, lambda c: isinstance(c, Elementwise) and c.f == "tanh")
        found = verdicts(made_up(change=change)[1])
        assert found["K9"] == "not shown"
        assert {found[i] for i in ("K8", "K10", "K11")} == {"holds"}

    def test_a_start(self, made_up, verdicts):
        seconds = np.array([0.5, 0.51])
        for warm, torch in ((seconds, None), (None, seconds)):
            found = verdicts(made_up(starts=Starts(warm, {}, torch, {"x": "no"}))[1])
            assert found["P1"] == "not shown"

    def test_one_of_two_nets_that_did_not_start(self, made_up, verdicts):
        small, large = GRADIENTS
        seconds = np.array([0.5, 0.51])
        one = Starts(seconds, {small: seconds}, 2 * seconds, {f"cold {large}": "no"})
        assert verdicts(made_up(starts=one)[1])["P2"] == "not shown"
        none = Starts(seconds, {}, 2 * seconds, {f"cold {large}": "no", f"cold {small}": "no"})
        assert verdicts(made_up(starts=none)[1])["P2"] == "not shown"

    def test_a_rival_that_fails_while_another_is_slower_than_the_target(self, made_up, verdicts):
        change = self.without(OPENBLAS, lambda c: isinstance(c, Product) and c.batch == 10)
        factors = {OURS: 1.0, FUSED: 0.5, NUMPY: 0.5, OPENBLAS: 2.0, TORCH: 5.0}
        assert verdicts(made_up(factors, change)[1])["K6"] == "not shown"


def test_the_interval_decides(made_up, verdicts):
    """Rounds that scatter around a ratio above the target show nothing."""

    def scatter(timing):
        wild = {k: v * ([1, 4, 1, 4] if k == NUMPY else 1) for k, v in timing.medians.items()}
        return replace(timing, medians=wild)

    _, result = made_up({OURS: 1.0, NUMPY: 1.2}, scatter, groups=("small",))
    value = claim(result, "T4").measured[0]
    assert value.value == pytest.approx(2.4, rel=0.01) and value.low < 1
    assert verdicts(result)["T4"] == "not shown"


def test_ratios_are_the_rivals_time_over_ours(made_up):
    _, result = made_up(groups=("small",))
    assert claim(result, "T3").measured[0].value == pytest.approx(5, rel=0.01)
    assert claim(result, "T4").measured[0].value == pytest.approx(3, rel=0.01)


def test_labels_name_what_was_measured(made_up):
    _, result = made_up(sizes="most", threads=(1, 2))
    assert claim(result, "K1").labels[:3] == ("X·W 1024³, 1t", "X·W 2048³, 1t", "X·W 256, 1t")
    assert claim(result, "K8").labels[:2] == ("forward 10⁴, 1t", "backward 10⁴, 1t")
    assert claim(result, "K12").labels[-1] == "softsign 10⁶, 2t"
    assert claim(result, "T2").labels[-1] == "batch 256, 2t"
    assert claim(result, "P2").labels == ("2–16–16–1", "64–5×64–10")
    for c in result.claims:
        assert len(set(c.labels)) == len(c.labels)
        assert len(c.labels) in (0, len(c.measured))
        assert max(map(len, c.labels), default=0) <= 21


def test_targets_of_a_case():
    def of(case):
        return targets(Timing(case, 1, {}, {}, {}, {}))

    assert of(Product("matmul", "float32", "X·W", 2048, 2048, 2048)) == {
        OPENBLAS: 0.95, NUMPY: 1.7, TORCH: 2.0,
    }  # fmt: skip
    assert of(Product("matmul", "float64", "X·W", 256, 1000, 1000)) == {OPENBLAS: 1.0, NUMPY: 1.7}
    assert of(Product("matmul", "float32", "Xᵀ·G", 10, 1000, 1000)) == {
        NUMPY: 1.3, OPENBLAS: 1.3, TORCH: 1.3,
    }  # fmt: skip
    assert of(Product("matmul", "float32", "X·W", 96, 96, 96)) == {NUMPY: 1.0}
    assert of(Elementwise("activations", "float32", "gelu", 10, True)) == {TORCH: 1.5}
    assert of(Training("training", "float32", GLOROT, 64, "cross_entropy")) == {TORCH: 2.0}
    assert of(Training("small", "float32", SMALL, 32, "mse")) == {TORCH: 4.0, NUMPY: 1.0}
    assert of(Training("scaling", "float32", (64, 64, 10), 64, "cross_entropy")) == {}


def test_nothing_at_all():
    assert {c.verdict for c in claims(Times([]))} == {"not yet measured"}
