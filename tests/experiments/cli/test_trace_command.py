"""`gradtrace trace`: what it prints and writes, a user's own net, and one line for each mistake."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import engine
import nn
from experiments.cli.main import main
from experiments.cli.tracing import trace_command
from experiments.data import load
from experiments.traces.passes import Settings, traced

TINY = ["--depth", "3", "--width", "8", "--batch", "20"]

NETS = '''
import helper
import nn
from engine import Tensor, activation, place, dense

def make_net(n_features, n_classes):
    """Takes the sizes of the data."""
    return nn.MLP([n_features, 6, n_classes], helper.NAME, rng=1)

def fixed(rng=3):
    return nn.Sequential(nn.Dense(1024, 6, "relu", rng=0), nn.Dense(6, 9, rng=rng, name="top"))

def keywords(**sizes):
    return nn.MLP([sizes["n_features"], sizes["n_classes"]], rng=0)

def two_calls(n_classes):
    W = Tensor([[0.001] * n_classes] * 1024, requires_grad=True)
    def net(x):
        with place("[bold]a & <b>"):
            return dense(x, W) + dense(x, W)
    return net

def narrow():
    return nn.MLP([100, 9], rng=0)

def few_classes():
    return nn.MLP([1024, 2], rng=0)

def nothing():
    pass

def other_type():
    return lambda x: x

def no_layer():
    w = Tensor([0.0] * 9, requires_grad=True)
    return lambda x: Tensor(x[:, :9]) * w

def frozen():
    return lambda x: dense(Tensor(x), Tensor([[0.0] * 9] * 1024))

def wants(depth):
    return depth

def broken():
    return {}["a\\nkey"]

def ends():
    raise SystemExit("enough")

number = 3

def sweeps(n_features, n_classes):
    net, aux = nn.MLP([n_features, 8, n_classes]), nn.MLP([n_features, 5, 3])
    def f(x):
        nn.cross_entropy(aux(x), [0] * len(x)).backward()
        return net(x)
    return f

def exits_later():
    def f(x):
        raise SystemExit("no\\nway")
    return f

def not_finite(n_features, n_classes):
    net = nn.MLP([n_features, 8, n_classes])
    net.layers[0].W.assign(float("nan"))
    return net
'''


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GRADTRACE_DATA", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    (tmp_path / "helper.py").write_text("NAME = 'softsign'\n", encoding="utf-8")
    yield tmp_path
    sys.modules.pop("helper", None)


def names(folder):
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(p) for p in found if p.suffix not in (".py", ".pyc"))


def said(err):
    """The lines on the error stream, but for that of a machine that compiles kernels."""
    return [line for line in err.splitlines() if "compiling kernels" not in line]


@pytest.fixture
def quick(monkeypatch):
    """A figure that is drawn in no time, for tests that are not about it."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(engine.Trace, "plot", lambda trace, theory: Figure((1, 1)))


