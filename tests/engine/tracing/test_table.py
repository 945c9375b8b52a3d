"""The table of a trace: its width, its numbers, what it says where something is missing."""

import re

import numpy as np
import pytest

from engine import Tensor, dense, place, trace

RNG = np.random.default_rng(0)


def run(layers=3, name="layer", keep="arrays", x=None, back=True, width=8):
    x = RNG.normal(size=(20, width)) if x is None else x
    Ws = [Tensor(RNG.normal(size=(width, width)) / 3, requires_grad=True) for _ in range(layers)]
    with trace(keep) as t:
        for i, W in enumerate(Ws):
            with place(f"{name} {i + 1}"):
                x = dense(x, W, f="tanh") + 0.0  # something between the layers
        if back:
            x.sum().backward()
    return t


@pytest.mark.parametrize("layers", [1, 3, 60])
@pytest.mark.parametrize("keep", ["arrays", "stats"])
@pytest.mark.parametrize("columns", [None, "80", "100", "300", "20"])
def test_a_row_for_each_layer_in_the_terminal_s_width(layers, keep, columns, monkeypatch):
    """COLUMNS says the width also in a pipe, and 80 stands for what nothing says."""
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr("os.get_terminal_size", _no_terminal)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    t = run(layers, keep=keep)
    lines = str(t).splitlines()
    rows = [line for line in lines if line.startswith("layer ") and "→" in line]
    assert len(rows) == layers
    width = int(columns or 80)
    assert max(map(len, lines)) <= max(80, width)
    heads = lines[2 : lines.index(next(line for line in lines if line.startswith("─")))]
    assert len(heads) == (2 if columns in (None, "80", "20") and layers == 60 else 1)
    for name in ("layer", "size", "f", "std", "factor", "rms", "∂L/∂W"):
        assert name in " ".join(heads).split()
    assert "\n" not in repr(t)


def _no_terminal(*_):
    raise OSError


def test_a_comparison_in_the_terminal_s_width(monkeypatch):
    t = run(3)
    for columns, tables in (("100", 2), ("80", 4), ("79", 4)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = str(t.compare(t)).splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert sum(line.startswith("layer  ") for line in lines) == tables
        assert sum(line.count("∂L/∂W") for line in lines) == 2


def test_the_numbers_are_those_of_the_arrays():
    t = run(3)
    row = next(line for line in str(t).splitlines() if line.startswith("layer 2")).split()
    numbers = row[4:]  # layer, 2, size, f
    rms = [np.sqrt((layer.dL_ds**2).mean()) for layer in t.layers]
    want = [t[1].s.std(), t[1].x_next.std(), 100 * t[1].saturated(), rms[1], rms[1] / rms[2]]
    want.append(np.sqrt((t[1].dL_dW ** 2).mean()))
    got = [float(n) for n in numbers if n != "%"]
    assert got[2] == round(want[2])
    np.testing.assert_allclose(np.delete(got, 2), np.delete(want, 2), rtol=0.06)


def test_the_factor_is_to_the_layer_that_takes_the_output():
    W = [Tensor(RNG.normal(size=(8, 8)) / 3, requires_grad=True) for _ in range(3)]
    x = RNG.normal(size=(20, 8))
    with trace() as t:
        two = dense(x, W[0], f="tanh"), dense(dense(-x, W[1], f="tanh"), W[2])
        (two[0] * two[1]).sum().backward()
    factors = [line.split()[-2] for line in str(t).splitlines() if line.startswith("layer ")][1:]
    rms = [np.sqrt((layer.dL_ds**2).mean()) for layer in t.layers]
    assert [factors[0], factors[2]] == ["–", "–"]
    assert float(factors[1]) == pytest.approx(rms[1] / rms[2], rel=0.01)


def test_long_names_lose_their_middle():
    text = str(
        run(2, name="an encoder of a very long name / block 7 / a projection of its own" * 2)
    )
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"^an encoder .*….* own 2  ", text, re.M)


def test_forward_only_no_layer_and_what_is_not_finite():
    assert "forward only" in str(run(back=False))
    assert re.search(r"layer 1 .* –\s+–\s+–$", str(run(back=False)), re.M)
    with trace() as t:
        pass
    assert "no layer" in str(t) and "no layer" in t._repr_html_()
    x = RNG.normal(size=(20, 8))
    x[3, 4] = np.nan
    text = str(run(12, x=x))
    assert "! layer 1: 1 of 160 entries of x are NaN or infinite" in text
    assert "! and 6 layers more" in text
    assert "layer 12 !" in text


def test_html_is_escaped_and_loads_nothing():
    html = run(2, name="<script>alert(1)</script>&")._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html and "&amp;" in html
    assert "http" not in html and "src=" not in html
    assert html.count("<tr>") == 3
    assert not re.search(r"#[0-9a-f]{3}|white|black", html)  # colours are the page's
