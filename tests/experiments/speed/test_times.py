"""All that was timed, as rows and arrays and back."""

import json

import numpy as np

from experiments.lab.results import plain
from experiments.speed.rivals import NUMPY, OURS, TORCH
from experiments.speed.times import ENTRANTS, Times


def same(a, b):
    assert (a.case, a.threads, dict(a.failures)) == (b.case, b.threads, dict(b.failures))
    for kind in ("medians", "minima", "repeats"):
        one, other = getattr(a, kind), getattr(b, kind)
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_there_and_back_as_on_disk(made_up):
    _, result = made_up(threads=(1, 2), missing={TORCH: "gone"})
    on_disk = json.loads(json.dumps(plain(result.measurements)))
    there = Times.of(result.measurements, result.arrays)
    back = Times.of(on_disk, result.arrays)
    assert len(there.timings) == len(back.timings) > 50
    for a, b, row in zip(there.timings, back.timings, on_disk["rows"], strict=True):
        same(a, b)
        assert set(a.medians) == set(row["seconds"])
    assert back.present == {OURS, NUMPY, "openblas"} and "matmul" in back.groups
    assert len(there.starts.cold) == 2
    for net, seconds in there.starts.cold.items():
        np.testing.assert_array_equal(back.starts.cold[net], seconds)
    np.testing.assert_array_equal(back.starts.warm, there.starts.warm)
    assert back.starts.torch is there.starts.torch is None


def test_arrays_have_a_row_for_each_case_and_nan_where_nobody_was(made_up):
    _, result = made_up(groups=("small", "scaling"))
    medians, rows = result.arrays["medians"], result.measurements["rows"]
    assert medians.shape == (len(rows), len(ENTRANTS), 4)
    small = [row["group"] for row in rows].index("small")
    assert np.isfinite(medians[small, ENTRANTS.index(OURS)]).all()
    assert np.isnan(medians[small, ENTRANTS.index("openblas")]).all()
    # What isn't compared has fewer rounds.
    assert np.isfinite(medians[-1, 0]).tolist() == [True] * 3 + [False]
    assert rows[small]["seconds"][OURS] == np.median(medians[small, 0])


def test_nothing_timed(made_up):
    settings, result = made_up(groups=("startup",))
    assert result.arrays["medians"].shape == (0, len(ENTRANTS), 0)
    assert Times.of(result.measurements, result.arrays).timings == []
    assert settings.groups == ("startup",)


def test_of_a_group(made_up):
    _, result = made_up(groups=("small", "matmul"))
    times = Times.of(result.measurements, result.arrays)
    assert {t.case.group for t in times.of_group("matmul")} == {"matmul"}
    assert len(list(times.of_group("small"))) == 1
