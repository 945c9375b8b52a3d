"""The figures and the tables of `speed`: what they show, and that nothing is cut."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.durations import duration
from experiments.figures.speed import figures, tables, texts
from experiments.figures.words import quantity
from experiments.speed.plans import GROUPS
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, TORCH
from experiments.speed.startup import GRADIENTS, Starts

NOBODY_ELSE = {OURS: 1.0, NUMPY: 3.0}


NAMES = [
    "figure", "products", "activations", "scaling", "traces", "roofline", "steps",
]  # fmt: skip


def the_axes(made, name="figure"):
    [ax] = made[name].axes
    return ax


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


class TestFigures:
    @pytest.mark.parametrize("extent", ["few", "all"])
    def test_each_is_legible(self, extent, made_up, legible):
        settings, result = made_up(sizes=extent, threads=(1, 2))
        made = figures(settings, result)
        assert list(made) == NAMES
        for figure in made.values():
            legible(figure)
            assert any("a processor, 1 and 2 threads" in t.get_text() for t in figure.texts)

    @pytest.mark.parametrize("group", GROUPS)
    def test_a_group_alone_has_the_first_figure(self, group, made_up, legible):
        made = figures(*made_up(groups=(group,)))
        assert list(made) == ["figure"]
        legible(made["figure"])
        assert len(made["figure"].axes) == (4 if group == "scaling" else 1)

    def test_every_case_has_its_dots_where_the_ratio_is(self, made_up):
        settings, result = made_up(groups=("matmul",))
        ax = the_axes(figures(settings, result))
        labels = [tick.get_text() for tick in ax.get_yticklabels()]
        assert labels == [row["label"] for row in result.measurements["rows"]]
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        assert len(dots) == 3 * len(labels)
        values = sorted(float(line.get_xdata()[0]) for line in dots)
        np.testing.assert_allclose(values, sorted([2.0, 3.0, 5.0] * len(labels)), rtol=1e-3)
        assert ax.get_xscale() == "log" and ax.get_xlim()[0] < 0.95 and ax.get_xlim()[1] > 5

    def test_an_interval_that_reaches_far_does_not_stretch_the_axis(self, made_up):
        def change(timing):
            shaken = np.array([1.0, 1e4, 1.0, 1e-4])
            return replace(timing, medians={n: m * shaken for n, m in timing.medians.items()})

        ax = the_axes(figures(*made_up(groups=("matmul",), change=change)))
        assert ax.get_xlim()[0] > 0.3 and ax.get_xlim()[1] < 20

    def test_targets_are_marked(self, made_up):
        ax = the_axes(figures(*made_up(groups=("matmul",))))
        marks = [float(m.get_xdata()[0]) for m in ax.lines if m.get_marker() == "|"]
        assert sorted(set(marks)) == [0.95, 1.0, 1.3, 1.7, 2.0]

    def test_an_activations_sizes_share_a_row(self, made_up):
        ax = the_axes(figures(*made_up(groups=("activations",), sizes="most")))
        labels = [tick.get_text() for tick in ax.get_yticklabels()]
        assert len(labels) == len(set(labels)) == 4 * 2 + 7 * 2 - 1
        sizes = {line.get_markersize() for line in ax.lines if line.get_marker() == "o"}
        assert len(sizes) == 3

    def test_both_of_our_steps_have_a_row(self, made_up):
        ax = the_axes(figures(*made_up(groups=("training", "startup"))))
        labels = [t.get_text() for t in ax.get_yticklabels()]
        assert labels[:2] == ["1024–5×1000–10, batch 10", "1024–5×1000–10, batch 10, fused SGD"]
        assert labels[-1] == "start of a process"

    def test_titles_have_the_numbers_of_the_run(self, made_up):
        made = figures(*made_up(threads=(1, 2)))
        titles = {name: figure.get_label() for name, figure in made.items()}
        n = len(the_axes(made, "products").get_yticks())
        said = f"gradtrace is faster than the fastest rival in {n} of {n} cases, from 2 to 2 times"
        assert titles["products"] == f"Matrix products: {said} as fast"
        assert "from 2 to 6 times as fast" in titles["figure"]  # the fused step takes half
        assert "at most 1.4 times as long" in titles["traces"]
        slow = {OURS: 1.0, FUSED: 1.0, NUMPY: 0.5, OPENBLAS: 2.0, TORCH: 5.0}
        made = figures(*made_up(slow, groups=("matmul",)))
        assert f"rival in 0 of {n} cases, from 0.5 to 0.5 times" in made["figure"].get_label()

    def test_curves_are_the_medians_in_milliseconds(self, made_up):
        settings, result = made_up(groups=("scaling",), sizes="most")
        figure = figures(settings, result)["figure"]
        ax = figure.axes[0]
        assert ax.get_title(loc="left") == "4 layers, batch 64"
        ours, numpys, torchs = ax.containers
        widths = [64, 128, 256, 512, 1024, 2048]
        assert list(ours.lines[0].get_xdata()) == widths
        rows = {
            row["sizes"][0]: row["seconds"]
            for row in result.measurements["rows"]
            if len(row["sizes"]) == 6 and row["batch"] == 64
        }
        for curve, name in ((ours, OURS), (numpys, NUMPY), (torchs, TORCH)):
            expected = [1e3 * rows[width][name] for width in widths]
            np.testing.assert_allclose(curve.lines[0].get_ydata(), expected)
        assert words(figure) == ["gradtrace", "NumPy", "PyTorch"]
        ends = [duration(rows[width][OURS]) for width in (64, 2048)]
        assert figure.get_label() == (
            f"A training step takes {ends[0]} at 64 and {ends[1]} at 2048 units of a layer"
        )

    def test_threads_have_a_point_each(self, made_up):
        figure = figures(*made_up(groups=("scaling",), threads=(1, 2)))["figure"]
        assert list(figure.axes[-1].containers[0].lines[0].get_xdata()) == [1, 2]

    def test_kernels_stand_at_their_operations_for_each_byte(self, made_up):
        settings, result = made_up(groups=("matmul", "roofline"))
        figure = figures(settings, result)["roofline"]
        [ax] = figure.axes
        large = next(line for line in ax.lines if line.get_label() == "large products")
        rows = [
            row
            for row in result.measurements["rows"]
            if row["work"] == "product" and row["batch"] >= 256 and row["dtype"] == "float32"
        ]
        np.testing.assert_allclose(large.get_xdata(), [r["flops"] / r["bytes"] for r in rows])
        np.testing.assert_allclose(
            large.get_ydata(), [r["flops"] / r["seconds"][OURS] / 1e9 for r in rows]
        )
        assert any(label.startswith("memory, ") for label in words(figure))
        assert "of the machine's peak" in figure.get_label()

    def test_steps_in_their_order(self, made_up):
        figure = figures(*made_up(groups=("steps",), threads=(1, 2)))["figure"]
        [ax] = figure.axes
        labels = [tick.get_text() for tick in ax.get_yticklabels()]
        assert labels[0] == "python loops (48³)" and labels[-2:] == [
            "matmul, 1 thread", "matmul, 2 threads",
        ]  # fmt: skip
        rates = [bar.get_width() for bar in ax.patches]
        assert len(rates) == len(labels) == 9
        assert f"becomes {quantity(rates[-1] / rates[0])} times as fast" in figure.get_label()

    def test_who_is_not_there_is_not_in_the_legend(self, made_up, legible):
        made = figures(*made_up(NOBODY_ELSE, missing={TORCH: "no", OPENBLAS: "no"}))
        for name in ("figure", "products", "activations"):
            assert words(made[name]) == ["NumPy", "1 thread", "target"]
        for figure in made.values():
            legible(figure)

    def test_nothing_was_measured(self, made_up, legible):
        settings, result = made_up({}, starts=Starts())
        made = figures(settings, result)
        legible(made["figure"])
        rendered(settings, result, 80)

    def test_a_case_in_which_we_failed(self, made_up, legible):
        def change(timing):
            kept = {k: v for k, v in timing.medians.items() if k not in (OURS, FUSED)}
            return replace(timing, medians=kept, failures={OURS: "its process ended"})

        settings, result = made_up(change=change)
        for figure in figures(settings, result).values():
            legible(figure)
        assert "its process ended" in rendered(settings, result, 100)

    def test_nothing_of_pyplot_is_touched(self, made_up):
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        figures(*made_up(groups=("small",)))
        assert plt.get_fignums() == open_before


def rendered(settings, result, width):
    console = Console(width=width)
    with console.capture() as capture:
        for made in tables(settings, result):
            console.print(made)
    return capture.get()


class TestTables:
    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, width, made_up):
        settings, result = made_up(sizes="all", threads=(1, 2))
        text = rendered(settings, result, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for claim in result.claims:
            assert f"{claim.measured[0].value:.3g}" in text
        for words in ("a processor, 2 cores", "L1 32 KiB", "a note", "OpenBLAS", "import torch"):
            assert words in text
        # A number that is cut off would end in its ±.
        assert not [line for line in text.splitlines() if line.rstrip().endswith("±")]

    def test_a_row_for_each_case_with_its_times(self, made_up):
        settings, result = made_up(groups=("small", "matmul"))
        made = tables(settings, result)[1]
        cells = list(zip(*(column.cells for column in made.columns), strict=True))
        rows = {row["label"]: row for row in result.measurements["rows"]}
        assert {cell[0] for cell in cells} == {*rows, "2–16–16–1, batch 32, fused SGD"}
        for label, threads, ours, numpys, openblas, torch, flops, _ in cells:
            row = rows[label.removesuffix(", fused SGD")]
            seconds = row["seconds"]
            assert ours == duration(seconds[FUSED if "fused" in label else OURS])
            assert (threads, numpys, torch) == (
                "1", duration(seconds[NUMPY]), duration(seconds[TORCH]),
            )  # fmt: skip
            assert openblas == (duration(seconds[OPENBLAS]) if OPENBLAS in seconds else "–")
            if "fused" not in label:
                assert float(flops) == pytest.approx(row["flops"] / seconds[OURS] / 1e9, rel=0.01)

    def test_what_was_not_measured_and_why(self, made_up):
        def change(timing):
            kept = {k: v for k, v in timing.medians.items() if k != TORCH}
            return replace(timing, medians=kept, failures={TORCH: "its process ended (signal 9)"})

        started = Starts(None, {}, None, {f"cold {next(iter(GRADIENTS))}": "no room"})
        settings, result = made_up(change=change, missing={OPENBLAS: "no AVX-512"}, starts=started)
        text = rendered(settings, result, 100)
        for words in ("not measured", "no AVX-512", "its process ended (signal 9)", "no room"):
            assert words in text
        times = tables(settings, result)[1]
        assert set(times.columns[5].cells) == {"×"} and times.columns[5].header == "PyTorch"

    def test_nothing_is_missing(self, made_up):
        assert "not measured" not in rendered(*made_up(groups=("small",)), 100).split("claims")[0]

    def test_the_text_has_all_of_it_by_groups(self, made_up):
        settings, result = made_up(groups=("small", "matmul", "roofline"))
        text = texts(settings, result)["speed.md"]
        parts = text.split("**time of one call: ")
        assert [part.split("**")[0] for part in parts[1:]] == ["matmul", "small"]
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        cells = list(zip(*(c.cells for c in tables(settings, result)[1].columns), strict=True))
        assert len(cells) == sum("| " + " | ".join(row) + " |" in rows for row in cells)
        assert "| peak | 1 |" in text and "claims" not in text

    def test_limits(self, made_up):
        text = rendered(*made_up(groups=("roofline",)), 80)
        for words in ("peak", "peak, f64", "triad in L2, 0.5 MiB", "triad in memory, 128 MiB"):
            assert words in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12.34, "12.3 s"),
        (1.0, "1.00 s"),
        (0.01234, "12.3 ms"),
        (0.5, "500 ms"),
        (3.21e-6, "3.21 µs"),
        (4e-8, "0.0400 µs"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
