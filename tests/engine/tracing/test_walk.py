"""`walk`: every step of the sweep, in its order, with the rule's formula and the norms."""

import re

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, RULES, GraphError, Tensor, Walk, cross_entropy, dense, place, trace
from engine.tracing.formulas import FORMULAS, OPERANDS, SLOPES, formula, letters

RNG = np.random.default_rng(0)


def net(x, f="tanh"):
    for i, (n, m) in enumerate(((4, 6), (6, 5), (5, 3))):
        W = Tensor(RNG.normal(size=(n, m)), requires_grad=True, name=f"layer {i + 1}.W")
        b = Tensor(RNG.normal(size=m), requires_grad=True, name=f"layer {i + 1}.b")
        with place(f"layer {i + 1}"):
            x = dense(x, W, b, f)
    return x


def traced():
    with trace() as t:
        loss = cross_entropy(net(RNG.normal(size=(8, 4))), np.arange(8) % 3)
        (loss * 2.0 + 1.0).backward()
    return t


def test_every_rule_and_activation_has_a_formula():
    assert set(FORMULAS) == set(RULES)
    assert set(SLOPES) >= set(engine.activations.builtin.BUILT_IN)
    assert set(SLOPES) <= set(ACTIVATIONS)
    assert set(OPERANDS) <= set(RULES)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_a_formula_names_each_operand(name):
    count = len(re.findall(r"∂L/∂", FORMULAS[name]))
    assert count >= 1
    two = {"add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "where"}
    for letter in letters(name, 2 if name in two | {"matmul", "squared_error", "prelu"} else 1):
        letter = "x_i" if letter.startswith("x_") else letter
        assert f"∂L/∂{letter}" in FORMULAS[name], name


UNARY = {
    "negative": lambda g, a, y: -g,
    "exp": lambda g, a, y: g * y,
    "log": lambda g, a, y: g / a,
    "sqrt": lambda g, a, y: g / (2 * y),
    "abs": lambda g, a, y: g * np.sign(a),
    "sign": lambda g, a, y: g * 0,
}


@pytest.mark.parametrize("name", UNARY)
def test_the_formulas_of_one_operand_are_those_of_the_rules(name):
    texts = {
        "negative": "−g",
        "exp": "g y",
        "log": "g / a",
        "sqrt": "g / (2 y)",
        "abs": "g sign(a)",
        "sign": "0",
    }
    a = Tensor(RNG.uniform(0.5, 2, size=7), requires_grad=True)
    g = RNG.normal(size=7)
    y = getattr(engine, name)(a)
    y.backward(g)
    np.testing.assert_allclose(a.grad.numpy(), UNARY[name](g, a.numpy(), y.numpy()), rtol=1e-12)
    assert FORMULAS[name] == f"∂L/∂a = {texts[name]}"


def test_the_steps_go_from_the_loss_to_the_input():
    t = traced()
    walk = t.walk()
    assert isinstance(walk, Walk)
    assert [step.node for step in walk] == t.nodes[::-1]
    assert [step.number for step in walk] == list(range(1, 7))
    assert [step.rule for step in walk][:3] == ["add", "multiply", "cross_entropy"]
    assert [step.place for step in walk][3:] == ["layer 3", "layer 2", "layer 1"]
    assert [step.node.name for step in walk][3:] == ["dense"] * 3
    assert len(walk) == walk[-1].of == 6
    assert [s.number for s in walk[3:]] == [4, 5, 6]
    assert walk[2].out[0].to == "dense in layer 3"


def test_norms_are_those_of_the_arrays():
    t = traced()
    for step in t.walk():
        assert step.norm == pytest.approx(np.linalg.norm(step.node.dL_dy), rel=1e-12)
        assert step.shape == step.node.dL_dy.shape
        for sent, g, x in zip(step.out, step.node.dL_dx, step.node.inputs, strict=True):
            assert sent.shape == x.shape
            if g is None:
                assert sent.norm is sent.factor is None
                assert "not wanted" in str(step)
            else:
                assert sent.norm == pytest.approx(np.linalg.norm(g), rel=1e-12)
                assert sent.factor == pytest.approx(sent.norm / step.norm, rel=1e-12)
                assert f"{sent.norm:.4g}" in str(step)
    row = t["layer 2"]
    step = next(step for step in t.walk() if step.node is row.node)
    assert step.dL_ds_norm == pytest.approx(np.linalg.norm(row.dL_ds), rel=1e-12)
    assert [sent.letter for sent in step.out] == ["x", "W", "b"]
    assert [sent.to for sent in step.out] == ["dense in layer 1", "layer 2.W", "layer 2.b"]


def test_norms_that_squares_would_lose():
    x = Tensor(np.array([3e-200, 4e-200]), requires_grad=True)
    with trace() as t:
        (x * 1.0).backward(np.array([3e-200, 4e-200]))
    assert t.walk()[0].norm == pytest.approx(5e-200, rel=1e-12)
    with trace() as t:
        (x * 1.0).backward(np.array([3e200, 4e200]))
    assert t.walk()[0].norm == pytest.approx(5e200, rel=1e-12)


def test_a_step_fits_a_terminal():
    for name in ACTIVATIONS:
        with trace() as t, place("a very long name of a place, " * 5):
            net(RNG.normal(size=(2, 4)), name).sum().backward()
        for step in t.walk():
            assert max(map(len, str(step).splitlines())) <= 80
            assert step.formula.split(",")[0] in str(step)
    assert "f′ = 1 − y²" in str(traced().walk())


def test_operations_that_have_no_line_of_their_own():
    s = Tensor(RNG.normal(size=5), requires_grad=True)

    @engine.activation
    def walked(s):
        return s * engine.sigmoid(s)

    try:
        with trace() as t:
            engine.tanh.derivative(walked(s)).sum().backward()
        steps = {step.rule: step for step in t.walk()}
        assert steps["walked"].formula == "∂L/∂s = g ⊙ f′(s), f = walked"
        assert [sent.letter for sent in steps["walked"].out] == ["s"]
        with trace() as t:
            engine.tanh.scale(s, s).sum().backward()
        assert [sent.letter for sent in t.walk()[1].out] == ["g₀", "s"]
        assert "f″(s)" in str(t.walk()[1])
    finally:
        del ACTIVATIONS["walked"]
    assert "VJP of mine" in formula("mine", 3)
    assert letters("mine", 3) == ("x_0", "x_1", "x_2")
    assert "f′ = 1 for s > 0, else a" in formula("prelu", 1)
    with trace() as t:
        engine.concatenate([s, s * 2.0, s]).sum().backward()
    step = next(step for step in t.walk() if step.rule == "concatenate")
    assert [sent.letter for sent in step.out] == ["x_0", "x_1", "x_2"]


def played(walk, answers):
    shown, asked, answers = [], [], iter(answers)

    def ask(prompt):
        asked.append(prompt)
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    walk.interactive(input=ask, output=shown.append)
    numbers = [int(s.split()[1]) for s in shown if s.startswith("step")]
    return numbers, shown, asked


def test_one_at_a_time():
    walk = traced().walk()
    assert played(walk, ["", "", "b", "6", "b", "q", ""])[0] == [1, 2, 3, 2, 6, 5]
    assert played(walk, [""] * 9)[0] == [1, 2, 3, 4, 5, 6]
    assert played(walk, [])[0] == [1]
    numbers, shown, asked = played(walk, ["b", "0", "7", "what", "4", "q"])
    assert numbers == [1, 4]
    assert "first step" in shown[1]
    assert "1 … 6" in shown[2] and "1 … 6" in shown[3]
    assert "'what'" in shown[4]
    assert asked[0].startswith("[1/6]") and asked[-1].startswith("[4/6]")


def test_interactive_reads_the_terminal_by_default(monkeypatch, capsys):
    answers = iter(["", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    traced().walk().interactive()
    assert "step 2 of 6" in capsys.readouterr().out


def test_a_trace_without_a_backward_pass_is_refused():
    with trace() as t:
        net(np.ones((2, 4)))
    with pytest.raises(GraphError, match="no backward pass"):
        t.walk()
