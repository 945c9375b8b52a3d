"""What is printed where an encoding lacks signs, by plain scripts and by the tutorials."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from engine import ShapeError, Tensor, printable, tanh, trace
from engine.spelling import SPELLED, for_output

ROOT = Path(__file__).parents[2]

SCRIPT = """
import numpy as np
import engine, nn
from engine import Tensor, trace
net = nn.MLP([6, 8, 8, 3], "tanh", rng=1)
recorder = nn.Recorder(net, probe=(np.ones((9, 6)), np.arange(9) % 3))
recorder.step(); recorder.step()
with trace() as t:
    nn.cross_entropy(net(np.ones((9, 6))), np.arange(9) % 3).backward()
zeros = nn.MLP([6, 8, 3], "sigmoid", "zeros")
with trace() as ill:
    nn.cross_entropy(zeros(np.ones((9, 6))), np.arange(9) % 3).backward()
d = ill.diagnose(lr=1e9)
assert len(d)
things = [
    t, t.diagnose(), d, *d, t.layers, t.nodes, t.layers[0], t.layers[0].statistics("s"),
    t.layers[0].dead(), t.walk(), *t.walk(), t.walk()[0].out, t.explain(0, weight=(0, 0)),
    t.jacobians(), net, net.layers[0], recorder, engine.tanh, engine.tanh.derivative,
    engine.tanh.derivative.derivative, engine.prelu, Tensor(np.ones((64, 256))),
    Tensor([1.0, np.nan]), nn.Sequential(nn.Dense(2, 3, engine.tanh.derivative, name="∂ 层")),
    engine.gradcheck(engine.tanh, np.ones(3)), nn.theory.critical_point("tanh"),
    nn.theory.predict_profile(net, 1.0),
]
for thing in things:
    print(thing, repr(thing), f"{thing}", [thing])
for fails in (lambda: Tensor(1.0, requires_grad=True).detach().backward(),
              lambda: engine.tanh(Tensor(np.ones((2, 3)))) @ np.ones((2, 3))):
    try:
        fails()
    except (engine.GraphError, engine.ShapeError) as error:
        print(error)
print(repr(Tensor(np.ones((64, 256)))))
"""


def run(code, encoding, *flags):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env=environment,
        capture_output=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1"])
def test_everything_can_be_printed(encoding):
    done = run(SCRIPT, encoding)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-600:]
    said = done.stdout.decode(encoding)
    assert "rms dL/ds" in said
    assert ("Tensor(64x256" if encoding in ("ascii", "cp437") else "Tensor(64×256") in said
    assert "\\u5c42" in said  # a name that no spelling is known of


class Output(io.StringIO):
    def __init__(self, encoding):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf-16", None, "no such encoding"])
def test_texts_stay_as_they_are_where_they_can(monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdout", Output(encoding))
    assert "64×256" in repr(Tensor(np.ones((64, 256))))
    assert for_output("∂L/∂s") == "∂L/∂s"


def test_without_an_output_texts_stay_too(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert "64×256" in repr(Tensor(np.ones((64, 256))))


def test_the_page_of_a_notebook_keeps_its_signs(monkeypatch):
    net = nn.MLP([3, 4, 2], rng=0)
    with trace() as t:
        nn.cross_entropy(net(np.ones((2, 3))), [0, 1]).backward()
    monkeypatch.setattr(sys, "stdout", Output("ascii"))
    assert str(t).isascii()
    assert "∂L/∂" in t._repr_html_()


@pytest.mark.parametrize(
    ("text", "ascii_", "cp1252"),
    [
        ("∂L/∂s⁽ⁱ⁾ = ∂L/∂x⁽ⁱ⁺²⁾ ⊙ f′(s)", "dL/ds^(i) = dL/dx^(i+2) * f'(s)", None),
        ("E[f′²] = σ_w²χ₁", "E[f'^2] = sigma_w^2chi_1", "E[f'²] = sigma_w²chi_1"),
        ("64×256, −3 … 10⁻³", "64x256, -3 ... 10^-3", "64×256, -3 … 10^-³"),
        ("√2 √(n) Σ_n Σx ‖g‖ xᵀ ½", "sqrt 2 sqrt(n) sum_n sum x ||g|| x^T 1/2", None),
        ("Φ λ π μs", "Phi lambda pi mus", None),
        ("café ŝ s\u0302", "cafe s s", "café s s"),
        ("层 \udcff 😀", "\\u5c42 \\udcff \\U0001f600", None),
    ],
)
def test_spellings(text, ascii_, cp1252):
    assert text.encode("ascii", SPELLED).decode() == ascii_
    if cp1252:
        assert text.encode("cp1252", SPELLED).decode("cp1252") == cp1252


def test_errors_and_names_of_ones_own(monkeypatch):
    @printable
    class Own:
        def __repr__(self):
            return "∂"

    monkeypatch.setattr(sys, "stdout", Output("ascii"))
    assert (repr(Own()), str(Own()), f"{Own()}") == ("d", "d", "d")
    assert str(ShapeError("f′ … x⁽ⁱ⁾")) == "f' ... x^(i)"
    assert repr(tanh.derivative) == "Derivative(tanh')"
