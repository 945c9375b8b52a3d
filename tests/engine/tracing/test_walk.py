"""`walk`: every step of the sweep, in its order, with the rule's formula and the norms."""

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, RULES, GraphError, Tensor, Walk, cross_entropy, dense, place, trace
from engine.activations.record import BUILT_IN
from engine.tracing.read.formulas import SLOPES

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
    assert all(rule.formula for rule in RULES.values())
    assert set(SLOPES) == set(BUILT_IN)
    assert set(SLOPES) <= set(ACTIVATIONS)


# Each rule: its operands, parameters, and what its formula says, as functions of g, y, operands.
A, B = RNG.uniform(0.5, 2, size=(3, 4)), RNG.uniform(0.5, 2, size=(3, 4))
LIKE, MANY = np.where(RNG.random((3, 4)) < 0.5, A, B), RNG.normal(size=(3, 4))
SIGNED, MASK = RNG.normal(size=(3, 4)), RNG.random((3, 4)) < 0.5
TIED = np.array([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 1.0], [0.0, -1.0, -2.0, 0.0]])
HOT = np.array([1, 3, 0])


def shares(a, y, axis):
    taken = a == np.expand_dims(y, axis)
    return taken / taken.sum(axis=axis, keepdims=True)


def soft(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def put_back(g, key, shape):
    out = np.zeros(shape)
    np.add.at(out, key, g)
    return out


KEY = (np.array([0, 2, 0]), np.array([1, 1, 1]))
CLAIMS = {
    "add": ((A, B), {}, lambda g, y, a, b: (g, g)),
    "subtract": ((A, B), {}, lambda g, y, a, b: (g, -g)),
    "multiply": ((A, B), {}, lambda g, y, a, b: (g * b, g * a)),
    "divide": ((A, B), {}, lambda g, y, a, b: (g / b, -g * a / b**2)),
    "power": ((A, B), {}, lambda g, y, a, b: (g * b * a ** (b - 1), g * a**b * np.log(a))),
    "negative": ((A,), {}, lambda g, y, a: (-g,)),
    "exp": ((A,), {}, lambda g, y, a: (g * y,)),
    "log": ((A,), {}, lambda g, y, a: (g / a,)),
    "sqrt": ((A,), {}, lambda g, y, a: (g / (2 * y),)),
    "abs": ((SIGNED,), {}, lambda g, y, a: (g * np.sign(a),)),
    "sign": ((SIGNED,), {}, lambda g, y, a: (0 * g,)),
    "maximum": (
        (A, LIKE),
        {},
        lambda g, y, a, b: (g * ((a > b) + (a == b) / 2), g * ((b > a) + (a == b) / 2)),
    ),
    "minimum": (
        (A, LIKE),
        {},
        lambda g, y, a, b: (g * ((a < b) + (a == b) / 2), g * ((b < a) + (a == b) / 2)),
    ),
    "where": ((A, B), {"condition": MASK}, lambda g, y, a, b: (g * MASK, g * ~MASK)),
    "clip": (
        (TIED,),
        {"low": 0.0, "high": 3.0},
        lambda g, y, a: (np.where((a >= 0) & (a <= 3), g, 0),),
    ),
    "reshape": ((A,), {"shape": (2, 6)}, lambda g, y, a: (g.reshape(a.shape),)),
    "transpose": ((A,), {"axes": (1, 0)}, lambda g, y, a: (g.T,)),
    "broadcast_to": ((A,), {"shape": (5, 3, 4)}, lambda g, y, a: (g.sum(0),)),
    "index": ((A,), {"key": KEY}, lambda g, y, a: (put_back(g, KEY, a.shape),)),
    "scatter": (
        (np.arange(3.0),),
        {"shape": (3, 4), "key": KEY},
        lambda g, y, a: (g[KEY],),
    ),
    "cast": ((A,), {"dtype": np.dtype(np.float32)}, lambda g, y, a: (g.astype(a.dtype),)),
    "concatenate": ((A, B), {"axis": 1}, lambda g, y, a, b: (g[:, :4], g[:, 4:])),
    "stack": ((A, B), {"axis": 0}, lambda g, y, a, b: (g[0], g[1])),
    "prelu": (
        (SIGNED, np.array([0.3])),
        {},
        lambda g, y, s, a: (np.where(s > 0, g, a * g), [(g * np.minimum(s, 0)).sum()]),
    ),
    "matmul": ((A, MANY.T), {}, lambda g, y, a, b: (g @ b.T, a.T @ g)),
    "affine": (
        (A, MANY.T, 2 * A, MANY.T, np.arange(3.0)),
        {"f": engine.tanh},
        lambda g, y, x, W, h, U, b: (
            (dL_ds := g * (1 - y**2)) @ W.T,
            x.T @ dL_ds,
            dL_ds @ U.T,
            h.T @ dL_ds,
            dL_ds.sum(axis=0),
        ),
    ),
    "dense": (
        (A, MANY.T, np.arange(3.0)),
        {"f": engine.tanh},
        lambda g, y, x, W, b: (
            (dL_ds := g * (1 - y**2)) @ W.T,
            x.T @ dL_ds,
            dL_ds.sum(axis=0),
        ),
    ),
    "sum": (
        (A,),
        {"axis": 1, "keepdims": False},
        lambda g, y, a: (np.repeat(g[:, None], 4, 1),),
    ),
    "mean": (
        (A,),
        {"axis": 1, "keepdims": False},
        lambda g, y, a: (np.repeat(g[:, None], 4, 1) / 4,),
    ),
    "max": (
        (TIED,),
        {"axis": 1, "keepdims": False},
        lambda g, y, a: (g[:, None] * shares(a, y, 1),),
    ),
    "min": (
        (TIED,),
        {"axis": 1, "keepdims": False},
        lambda g, y, a: (g[:, None] * shares(a, y, 1),),
    ),
    "softmax": ((A,), {"axis": -1}, lambda g, y, a: (y * (g - (g * y).sum(1, keepdims=True)),)),
    "log_softmax": (
        (A,),
        {"axis": -1},
        lambda g, y, a: (g - np.exp(y) * g.sum(1, keepdims=True),),
    ),
    "logsumexp": (
        (A,),
        {"axis": -1, "keepdims": False},
        lambda g, y, a: (g[:, None] * soft(a),),
    ),
    "variable": ((A,), {}, lambda g, y, a: (g,)),
    "cross_entropy": (
        (A,),
        {"labels": HOT},
        lambda g, y, o: (g * (soft(o) - np.eye(4)[HOT]) / len(o),),
    ),
    "squared_error": (
        (A, B),
        {"over": 7.0},
        lambda g, y, a, t: (2 * g * (a - t) / 7, -2 * g * (a - t) / 7),
    ),
}
# The formulas that these functions were written from: one that changes wants another function.
TEXTS = {
    "add": "∂L/∂a = g, ∂L/∂b = g",
    "subtract": "∂L/∂a = g, ∂L/∂b = −g",
    "multiply": "∂L/∂a = g b, ∂L/∂b = g a",
    "divide": "∂L/∂a = g / b, ∂L/∂b = −g a / b²",
    "power": "∂L/∂a = g b aᵇ⁻¹, ∂L/∂b = g aᵇ ln a",
    "negative": "∂L/∂a = −g",
    "exp": "∂L/∂a = g y",
    "log": "∂L/∂a = g / a",
    "sqrt": "∂L/∂a = g / (2 y)",
    "abs": "∂L/∂a = g sign(a)",
    "sign": "∂L/∂a = 0",
    "maximum": "∂L/∂a = g where a > b, ∂L/∂b = g where b > a, each g / 2 where a = b",
    "minimum": "∂L/∂a = g where a < b, ∂L/∂b = g where b < a, each g / 2 where a = b",
    "where": "∂L/∂a = g where the condition holds, ∂L/∂b = g elsewhere",
    "clip": "∂L/∂a = g where low ≤ a ≤ high, else 0",
    "reshape": "∂L/∂a = g in the shape of a",
    "transpose": "∂L/∂a = g with its axes put back",
    "broadcast_to": "∂L/∂a = Σ g over the repeated axes",
    "index": "∂L/∂a = Σ g put back in its places, 0 elsewhere",
    "scatter": "∂L/∂a = g[key]",
    "cast": "∂L/∂a = g in the precision of a",
    "concatenate": "∂L/∂x_i = the slice of g that x_i became",
    "stack": "∂L/∂x_i = the layer of g that x_i became",
    "prelu": "∂L/∂s = g where s > 0, else a g; ∂L/∂a = Σ g min(s, 0)",
    "matmul": "∂L/∂a = g bᵀ, ∂L/∂b = aᵀ g",
    "affine": "∂L/∂s = g ⊙ f′(s); ∂L/∂x_i = ∂L/∂s Wᵀ for an input, with W its weights, "
    "xᵀ ∂L/∂s for the weights of x, Σ_n ∂L/∂s for b; f′ = 1 − y²",
    "dense": "∂L/∂s = g ⊙ f′(s), ∂L/∂x = ∂L/∂s Wᵀ, ∂L/∂W = xᵀ ∂L/∂s, ∂L/∂b = Σ_n ∂L/∂s; "
    "f′ = 1 − y²",
    "sum": "∂L/∂a = g for every entry",
    "mean": "∂L/∂a = g / count for every entry",
    "max": "∂L/∂a = g where a is the largest (shared where several are), else 0",
    "min": "∂L/∂a = g where a is the smallest (shared where several are), else 0",
    "softmax": "∂L/∂a_k = y_k (g_k − Σ_j g_j y_j)",
    "log_softmax": "∂L/∂a_k = g_k − e^{y_k} Σ_j g_j",
    "logsumexp": "∂L/∂a = g softmax(a)",
    "variable": "∂L/∂a = g",
    "cross_entropy": "∂L/∂o = g (softmax(o) − onehot(label)) / N",
    "squared_error": "∂L/∂a = 2 g (a − t) / n, ∂L/∂t = −∂L/∂a; n = 7",
}


def only_step(rule, *operands, **parameters):
    """The step of one operation, the gradient that came in, and what the walk's node holds."""
    operands = [Tensor(x, requires_grad=True) for x in operands]
    with trace() as t:
        y = engine.core.operation.apply(rule, *operands, **parameters)
        g = RNG.normal(size=y.shape).astype(y.dtype)
        y.backward(g)
    (step,) = t.walk()
    return step, g, y.numpy()


def test_each_rule_and_each_claim_is_tested():
    assert set(CLAIMS) == set(TEXTS)
    # Of an operation that was added later, the formula stands beside its lambda, at least.
    assert all(RULES[name].formula.startswith("∂L/∂a = ") for name in set(RULES) - set(CLAIMS))


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_the_formula_is_that_of_the_rule(name):
    operands, parameters, claim = CLAIMS[name]
    step, g, y = only_step(RULES[name], *operands, **parameters)
    assert step.formula.replace(REPEATED, "") == TEXTS[name]
    for sent, want in zip(step.node.dL_dx, claim(g, y, *operands), strict=True):
        np.testing.assert_allclose(sent, want, rtol=1e-6, atol=1e-12)
    for sent in step.out:
        letter = "x_i" if sent.letter.startswith("x_") else sent.letter
        assert f"∂L/∂{letter}" in step.formula


REPEATED = "; summed over the axes along which the operand was repeated"
BROADCAST = [name for name, rule in RULES.items() if rule.broadcasts and name != "matmul"]


@pytest.mark.parametrize("name", BROADCAST)
def test_a_repeated_operand_is_said_to_be_summed(name):
    """Its gradient is Σ of the formula's over the axes that broadcasting has repeated."""
    _, parameters, claim = CLAIMS[name]
    a, b = RNG.uniform(0.5, 2, size=(3, 4)), RNG.uniform(0.5, 2, size=4)
    step, g, y = only_step(RULES[name], a, b, **parameters)
    assert step.formula.endswith(REPEATED)
    if name != "prelu":  # whose claim sums all
        want = np.broadcast_to(claim(g, y, a, np.broadcast_to(b, a.shape))[1], a.shape).sum(axis=0)
        np.testing.assert_allclose(step.node.dL_dx[1], want, rtol=1e-12)


def test_products_of_stacks_are_summed_and_others_are_not():
    a, b = RNG.normal(size=(5, 3, 4)), RNG.normal(size=(4, 2))
    step, g, _ = only_step(RULES["matmul"], a, b)
    assert step.formula.endswith(REPEATED)
    np.testing.assert_allclose(step.node.dL_dx[1], sum(x.T @ h for x, h in zip(a, g, strict=True)))
    assert REPEATED not in only_step(RULES["matmul"], a[0], b)[0].formula


def test_a_layer_without_biases_has_none_in_its_formula():
    step, _, _ = only_step(RULES["dense"], A, MANY.T, f=engine.relu)
    assert "∂L/∂W" in step.formula and "∂L/∂b" not in step.formula


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_the_slopes_are_those_of_the_activations(name):
    s = np.array([-2.0, -1.0, -0.3, 0.0, 0.4, 1.0, 3.0])
    f = ACTIVATIONS[name]
    as_written = f.kernel.reference_slope(s, *f.constants)  # beside the text in the record
    np.testing.assert_allclose(f.slope(s), as_written, rtol=1e-9, atol=1e-12)
    x = Tensor(s, requires_grad=True)
    with trace() as t:
        f(x).sum().backward()
    assert t.walk()[1].formula == f"∂L/∂s = g ⊙ f′(s), {SLOPES[name]}"


def renamed(name, function):
    function.__name__ = name
    return function


@pytest.mark.parametrize("name", ["cumsum", "exp", "dense", "tanh", "scale by tanh′", "sum"])
@pytest.mark.parametrize("operands", [1, 2, 4])
def test_an_operation_of_yours_is_never_given_another_one_s_formula(name, operands):
    """Whatever its name, and whether it is made by custom_vjp or is a Rule of its own."""
    own = engine.custom_vjp(renamed(name, lambda *xs: np.cumsum(sum(xs), axis=0)))
    back = lambda g, y, *xs, **_: (np.cumsum(np.asarray(g)[::-1], axis=0)[::-1],) * len(xs)  # noqa: E731
    own.vjp(back)
    rule = engine.Rule(name, lambda *xs: np.cumsum(sum(xs), axis=0), back)
    for operation in (own, lambda *xs: engine.core.operation.apply(rule, *xs)):
        xs = [Tensor(RNG.normal(size=5), requires_grad=True) for _ in range(operands)]
        with trace() as t:
            operation(*xs).sum().backward()
        step = t.walk()[1]
        assert (
            step.formula
            == {
                1: f"∂L/∂a = vjp(g) of {name}, your own",
                2: f"∂L/∂a, ∂L/∂b = vjp(g) of {name}, your own",
                4: f"∂L/∂x_0, ∂L/∂x_1, ∂L/∂x_2, … = vjp(g) of {name}, your own",
            }[operands]
        )
        assert step.out[0].letter == ("a" if operands < 3 else "x_0")


def test_formulas_survive_a_file(tmp_path):
    own = engine.custom_vjp(renamed("exp", lambda a: np.cumsum(a)))
    own.vjp(lambda g, y, a: np.cumsum(g[::-1])[::-1])
    s = Tensor(RNG.normal(size=5), requires_grad=True)
    with trace() as t:
        (own(engine.exp(engine.tanh(s))) * 2.0).sum().backward()
    t.save(tmp_path / "t.npz")
    again = engine.Trace.load(tmp_path / "t.npz")
    assert [str(step) for step in again.walk()] == [str(step) for step in t.walk()]
    assert "your own" in str(again.walk())


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


@pytest.mark.parametrize("keep", ["arrays", "stats"])
def test_an_own_operation_named_dense_needs_no_forward_pass_in_the_trace(keep):
    own = engine.custom_vjp(renamed("dense", lambda a: a * 2.0))
    own.vjp(lambda g, y, a: g * 2.0)
    x = Tensor(np.ones(3), requires_grad=True)
    before = own(x)
    with trace(keep):
        (before * engine.exp(x)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * np.e)
