"""The tables of the chapter: every number is that of the run."""

import re

import pytest

from experiments.figures.durations import duration
from experiments.figures.speed_chapter import _digits
from experiments.figures.speed_tables import texts
from experiments.speed.rivals import FUSED, NUMPY, OURS
from experiments.speed.times import Times


def rows(text):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert len({len(line) for line in lines}) == 1
    return lines[2:]


def test_the_steps_and_their_share_of_the_peak(made_up):
    settings, result = made_up(groups=("steps", "roofline"), threads=(1, 2))
    times = Times.of(result.measurements, result.arrays)
    found = rows(texts(settings, result)["steps.md"])
    assert found[0][0] == "Python, three loops (48³)" and found[1][0] == "compiled"
    assert found[-1][0] == "`matmul`, two threads" and len({row[0] for row in found}) == len(found)
    peaks = {t.threads: t.rate(OURS) for t in times.of_group("roofline") if t.case.label == "peak"}
    for row, timing in zip(found, times.of_group("steps"), strict=True):
        rate = timing.rate(OURS)
        assert float(row[1]) == pytest.approx(rate / 1e9, rel=6e-3)
        share = float(row[2].removesuffix(" %"))
        assert share == pytest.approx(100 * rate / peaks[timing.threads], rel=0.06)


def test_without_a_peak_there_is_no_share(made_up):
    settings, result = made_up(groups=("steps",))
    made = texts(settings, result)
    assert {row[2] for row in rows(made["steps.md"])} == {"–"} and "compared.md" not in made


def test_the_rivals(made_up):
    settings, result = made_up(sizes="most", threads=(1, 2))
    times = Times.of(result.measurements, result.arrays)
    found = {row[0]: row[1:] for row in rows(texts(settings, result)["compared.md"])}
    others = ("scaling", "traces")
    by_label = {(t.case.label, t.threads): t for t in times.timings if t.case.group not in others}
    for name, cells in found.items():
        label, ours = name.removesuffix(", `SGD(fused=True)`"), OURS
        if label != name:
            ours = FUSED
        for n in (1, 2):
            timing = by_label[label, n]
            seconds = timing.seconds(ours)
            assert cells[3 * n - 3] == duration(seconds)
            if NUMPY in timing.medians:
                ratio = float(cells[3 * n - 2].removesuffix(" ×"))
                assert ratio == pytest.approx(timing.seconds(NUMPY) / seconds, rel=0.06)
    assert found["tanh forward, 10⁶"][1] == "3.0 ×" and found["elu forward, 10⁶"][1] == "–"
    fused = "1024–5×1000–10, batch 10, `SGD(fused=True)`"
    assert found[fused][2] == "10 ×"  # PyTorch takes five times as long, the fused step half
    assert {"X·W, 16³", "X·W, 1024³", "X·W, 1024³, f64", "2–16–16–1, batch 32"} <= found.keys()
    assert not any(re.search("10⁴|10⁷|2048", name) for name in found)


def test_one_thread_alone(made_up):
    settings, result = made_up(sizes="most")
    assert all(row[4:] == ["–"] * 3 for row in rows(texts(settings, result)["compared.md"]))


@pytest.mark.parametrize(
    ("value", "n", "shown"),
    [(176.4, 3, "176"), (0.0077123, 3, "0.00771"), (92.1, 2, "92"), (104.0, 2, "100"),
     (0.0000123, 2, "0.000012"), (1.0, 2, "1.0"), (2.68, 2, "2.7"), (3.0, 3, "3.00")],
)  # fmt: skip
def test_digits(value, n, shown):
    assert _digits(value, n) == shown
