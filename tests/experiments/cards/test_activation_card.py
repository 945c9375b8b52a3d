"""`gradtrace activation`: what the card says of built-in activations and of one's own."""

import math

import numpy as np
import pytest
from rich.console import Console

import engine
import nn
from experiments.cards.activation import Settings, card
from experiments.cli.main import main
from experiments.figures.activation_card import figure, tables
from experiments.figures.style import init_name
from experiments.lab.activations import file_name
from experiments.lab.progress import Silent

SMALL = Settings(depth=6, width=64, draws=3)


@pytest.fixture(scope="module")
def of_tanh():
    return card(engine.tanh, SMALL, Silent())


def rendered(made, width=100):
    console = Console(width=width)
    with console.capture() as capture:
        for each in tables(made):
            console.print(each)
    return capture.get()


def test_gains_and_saturation(of_tanh):
    assert of_tanh.gains["forward"] == pytest.approx(1.592537, rel=1e-6)
    assert of_tanh.gains["backward"] == pytest.approx(1.467414, rel=1e-6)
    low, high = of_tanh.saturated_from
    edge = np.arctanh(math.sqrt(0.95))
    assert high == pytest.approx(edge, abs=0.02) and low == pytest.approx(-edge, abs=0.02)
    linear = card(engine.identity, SMALL, Silent())
    assert linear.saturated_from == (None, None)


def test_the_measured_profile_follows_the_predicted_one(of_tanh):
    assert [scheme.name for scheme in of_tanh.schemes] == [
        "standard", "xavier_uniform", "kaiming_normal", "its own gain, 1.59",
    ]  # fmt: skip
    assert [scheme.var_w for scheme in of_tanh.schemes] == pytest.approx([1 / 3, 1, 2, 1.592537**2])
    for scheme in of_tanh.schemes:
        assert scheme.predicted.shape == scheme.measured.shape == (SMALL.depth,)
        np.testing.assert_allclose(scheme.measured, scheme.predicted, rtol=0.35)
    assert of_tanh.schemes[0].predicted[0] < 0.2 < of_tanh.schemes[1].predicted[0]


def test_theory_is_that_of_nn(of_tanh):
    kaiming = of_tanh.schemes[2]
    assert kaiming.q_star == pytest.approx(nn.theory.q_star(engine.tanh, 2.0), rel=1e-9)
    assert kaiming.chi_1 == pytest.approx(
        nn.theory.chi_1(engine.tanh, kaiming.q_star, 2.0), rel=1e-9
    )


def test_the_speed_is_that_of_one_thread_and_positive(of_tanh):
    assert set(of_tanh.speed) == {"tanh"}
    assert all(0 < ns < 1000 for ns in of_tanh.speed["tanh"])


@pytest.mark.parametrize("width", [80, 100])
def test_the_tables_fit_and_brackets_are_shown(of_tanh, width):
    text = rendered(of_tanh, width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("1/√E[f²]", "1/√E[f′²]", "1.59", "xavier_uniform", "-1 … 1"):
        assert words in text


def test_the_picture_has_each_derivative_and_each_scheme(of_tanh, legible):
    made = figure(of_tanh)
    legible(made)
    *derivatives, net = made.axes
    assert [ax.get_title(loc="left") for ax in derivatives] == ["f", "f′", "f″"]
    s = derivatives[0].lines[0].get_xdata()
    expected = (np.tanh(s), 1 / np.cosh(s) ** 2, -2 * np.tanh(s) / np.cosh(s) ** 2)
    for ax, values in zip(derivatives, expected, strict=True):
        (own,) = [line for line in ax.lines if line.get_label() == "tanh"]
        np.testing.assert_allclose(own.get_ydata(), values, atol=1e-12)
    labels = [text.get_text() for text in net.texts]
    assert labels == [init_name(scheme.name) for scheme in of_tanh.schemes]
    assert made.get_label().startswith("tanh, standard: ∂L/∂s falls to ")


def test_one_of_ones_own_on_the_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(
        "from engine import activation, where\n\n"
        "@activation\ndef bent(s):\n    return where(s > 0, s, 0.25 * s)\n"
    )
    monkeypatch.chdir(tmp_path)
    sizes = ["--depth", "4", "--width", "16", "--draws", "2"]
    assert main(["activation", "mine.py:bent", *sizes]) == 0
    text = capsys.readouterr().out
    gain = math.sqrt(2 / (1 + 0.25**2))
    assert f"{gain:.3g}" in text and "kinks" in text and "speed of bent" in text
    assert (tmp_path / "results/activation/bent.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "title", ["../../x", "a/b", ".hidden", r"$\nosuch$", "[bold]x", "y" * 400, "..", "CON:1"]
)
def test_a_title_becomes_a_file_of_the_folder(tmp_path, monkeypatch, capsys, title):
    (tmp_path / "mine.py").write_text(
        "from engine import activation, exp\n"
        f"f = activation(title={title!r})(lambda s: exp(s))\n"  # with a finding, which is shown
    )
    monkeypatch.chdir(tmp_path)
    sizes = ["--depth", "2", "--width", "4", "--draws", "1"]
    assert main(["activation", "mine.py:f", *sizes]) == 0
    text = "".join(capsys.readouterr().out.split())
    assert title[:20] in text.split("beware")[0] and title[:20] in text.split("beware")[1]
    files = [path for path in tmp_path.rglob("*") if path.suffix == ".png"]
    assert [path.parent for path in files] == [tmp_path / "results/activation"]
    assert not files[0].name.startswith(".")


def test_names_of_files_differ_where_titles_do():
    titles = ["tanh", "own swish", "a/b", "a_b", "a\\b", "y" * 400, "y" * 401, "..", ".", "σ₂", "-"]
    names = [file_name(title) for title in titles]
    assert len(set(names)) == len(titles)
    assert names[:2] == ["tanh", "own swish"]
    assert all("/" not in name and len(name.encode()) < 200 for name in names)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("sign(s) * sqrt(abs(s))", ("no backward gain", "is infinite: near s = 0", "|s|^(-1)")),
        ("where(s > 0, 1, -1)", ("no backward gain", "odd′ is 0 for every s", "E[f′(s)²] is 0")),
        ("sqrt(-1 - s * s)", ("no forward gain", "odd is NaN for every s", "is undefined")),
        ("exp(s * s / 4)", ("no variance gain", "s > 18.839 in float32", "outgrows the density")),
    ],
)
def test_a_gain_that_is_not_there_has_a_line(tmp_path, monkeypatch, capsys, formula, words):
    (tmp_path / "mine.py").write_text(
        "from engine import abs, activation, exp, sign, sqrt, where\n\n"
        f"@activation\ndef odd(s):\n    return {formula}\n"
    )
    monkeypatch.chdir(tmp_path)
    sizes = ["--depth", "2", "--width", "8", "--draws", "1"]
    assert main(["activation", "mine.py:odd", *sizes]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.py:f", "there is no file nowhere.py"),
        ("thanh", "no activation is named 'thanh'"),
        ("empty.py:f", "defines no activation f"),
        ("Tanh", "did you mean 'tanh'?"),
    ],
)
def test_mistakes_take_one_line(tmp_path, monkeypatch, capsys, name, words):
    (tmp_path / "empty.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["activation", name]) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()
