"""The sweep and the special values: what is tried, and that a wrong kernel is found."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine.kernels import KERNELS
from experiments.accuracy import special, sweep
from experiments.accuracy.cases import cases
from experiments.accuracy.exact import EXACT
from experiments.accuracy.special import KINDS, points, wrong_results
from experiments.accuracy.sweep import BINS, EDGES, Errors, Piece, bins, n_pieces, sample
from experiments.accuracy.ulp import wider

FLOATS = ["float32", "float64"]
JUDGED = [dtype for dtype in FLOATS if wider(dtype)]


def case(name="tanh", quantity="f", dtype="float32", **changed):
    found = cases(name, dtype, wider(dtype) or dtype)
    return replace(next(c for c in found if c.quantity == quantity), **changed)


def measured(judged, s):
    errors = Errors(judged)
    s = np.asarray(s, judged.dtype)
    errors.measure(Piece(s, s.astype(wider(judged.dtype))))
    return errors


class TestSample:
    @pytest.mark.parametrize("dtype", FLOATS)
    def test_ends_kinks_and_denormals(self, dtype):
        info = np.finfo(dtype)
        x = np.concatenate(list(sample(dtype, 2**16, 30_000)))
        assert x.min() == 0 and x.max() == info.max
        tiny, one = info.smallest_subnormal, info.dtype.type(1)
        for value in (tiny, 12 * tiny, one, np.nextafter(one, 0 * one), np.nextafter(one, 2 * one)):
            assert value in x
        assert ((x > 1e3 * tiny) & (x < info.tiny)).any()
        # Where e^s changes its n, where e^2s does, and where they underflow.
        for switch in (1.5 * math.log(2), 2.5 * math.log(2) / 2, 125.5 * math.log(2)):
            assert (abs(x - switch) < 10 * switch * info.eps).sum() > 10
        assert ((x > 80) & (x < 800)).sum() > 100

    def test_float64_is_denser_where_something_happens(self):
        x = np.concatenate(list(sample("float64", 1, 5100)))
        assert ((x >= 2.0**-5) & (x < 2.0**-4)).sum() >= 100

    @pytest.mark.parametrize("dtype", FLOATS)
    @pytest.mark.parametrize("samples", [100, 40_000])
    def test_the_number_of_pieces(self, dtype, samples):
        found = len(list(sample(dtype, 50_000_000 // samples, samples)))
        assert n_pieces(dtype, 50_000_000 // samples, samples) == found


class TestBins:
    def test_each_number_lies_beyond_its_edge(self):
        s = np.array([1.0, 1.2, 1.25, 1.99, 2.0, 0.9, 1e-3, -1.0, -1.25, -1e-3])
        at = bins(s)
        edges = EDGES[at]
        assert (np.sign(edges) == np.sign(s)).all()
        assert (abs(edges) <= abs(s)).all() and (abs(s) < abs(edges) * 1.26).all()
        assert EDGES[bins(np.array([1.0, 1.25, 1.5, 1.75]))].tolist() == [1, 1.25, 1.5, 1.75]

    def test_they_are_in_order(self):
        assert (np.diff(EDGES) > 0).all()
        s = np.array([-math.inf, -1e300, -1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0, 1e300])
        at = bins(s[1:])
        assert (np.diff(at) >= 0).all()
        assert at[0] == 0 and at[-1] == 2 * BINS - 1
        assert at[3] == BINS - 1 and at[4] == BINS


class TestErrors:
    def test_a_kernel_that_is_off_in_one_place(self):
        right = case().kernel

        def wrong(s):
            y = right(s).copy()
            y[s == 0.5] += np.float32(5 * 2.0**-25)  # y = .46, a unit is 2⁻²⁵
            return y

        s = np.float32([0.3, 0.4, 0.5, 0.6, 3.0])
        good, bad = measured(case(), s), measured(case(kernel=wrong), s)
        assert good.worst < 2
        assert 4 < bad.worst < 6 and bad.worst_s == 0.5
        differ = np.flatnonzero(np.nan_to_num(good.largest) != np.nan_to_num(bad.largest))
        assert EDGES[differ].tolist() == [0.5]
        assert bad.mean(0.5, 0.6) > good.mean(0.5, 0.6) + 1
        assert bad.mean(2, 4) == good.mean(2, 4)

    @pytest.mark.parametrize(
        ("name", "wrong", "s"),
        [
            ("sigmoid", lambda s: 1 / (1 + np.exp(-s)), -89.0),  # e^89 is ∞, so σ comes out 0
            ("tanh", lambda s: np.float32(1) - 2 / (np.exp(2 * s) + 1), 1e-6),  # cancels
            ("relu", lambda s: np.where(abs(s) < 1e-38, 0, np.maximum(s, 0)), 1e-40),
            ("softplus", lambda s: np.log(1 + np.exp(s)), -20.0),
        ],
    )
    def test_formulas_with_known_faults(self, name, wrong, s):
        s = np.float32([s])
        with np.errstate(over="ignore"):
            assert measured(case(name, kernel=wrong), s).worst > 1000
        assert measured(case(name), s).worst < 2

    def test_nan_is_an_infinite_error(self):
        errors = measured(case(kernel=lambda s: s * np.float32(np.nan)), [1.0])
        assert errors.worst == math.inf and errors.worst_s == 1

    def test_a_step_is_judged_in_the_range_of_f_alone(self):
        judged = case("sigmoid", "step")
        errors = measured(judged, [0.25, 0.5, 1.0, 1.5, 3.0])
        known = EDGES[~np.isnan(errors.largest)]
        assert known.tolist() == [0.25, 0.5, 1.0]
        assert np.isnan(measured(judged, [-0.5, -1.0]).largest).all()

    def test_pieces_add_up(self):
        s = np.linspace(0.1, 5, 1000).astype(np.float32)
        whole = measured(case(), s)
        parts = Errors(case())
        for part in np.array_split(s, 7):
            parts.measure(Piece(part, part.astype(np.float64)))
        np.testing.assert_array_equal(whole.largest, parts.largest)
        assert parts.worst == whole.worst and parts.worst_s == whole.worst_s
        assert parts.mean(0.1, 5) == pytest.approx(whole.mean(0.1, 5), rel=1e-12)

    def test_parameters_are_those_of_the_precision(self):
        for name in ("leaky_relu", "elu"):
            for judged in cases(name, "float32", np.float64):
                assert measured(judged, [-0.75, -0.5, -0.25]).worst < 2
        slope = case("leaky_relu", "slope")  # it is the parameter itself
        assert measured(slope, [-0.75]).worst == 0

    @pytest.mark.parametrize("dtype", JUDGED)
    def test_a_sweep_of_some(self, dtype):
        found = sweep.sweep(("tanh", "silu"), dtype, 3_000_017, 100)
        names = [(e.case.activation, e.case.quantity) for e in found]
        assert names == [(f, q) for f in ("tanh", "silu") for q in ("f", "slope", "step")][:5]
        signs = EDGES[~np.isnan(found[0].largest)]
        assert signs.min() < -1e38 and signs.max() > 1e38
        assert 0.5 < found[0].worst < 2

    def test_nothing_is_judged_without_a_wider_type(self, monkeypatch):
        monkeypatch.setattr(sweep, "wider", lambda dtype: None)
        assert sweep.sweep(("tanh",), "float64", 1, 100) == []


class TestSpecialValues:
    @pytest.mark.parametrize("dtype", FLOATS)
    def test_points(self, dtype):
        info = np.finfo(dtype)
        assert [points(kind, dtype) for kind in KINDS[1:6]] == [
            [-math.inf], [math.inf], [0, 0], [-1, 1], [-1000, 1000],
        ]  # fmt: skip
        least, most = points("denormals", dtype)[2:]
        assert least == info.smallest_subnormal and most == info.tiny - info.smallest_subnormal
        assert points("±largest", dtype)[1] == info.max

    @pytest.mark.parametrize("dtype", FLOATS)
    @pytest.mark.parametrize("name", EXACT)
    def test_the_kernels_are_right(self, name, dtype):
        assert wrong_results(name, dtype) == []

    @pytest.mark.parametrize("name", EXACT)
    def test_and_can_be_judged_without_a_wider_type(self, name, monkeypatch):
        monkeypatch.setattr(special, "wider", lambda dtype: None)
        assert wrong_results(name, "float64") == []

    @pytest.mark.parametrize(
        ("name", "change", "kinds"),
        [
            ("tanh", lambda s: np.tanh(np.nan_to_num(s, posinf=np.inf, neginf=-np.inf)), {"NaN"}),
            ("softsign", lambda s: s / (1 + abs(s)), {"−∞", "∞"}),
            ("silu", lambda s: s / (1 + np.exp(-s)), {"−∞"}),
            ("relu", lambda s: s * (s > 0), {"−∞"}),
            ("sigmoid", lambda s: np.where(s == -1000, np.nan, 1 / (1 + np.exp(-s))),
             {"±1000"}),
            ("identity", lambda s: np.where(abs(s) < np.finfo(s.dtype).tiny, 0, s), {"denormals"}),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("dtype", FLOATS)
    def test_what_is_wrong_is_found(self, name, change, kinds, dtype, monkeypatch):
        def value(s, *parameters):
            with np.errstate(all="ignore"):
                return change(s).astype(s.dtype)

        right = KERNELS[name]
        fake = SimpleNamespace(
            value=value, slope=right.slope, scaled_slope_of_value=right.scaled_slope_of_value
        )
        monkeypatch.setitem(KERNELS, name, fake)
        found = wrong_results(name, dtype)
        assert {w.kind for w in found} == kinds
        assert {(w.activation, w.quantity, w.dtype) for w in found} == {(name, "f", dtype)}