class TestItself:
    def test_table_diagnosis_and_files(self, capsys, folder):
        page = "pages/out.html"
        assert main(["trace", *TINY, "--html", page, "--seed", "4"]) == 0
        out, err = capsys.readouterr()
        assert said(err) == []
        assert max(map(len, out.splitlines())) <= 100
        assert "sigmoid, xavier_uniform, 3 hidden layers of 8; 20 test examples" in out
        figures = ["results/trace/figure.png", "results/trace/figure.svg"]
        assert names(folder) == [page, *figures]
        assert f"\nOpen: {page}\n" in out and "See also: figure.png\n" in out
        assert "\nSeen: vanishing gradient: " in out and "\nHelps: " in out
        assert "Read next: tutorials/10_reading_a_trace.py" in out
        assert Path(figures[0]).read_bytes().startswith(b"\x89PNG")
        # The same pass by hand.
        data = load("shapeset", n_train=1, n_test=20, seed=4)
        net = nn.MLP([1024, 8, 8, 8, 9], "sigmoid", "xavier_uniform", rng=4)
        with engine.trace() as t:
            loss = nn.cross_entropy(net(data.x_test), data.y_test)
            loss.backward()
        assert f"loss {loss.item():.4g}" in out
        for line in str(t.diagnose()).splitlines():
            assert line in out
        for row in t.layers:
            rms = np.sqrt(np.mean(np.square(row.dL_ds, dtype=float)))
            line = next(li for li in out.splitlines() if re.match(rf" {row.name} .*→", li))
            assert float(line.split()[-3]) == pytest.approx(rms, rel=0.05)
            assert f"in {row.name}</h3>" in Path(page).read_text(encoding="utf-8")

    def test_without_html_no_page_and_results_elsewhere(self, quick, capsys, folder):
        assert main(["trace", *TINY, "--results", "else[where]"]) == 0
        assert names(folder) == [f"else[where]/trace/figure.{kind}" for kind in ("png", "svg")]
        assert "Open: else[where]/trace/figure.png\n" in capsys.readouterr().out

    def test_theory_is_that_of_the_net_as_drawn(self):
        made = traced(Settings(depth=3, width=100, batch=50))
        assert made.theory.s_std.shape == (3,)
        s_std = [row.s.std() for row in made.trace.layers[:3]]
        np.testing.assert_allclose(made.theory.s_std, s_std, rtol=0.25)

    def test_a_learning_rate_is_judged(self, quick, capsys):
        main(["trace", *TINY, "--lr", "1e9"])
        assert "update ratio: with lr = 1e+09" in capsys.readouterr().out

    def test_an_activation_of_ones_own(self, quick, capsys, folder):
        (folder / "mine.py").write_text(
            "from engine import activation, exp\n\n\n@activation\ndef swish(s):\n"
            "    return s / (1 + exp(-s))\n\n\n@activation\ndef rough(s):\n"
            "    return s * exp(s)\n"
        )
        assert main(["trace", *TINY, "--activation", "mine.py:swish"]) == 0
        assert "swish, xavier_uniform" in capsys.readouterr().out
        assert main(["trace", *TINY, "--activation", "mine.py:rough"]) == 0
        assert "beware: " in capsys.readouterr().out

    def test_a_net_of_ones_own_that_gives_nan_is_shown(self, quick, capsys):
        assert main(["trace", "--batch", "10", "--net", "nets.py:not_finite"]) == 0
        assert "NaN" in capsys.readouterr().out

    def test_the_smallest_and_symmetric(self, capsys):
        args = ["--depth", "1", "--batch", "1", "--init", "zeros", "--html", "out.html"]
        assert main(["trace", *TINY, *args]) == 0
        assert "symmetric weights" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestWalk:
    def test_in_a_pipe_all_steps(self, quick, capsys):
        assert main(["trace", *TINY, "--walk"]) == 0
        out = capsys.readouterr().out
        assert str(traced(Settings(depth=3, width=8, batch=20)).trace.walk()) in out

    def test_on_a_terminal_one_at_a_time(self, quick, monkeypatch):
        from rich.console import Console

        asked, answers = [], iter(["", "b", "5", "q"])
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stdout", terminal)

        def answer(prompt):
            asked.append(prompt)
            return next(answers)

        monkeypatch.setattr("builtins.input", answer)
        trace_command([*TINY, "--walk"], Console(file=terminal, width=80))
        shown = re.findall(r"^step (\d) of 5: ", terminal.getvalue(), re.M)
        assert shown == ["1", "2", "1", "5"]
        assert [p.split("]")[0] for p in asked] == ["[1/5", "[2/5", "[1/5", "[5/5"]
        plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
        assert max(map(len, plain.splitlines())) <= 80


class TestNets:
    def test_one_that_takes_the_sizes(self, quick, capsys):
        assert main(["trace", "--net", "nets.py:make_net", "--batch", "10"]) == 0
        out = capsys.readouterr().out
        assert "nets.py:make_net; 10 test examples" in out
        assert "1024→6  softsign" in out and "6→9  identity" in out

    @pytest.mark.parametrize(
        "name, layers", [("fixed", ["layer 1", "top"]), ("keywords", ["output"])]
    )
    def test_one_that_takes_none_or_all(self, name, layers):
        made = traced(Settings(net=f"nets.py:{name}", batch=10))
        assert [row.name for row in made.trace.layers] == layers
        # Its weights may be trained, so nothing is predicted from how they were drawn.
        assert made.theory is None

    def test_its_names_are_shown_as_they_are(self, quick, capsys):
        args = ["trace", "--net", "nets.py:two_calls", "--batch", "10", "--html", "o.html"]
        assert main(args) == 0
        assert "[bold]a & <b>" in capsys.readouterr().out
        text = Path("o.html").read_text(encoding="utf-8")
        assert "[bold]a &amp; &lt;b&gt;" in text and "<b>a" not in text

    def test_the_path_is_as_before(self):
        before = list(sys.path)
        traced(Settings(net="nets.py:make_net", batch=10))
        assert sys.path == before


