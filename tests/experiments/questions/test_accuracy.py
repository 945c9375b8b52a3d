"""`accuracy`: what a run yields, its claims, its tables, its figures, and the command."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from engine.kernels import KERNELS
from experiments.accuracy.exact import EXACT
from experiments.accuracy.ulp import wider
from experiments.cli.main import main
from experiments.figures.accuracy import figures, tables, texts
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.questions import QUESTIONS, accuracy
from experiments.questions.accuracy import PRESETS, Settings, run
from experiments.questions.accuracy_claims import claims

IDS = [f"A{k}" for k in range(1, 9)]
CLAIMED = ("sigmoid", "tanh", "relu", "softplus")
TINY = Settings(activations=("tanh", "relu"), stride=2**22, samples=100, lengths=(1, 6))
needs_long_double = pytest.mark.skipif(
    wider("float64") is None, reason="long double has no more digits here"
)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def rendered(settings, result, width):
    console = Console(width=width)
    with console.capture() as capture:
        for made in tables(settings, result):
            console.print(made)
    return capture.get()


@needs_long_double
class TestYield:
    def test_arrays(self, tiny):
        bins = tiny.arrays["s"].size
        shapes = {"s": (bins,), "lengths": (2,)}
        for p in ("float32", "float64"):
            shapes |= {f"{p}_{q}": (2, bins) for q in ("f", "slope", "step")}
            shapes[f"{p}_products"] = (2, 2, 4, 4)
        assert {name: array.shape for name, array in tiny.arrays.items()} == shapes
        for row in tiny.measurements["errors"]:
            largest = tiny.arrays[f"{row['dtype']}_{row['quantity']}"]
            at = TINY.activations.index(row["activation"])
            assert np.nanmax(largest[at]) == row["largest"]
        relu = tiny.arrays["float32_f"][1]
        assert np.nanmax(relu) == 0 and np.isfinite(relu).sum() > 1000

    def test_measurements(self, tiny):
        m = tiny.measurements
        assert [(r["activation"], r["quantity"], r["dtype"]) for r in m["errors"]] == [
            (f, q, p)
            for p in ("float32", "float64")
            for f in TINY.activations
            for q in ("f", "slope", "step")
        ]
        assert m["judged_by"]["float32"] == "float64"
        assert m["wrong_at_special_values"] == []
        tanh = m["errors"][0]
        assert 1 < tanh["largest"] < 2 and 0.01 < tanh["mean"] < 0.5 and 0.001 < abs(tanh["at"]) < 2

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        progress = Counting()
        run(replace(TINY, activations=("relu",)), progress)
        assert progress.done == progress.expected

    def test_the_kernels_keep_what_is_claimed_of_them(self):
        settings = Settings(activations=CLAIMED, stride=100_003, samples=500, lengths=(1,))
        found = run(settings, Silent()).claims
        assert {c.statement.id: c.verdict for c in found} == dict.fromkeys(IDS, "holds")

    def test_a_wrong_kernel_makes_its_claim_fail(self, monkeypatch):
        right = KERNELS["tanh"]
        fake = SimpleNamespace(
            value=lambda s: 1 - 2 / (np.exp(2 * s) + 1),
            slope=right.slope,
            scaled_slope_of_value=lambda g, y: g * (1 - y * y),
        )
        monkeypatch.setitem(KERNELS, "tanh", fake)
        with np.errstate(all="ignore"):
            result = run(TINY, Silent())
        verdicts = {c.statement.id: c.verdict for c in result.claims}
        assert (verdicts["A1"], verdicts["A2"], verdicts["A4"]) == ("does not hold",) * 3
        assert verdicts["A3"] == "not yet measured" and verdicts["A8"] == "does not hold"
        text = rendered(TINY, result, 100)
        assert "denormals" in text and " wrong" in text and "should be" in text


def test_float64_is_left_out_where_nothing_can_judge_it(monkeypatch):
    def narrow(dtype):
        return wider(dtype) if np.dtype(dtype) == np.float32 else None

    for name in ("questions.accuracy", "accuracy.sweep", "accuracy.special", "accuracy.products"):
        monkeypatch.setattr(f"experiments.{name}.wider", narrow)
    result = run(TINY, Silent())
    assert result.measurements["judged_by"]["float64"] is None
    assert not any(name.startswith("float64") for name in result.arrays)
    verdicts = {c.statement.id: c.verdict for c in result.claims}
    assert {i for i, v in verdicts.items() if v == "not yet measured"} == {"A2", "A3", "A5"}
    assert [c.labels for c in result.claims if c.statement.id == "A6"] == [("float32",)]
    text = rendered(TINY, result, 100)
    assert "not measured: long double" in text
    assert list(figures(TINY, result)) == ["figure", "by-place", "products"]


ROWS = [
    {"activation": name, "quantity": quantity, "dtype": dtype, "largest": 1.9}
    for name in CLAIMED
    for quantity in ("f", "step")
    for dtype in ("float32", "float64")
]


class TestClaims:
    def verdicts(self, rows=ROWS, wrong=(), ours=1.0, numpys=1.0):
        products = np.ones((2, 2, 4, 4))
        products[0, 1, 2, 3], products[1, 1, 0, 0] = ours, numpys
        arrays = {"lengths": np.array([1, 4])}
        arrays |= {f"{p}_products": products for p in ("float32", "float64")}
        found = claims(CLAIMED, rows, arrays, wrong)
        assert [c.statement.id for c in found] == IDS
        assert {c.statement.source for c in found} == {"project target"}
        return {c.statement.id: c.verdict for c in found if c.verdict != "holds"}

    def test_all_hold(self):
        assert self.verdicts() == {}

    @pytest.mark.parametrize(
        ("name", "quantity", "dtype", "largest", "failing"),
        [
            ("tanh", "f", "float32", 2.01, "A1"),
            ("softplus", "f", "float32", 2.01, "A1"),
            ("sigmoid", "f", "float64", 2.01, "A2"),
            ("softplus", "f", "float64", 2.11, "A3"),
            ("relu", "step", "float32", math.inf, "A4"),
            ("softplus", "step", "float64", 3, "A5"),
        ],
    )
    def test_one_error_too_large(self, name, quantity, dtype, largest, failing):
        rows = [
            row | {"largest": largest}
            if (row["activation"], row["quantity"], row["dtype"]) == (name, quantity, dtype)
            else row
            for row in ROWS
        ]
        assert self.verdicts(rows) == {failing: "does not hold"}

    def test_softplus_has_a_little_more_room_in_float64(self):
        rows = [row | {"largest": 2.05} for row in ROWS if row["dtype"] == "float64"]
        assert set(self.verdicts(rows)) == {"A1", "A2", "A4", "A5"}

    def test_products(self):
        assert self.verdicts(ours=4.1, numpys=4) == {"A6": "does not hold"}
        assert self.verdicts(ours=3.9, numpys=1.9) == {"A7": "does not hold"}
        assert self.verdicts(ours=3.9, numpys=2) == {}
        assert self.verdicts(ours=math.inf) == {"A6": "does not hold", "A7": "does not hold"}

    def test_special_values(self):
        assert self.verdicts(wrong=[{"dtype": "float64"}]) == {"A8": "does not hold"}


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"stride": 0}, "--stride must be at least 1, got 0"),
            ({"samples": 1}, "--samples must be at least 100, got 1"),
            ({"seed": -1}, "--seed must be at least 0, got -1"),
            ({"activations": ("thanh",)}, "--activations: 'thanh' is unknown; .*tanh"),
            ({"activations": ()}, "--activations: name each once"),
            ({"activations": ("tanh", "tanh")}, "--activations: name each once"),
            ({"lengths": ()}, "--lengths: name each once"),
            ({"lengths": (4, 2)}, "--lengths: .*the smallest first"),
            ({"lengths": (0, 2)}, "--lengths must be 1 to 16384, got 0"),
            ({"lengths": (10**6,)}, "--lengths must be 1 to 16384, got 1000000"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_presets(self):
        question = QUESTIONS["accuracy"]
        assert question.preset("paper").stride == 1
        assert question.preset("quick").stride > Settings().stride > 1
        assert set(PRESETS) == {"quick", "paper"}
        assert Settings().activations == tuple(EXACT)


@needs_long_double
class TestShown:
    @pytest.mark.parametrize("width", [80, 100])
    def test_tables_fit_and_nothing_is_cut(self, tiny, width):
        text = rendered(TINY, tiny, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for part in ("float32: errors", "float64: errors", "special", "NumPy's", "A8"):
            assert part in text

    def test_wide_numbers_fit_too(self, tiny):
        m = dict(tiny.measurements)
        m["errors"] = [
            row | {"largest": 1.234e30, "at": -1.2345e-300, "mean": 99.99, "floor": 0.1}
            for row in m["errors"]
        ]
        arrays = {n: a * 1e17 if "prod" in n else a for n, a in tiny.arrays.items()}
        text = rendered(TINY, replace(tiny, measurements=m, arrays=arrays), 100)
        assert max(map(len, text.splitlines())) <= 100 and "…" not in text

    def test_markdown(self, tiny):
        ((name, text),) = texts(TINY, tiny).items()
        assert name == "accuracy.md"
        rows = [line for line in text.splitlines() if line.startswith("| tanh")]
        assert len(rows) == 3
        largest = tiny.measurements["errors"][0]["largest"]
        assert rows[0].split(" | ")[1] == f"{largest:.2f}"

    def test_the_figures(self, tiny, legible):
        made = figures(TINY, tiny)
        assert list(made) == ["figure", "by-place", "products"]
        for figure in made.values():
            legible(figure)
        rows = tiny.measurements["errors"]
        [ax] = made["figure"].axes
        np.testing.assert_allclose(
            sorted(float(line.get_xdata()[0]) for line in ax.lines),
            sorted(row["largest"] for row in rows),
        )
        tanh = made["by-place"].axes[0]
        assert tanh.get_title(loc="left") == "tanh" and tanh.get_xscale() == "symlog"
        errors = [
            r["largest"] for r in rows if (r["activation"], r["dtype"]) == ("tanh", "float32")
        ]
        assert max(np.max(line.get_ydata()) for line in tanh.lines) == max(errors)
        ours = made["products"].axes[0].lines[1].get_ydata()
        np.testing.assert_array_equal(
            ours, tiny.arrays["float32_products"][0, :, :3].max(axis=(1, 2))
        )

    def test_titles_have_the_numbers_of_the_run(self, tiny):
        m = dict(tiny.measurements)
        m["errors"] = [row | {"largest": 1.0} for row in m["errors"]]
        m["errors"][1] |= {"largest": 7.5, "at": -0.25, "quantity": "slope"}
        arrays = {n: a * 0 + 32.0 if "prod" in n else a for n, a in tiny.arrays.items()}
        made = figures(TINY, replace(tiny, measurements=m, arrays=arrays))
        titles = {name: figure.get_label() for name, figure in made.items()}
        assert titles["figure"] == (
            "No kernel is more than 7.5 ULP from the exact value: tanh's f′(s) in float32 is "
            "farthest"
        )
        assert titles["by-place"].endswith(
            "tanh's f′(s) is farthest from the exact value, 7.5 ULP at s = −0.25"
        )
        assert "32 roundings in float32 and 32 roundings in float64" in titles["products"]

    def test_one_that_is_far_off_is_at_the_edge_and_marked(self, tiny):
        m = dict(tiny.measurements)
        m["errors"] = [row | {"largest": 1.0} for row in m["errors"]] * 20
        m["errors"][1] = m["errors"][1] | {"largest": 1e6}
        [ax] = figures(TINY, replace(tiny, measurements=m))["figure"].axes
        assert ax.get_xlim()[1] < 10
        assert [line.get_marker() for line in ax.lines].count(">") == 1

    def test_activations_without_a_step(self):
        settings = replace(TINY, activations=("leaky_relu", "silu", "identity"), lengths=(2,))
        result = run(settings, Silent())
        assert len(figures(settings, result)["by-place"].axes) == 2  # identity has no error
        assert "–" in rendered(settings, result, 80) and "*" in rendered(settings, result, 80)


def test_the_command(tmp_path, capsys):
    args = ["--stride", "4000037", "--samples", "100", "--lengths", "1", "5"]
    args += ["--activations", "relu", "elu", "--results", str(tmp_path)]
    assert main(["run", "accuracy", *args]) == 0
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    for part in (accuracy.ACCURACY.asks, "elu", "claims", "accuracy.md"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 100
    folder = tmp_path / "accuracy"
    assert {path.name for path in folder.iterdir()} == {
        "accuracy.md", "arrays.npz", "result.json", "figure.png", "figure.svg", "by-place.png",
        "by-place.svg", "products.png", "products.svg",
    }  # fmt: skip
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in record["claims"]] == IDS
    assert "| elu |" in (folder / "accuracy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [["--stride", "0"], ["--stride", "x"], ["--strid", "4"]])
def test_flags_that_are_wrong(wrong, capfd):
    assert main(["run", "accuracy", *wrong]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "--strid" in err


def test_the_readme_has_every_activation_and_the_verdicts_every_claim():
    readme = Path(accuracy.__file__).parents[1] / "README.md"
    section = re.split(r"^## ", readme.read_text(encoding="utf-8"), flags=re.M)
    text = next(part for part in section if part.startswith("`accuracy`"))
    for name in KERNELS:
        assert text.count(f"\n| {name} |") == 2
    verdicts = (readme.parents[1] / "VERDICTS.md").read_text(encoding="utf-8")
    for name in IDS:
        assert f"\n| {name} |" in verdicts
