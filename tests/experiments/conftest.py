"""What tests of experiments share: is a figure legible, and a run of `speed` made up."""

import io

import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from experiments.questions.speed import Settings, _result
from experiments.speed.machine import Machine
from experiments.speed.plans import plan
from experiments.speed.rivals import (
    ARRAYS,
    FUSED,
    NUMPY,
    OPENBLAS,
    OURS,
    STATS,
    TITLES,
    TORCH,
    VARIANTS,
)
from experiments.speed.schedule import Timing
from experiments.speed.startup import GRADIENTS, Starts

MACHINE = Machine(
    cpu="a processor", cores=2, features=("avx2", "avx512f"),
    caches={"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}, notes=("a note",),
)  # fmt: skip
# How many times as long as ours each takes.
TIMES_OURS = {OURS: 1.0, FUSED: 0.5, NUMPY: 3.0, OPENBLAS: 2.0, TORCH: 5.0}
TRACED = {STATS: 1.4, ARRAYS: 1.2}


def timing(case, threads, entrants, rounds, factors, spread=1e-4):
    """Made-up times: ours by the case's operations and bytes, the others' so many times as long."""
    rng = np.random.default_rng(0)
    base = 1e-6 + (case.flops / 1e11 + case.bytes / 1e11) / threads
    medians = {
        name: base * factors[name] * np.exp(spread * rng.normal(size=rounds))
        for name in entrants
        if name in factors
    }
    ones = {name: np.ones(rounds) for name in medians}
    return Timing(case, threads, medians, medians, ones, {})


@pytest.fixture
def made_up(monkeypatch):
    """(settings, result) of a run in which these rivals took so long, and these starts."""
    monkeypatch.setattr("experiments.questions.speed.available_cores", lambda: 2)

    def make(factors=TIMES_OURS, change=lambda timing: timing, starts=None, missing=None, **given):
        settings = Settings(**{"threads": (1,), "sizes": "few", "rounds": 4} | given)
        timings = [
            change(
                timing(p.case, p.threads, p.entrants, p.rounds(settings.rounds), TRACED | factors)
            )
            for p in plan(settings.groups, settings.sizes, settings.threads, MACHINE)
        ]
        if starts is None and "startup" in settings.groups:
            seconds = np.exp(0.01 * np.random.default_rng(0).normal(size=4))
            cold = dict.fromkeys(GRADIENTS, 9 * seconds)
            starts = Starts(0.5 * seconds, cold, None if TORCH in (missing or ()) else 2 * seconds)
        missing = missing or {}
        rivals = dict.fromkeys(name for name in TITLES if name not in VARIANTS)
        abouts = {name: {"core": name} for name in rivals if name not in missing}
        return settings, _result(
            settings, MACHINE, abouts, missing, timings, starts or Starts(), rivals
        )

    return make


@pytest.fixture
def legible(monkeypatch):
    """A check of a figure at the width of a README's column: 800 pixels.

    No text lies beyond the canvas or on another text, none is smaller than 11 pixels, the title is
    the figure's label, and the file stays below 300 KiB.
    """
    draw = Text.draw

    def check(figure):
        assert figure.get_figwidth() * 100 == 800
        seen = {}  # the last time that a text is drawn counts: the first is for the layout

        def drawn(self, renderer, *args, **kwargs):
            draw(self, renderer, *args, **kwargs)
            if self.get_visible() and self.get_text().strip():
                corners = self.get_window_extent(renderer).get_points() / 1.5
                seen[id(self)] = (self.get_text(), self.get_fontsize(), Bbox(corners))

        file = io.BytesIO()
        with monkeypatch.context() as patched:
            patched.setattr(Text, "draw", drawn)
            figure.savefig(file, format="png", dpi=150)
        assert file.tell() < 300 * 1024
        height = 100 * figure.get_figheight()
        boxes = []
        for text, points, box in seen.values():
            assert points * 100 / 72 >= 11, f"{text!r} is too small"
            inside = min(box.x0, box.y0) >= -1 and box.x1 <= 801 and box.y1 <= height + 1
            assert inside, f"{text!r} is cut: {box}"
            boxes.append((text, box))
        for i, (text, box) in enumerate(boxes):
            for other, its_box in boxes[:i]:
                width = min(box.x1, its_box.x1) - max(box.x0, its_box.x0)
                height = min(box.y1, its_box.y1) - max(box.y0, its_box.y0)
                assert width < 3 or height < 3, f"{text!r} lies on {other!r}"
        lines = " ".join(text.get_text() for text in figure.texts)
        assert figure.get_label() and lines.startswith(figure.get_label())

    return check


@pytest.fixture
def verdicts():
    """The verdict of each claim by its id."""
    return lambda result: {claim.statement.id: claim.verdict for claim in result.claims}