WRONG = {
    "--depht 3": "--depht",
    "stray": "stray",
    "--depth 0": "--depth must be at least 1, got 0",
    "--width 20001": "--width must be at most 20000",
    "--batch 0": "--batch must be at least 1",
    "--seed -1": "--seed must be at least 0",
    "--lr 0": "--lr must be positive and finite",
    "--lr nan": "--lr must be positive and finite",
    "--data cifar": "'cifar'",
    "--data-dir x": "--data-dir is for --data mnist",
    "--data mnist --data-dir missing": "missing can't be read",
    "--init xavier": "--init: 'xavier' is unknown; there are zeros, standard",
    "--activation thanh": "--activation: no activation is named 'thanh'",
    "--activation helper.py:make_net": "helper.py defines no activation make_net",
    "--activation none.py:f": "there is no file none.py",
    "--net nets.py": "--net must be FILE.py:FUNCTION, got 'nets.py'",
    "--net nets.py:": "--net must be FILE.py:FUNCTION",
    "--net none.py:make_net": "there is no file none.py",
    "--net nets.py:make_net --depth 4": "--depth is for a net drawn here",
    "--net nets.py:mak_net": "nets.py defines no mak_net; there are make_net, fixed",
    "--net nets.py:number": "nets.py:number is no function, but int",
    "--net nets.py:nothing": "nets.py:nothing returned NoneType, which can't be called",
    "--net nets.py:other_type": "the net of nets.py:other_type returned ndarray, not a Tensor",
    "--net nets.py:narrow": "nets.py, line 23: ShapeError: dense in output",
    "--net nets.py:few_classes": "shape (10, 2) for 10 examples; it must return (10, 9)",
    "--net nets.py:no_layer": "no gradient came to a layer",
    "--net nets.py:frozen": "nets.py, line 39: GraphError",
    "--net nets.py:wants": "nets.py:wants needs depth",
    "--net nets.py:broken": "nets.py, line 46: KeyError: 'a\\nkey'",
    "--net nets.py:ends": "nets.py, line 49: the file ended the program (SystemExit: enough)",
    "--net nets.py:exits_later": "nets.py, line 62: the file ended",
    "--net nets.py:sweeps": "nets.py, line 53: GraphError: diagnose: this trace holds 2 passes",
    "--net syntax.py:f": "syntax.py, line 2: SyntaxError",
    "--net imports.py:f": "imports.py, line 1: ModuleNotFoundError: No module named 'nowhere'",
    "--html .": "--html: . can't be written: it is a folder; name a file",
    "--html nets.py/out.html": "--html: nets.py/out.html can't be written",
    "--results nets.py": "--results: nets.py/trace/figure.png can't be written: Not a directory",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(line, capfd, folder):
    (folder / "syntax.py").write_text("x = 1\ny = (\n")
    (folder / "imports.py").write_text("import nowhere\n")
    assert main(["trace", "--batch", "10", *line.split()]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(said(err)) == 1 and err.endswith("\n")
    assert said(err)[0].startswith("gradtrace: ") and WRONG[line] in said(err)[0]
    assert names(folder) == []


@pytest.mark.parametrize("name", ["diagnose", "plot", "walk"])
@pytest.mark.parametrize("flags", ["--net nets.py:keywords", "--activation own.py:f"])
def test_what_is_computed_from_a_users_trace_is_guarded(monkeypatch, capsys, folder, name, flags):
    def fails(trace, *args, **kwargs):
        raise KeyError("a\nb")

    (folder / "own.py").write_text(
        "from engine import activation\n\n@activation\ndef f(s):\n    return s * 2.0\n"
    )
    monkeypatch.setattr(engine.Trace, name, fails)
    assert main(["trace", "--batch", "10", *flags.split(), "--walk"]) == 2
    line = "nets.py, line 13" if "nets" in flags else "own.py, line 4"
    assert said(capsys.readouterr().err) == [f"gradtrace: {line}: KeyError: 'a\\nb'"]
    assert names(folder) == []


def test_help_names_every_flag(capsys, folder):
    assert main(["trace", "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and names(folder) == []
    for flag in ("activation", "init", "depth", "net", "data", "lr", "html", "walk", "results"):
        assert f"--{flag}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert main(["--help"]) == 0
    assert "gradtrace trace [flags]" in capsys.readouterr().out
