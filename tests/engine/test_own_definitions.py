"""What can be written in an activation of one's own, and what is said of the rest."""

import functools
import keyword
import math
import warnings

import numpy as np
import pytest

import engine
import nn
from engine import (
    ACTIVATIONS,
    ActivationError,
    Tensor,
    activation,
    clip,
    custom_vjp,
    elu,
    exp,
    find_activation,
    gelu,
    gradcheck,
    leaky_relu,
    log,
    maximum,
    minimum,
    prelu,
    sigmoid,
    silu,
    tanh,
    where,
)
from engine.activations.expression import _NUMPY
from engine.activations.operations import OPERATIONS
from engine.kernels import Elementwise

FOUR = np.float32(4)
S = np.array([-3.1, -1.2, -0.4, 0.2, 0.9, 2.7])


@pytest.fixture(autouse=True)
def no_names_left():
    before = dict(ACTIVATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", engine.ActivationWarning)
        yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


def own(definition, title="own"):
    return activation(title=title)(definition)


def differences(f, step=1e-6):
    return (f(S + step) - f(S - step)) / (2 * step)


# --- names of parameters --------------------------------------------------------------------------

SOURCE_NAMES = (
    *("s", "t0", "t1", "p0", "p1", "f", "f_slope", "like", "exp", "log", "sqrt", "sign", "abs"),
    *(
        "larger",
        "smaller",
        "scalar",
        "math",
        "KERNELS",
        "sigmoid",
        "sigmoid_slope",
        "self",
        "title",
    ),
    *("parameters", "float", "None_", "σ", "root", "of"),
)


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_any_identifier_is_a_parameter(name):
    assert name.isidentifier() and not keyword.iskeyword(name)
    names = {"sigmoid": sigmoid, "engine": engine}
    body = f"lambda x, {name}=2.0: sigmoid(x) * {name} + x * x * engine.exp(-x * x)"
    if name == "sigmoid":
        body = f"lambda x, {name}=2.0: engine.sigmoid(x) * {name} + x * x * engine.exp(-x * x)"
    f = own(eval(body, names))

    def right(s, value):
        return value / (1 + np.exp(-s)) + s * s * np.exp(-s * s)

    for value in (2.0, -0.5):
        g = f(**{name: value})
        np.testing.assert_allclose(g(S), right(S, value), rtol=1e-12)
        np.testing.assert_allclose(f(S, **{name: value}), right(S, value), rtol=1e-12)
        expected = differences(lambda s, value=value: right(s, value))
        np.testing.assert_allclose(g.slope(S), expected, atol=1e-8)


def test_thresholds_named_like_generated_parts():
    def leaky_clip(s, t0=-1.0, t1=1.0):
        return where(s < t0, t0 + 0.1 * (s - t0), where(s > t1, t1 + 0.1 * (s - t1), s))

    s = np.array([-3.0, -0.5, 0.5, 3.0])
    f = own(leaky_clip)
    np.testing.assert_allclose(f(s), [-1.2, -0.5, 0.5, 1.2])
    np.testing.assert_allclose(f.slope(s), [0.1, 1, 1, 0.1])


def test_a_kernel_that_differs_from_the_definition_is_refused(monkeypatch):
    """Uncompiled at the definition, and compiled when it is made."""
    swapped = OPERATIONS["subtract"]._replace(source="{1} - {0}")
    monkeypatch.setitem(OPERATIONS, "subtract", swapped)
    with pytest.raises(ActivationError, match=r"own.*f compiled for float64.*definition gives"):
        own(lambda s: s * 1.7 - 3.3)
    assert "own" not in ACTIVATIONS
    monkeypatch.undo()
    f = own(lambda s: s * 1.7 + 3.3)
    wrong = own(lambda s: s * 1.7 + 3.4).kernel
    broken = Elementwise(wrong.f, wrong.f_slope, np.copy, np.copy, check=f.kernel.check)
    for what in ("value", "slope", "scaled"):
        for dtype in (np.float32, np.float64):
            if what == "value":
                with pytest.raises(ActivationError, match=r"f compiled for float.. is"):
                    broken.run(what, np.dtype(dtype))
            else:  # the slopes are equal
                broken.run(what, np.dtype(dtype))


# --- activations inside activations ---------------------------------------------------------------

inner = activation(title="inner of a test")(lambda s, a=1.0: s * sigmoid(a * s))
ACTIVATIONS.pop("inner of a test")


def np_inner(s, a=1.0):
    return s / (1 + np.exp(-a * s))


def np_elu(s, alpha=1.0):
    return np.where(s > 0, s, alpha * np.expm1(s))


INSIDE = {
    "own": (lambda s: 2 * inner(s) + 1, lambda s: 2 * np_inner(s) + 1),
    "own of own": (lambda s: inner(inner(s)), lambda s: np_inner(np_inner(s))),
    "own, a number": (lambda s: inner(s, a=0.3), lambda s: np_inner(s, 0.3)),
    "own, a variant": (lambda s: inner(a=0.3)(s * s), lambda s: np_inner(s * s, 0.3)),
    "own, a parameter": (lambda s, b=0.6: inner(s, a=b * b), lambda s: np_inner(s, 0.36)),
    "own, s itself": (lambda s: inner(s, a=s), lambda s: np_inner(s, s)),
    "own f′": (lambda s: inner.derivative(s), lambda s: inner.slope(s)),
    "leaky": (lambda s: leaky_relu(s, a=0.2) * s, lambda s: np.where(s > 0, s, 0.2 * s) * s),
    "leaky variant": (lambda s: leaky_relu(a=0.2)(s), lambda s: np.where(s > 0, s, 0.2 * s)),
    "prelu": (lambda s: prelu(s, 0.2), lambda s: np.where(s > 0, s, 0.2 * s)),
    "named prelu": (lambda s: find_activation("prelu")(s), lambda s: np.where(s > 0, s, s / 4)),
    "elu": (lambda s: elu(s) + elu(s, alpha=0.3), lambda s: np_elu(s) + np_elu(s, 0.3)),
    "elu, a parameter": (lambda s, c=0.4: elu(s, alpha=c), lambda s: np_elu(s, 0.4)),
    "elu′": (lambda s: elu(alpha=0.3).derivative(s), lambda s: elu(alpha=0.3).slope(s)),
    "tanh″": (
        lambda s: tanh.derivative.derivative(s),
        lambda s: -2 * np.tanh(s) * (1 - np.tanh(s) ** 2),
    ),
    "tanh‴": (
        lambda s: tanh.derivative.derivative.derivative(s),
        lambda s: tanh.derivative.derivative.slope(s),
    ),
    "clip, a parameter": (lambda s, a=1.5: clip(s, -a, a), lambda s: np.clip(s, -1.5, 1.5)),
    "clip, of s": (lambda s: clip(0.5, -s, s), lambda s: np.clip(0.5, -s, s)),
    "numpy": (
        lambda s: np.where((s > -1) & np.less(s, 2.5), np.exp(-np.square(s)), np.tanh(s)),
        lambda s: np.where((s > -1) & (s < 2.5), np.exp(-(s**2)), np.tanh(s)),
    ),
    "numpy bounds": (
        lambda s: np.clip(s, a_min=None, a_max=1) + np.maximum(np.abs(s), np.float64(0.5)),
        lambda s: np.minimum(s, 1) + np.maximum(np.abs(s), 0.5),
    ),
    "not": (lambda s: np.where(~((s > 1) | (s < -1)), s, 0), lambda s: s * (abs(s) <= 1)),
    "in place": (
        lambda s: functools.reduce(lambda a, b: a.__iadd__(b), [s, s, s]),
        lambda s: 3 * s,
    ),
    "constants": (lambda s: s * Tensor(2.0) + np.float32(0.5), lambda s: 2 * s + 0.5),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_other_functions_inside(kind):
    definition, right = INSIDE[kind]
    f = own(definition)
    np.testing.assert_allclose(f(S), right(S), rtol=1e-12)
    np.testing.assert_allclose(f.slope(S), differences(right), rtol=1e-6, atol=1e-6)
    gradcheck(f, S, order=2)
    np.testing.assert_allclose(f(S.astype(np.float32)), right(S), rtol=1e-5, atol=1e-6)


def test_a_given_slope_is_kept_inside():
    @activation(title="swish on paper")
    def swish(s):
        return s / (1 + exp(-s))

    @swish.derivative
    def swish_slope(s):
        return sigmoid(s) * (1 + s * sigmoid(-s))

    f = own(lambda s: 2 * swish(3 * s))
    far = np.array([-1000.0, -1.0, 1000.0])
    np.testing.assert_allclose(f.slope(far), 6 * silu.slope(3 * far), rtol=1e-12)
    np.testing.assert_allclose(f.derivative.slope(S), 18 * silu.derivative.slope(3 * S), rtol=1e-9)


def test_kinks_of_what_is_inside():
    assert own(lambda s, a=1.0: clip(s, -a, a))(a=2.5).kinks == (-2.5, 2.5)
    assert own(lambda s: leaky_relu(s - 1, a=0.2)).kinks == (1.0,)
    assert own(lambda s, a=0.5: elu(s, alpha=a)).kinks == (0.0,)


def test_learned_parameters_inside():
    a = Tensor(0.5, requires_grad=True)
    s = Tensor([-3.0, -0.2, 0.1, 2.0])
    own(lambda s, a=1.0: clip(s, -a, a))(s, a=a).sum().backward()
    assert a.grad.item() == 0.0  # −1 from below, 1 from above
    a.grad = None
    own(lambda s, a=1.0: clip(s, None, a))(s, a=a).sum().backward()
    assert a.grad.item() == 1.0
    gradcheck(lambda a: own(lambda s, b=1.0: inner(s, a=b))(S, b=a), np.array(0.7))
    f = own(lambda s, b=1.0: elu(s, alpha=b))
    with pytest.raises(TypeError, match="elu: its parameters can't be learned inside"):
        f(s, b=a).sum().backward()
    y = own(lambda s, a=1.0: where(s > 0, 1.0, 0.5) * a)(Tensor(S, dtype=np.float32), a=a)
    assert y.dtype == np.float64  # a's, not a constant's
    y = own(lambda s, a=1.0: where(s > 0, 1.0, 0.5) * a)(
        Tensor(S, dtype=np.float32), a=Tensor(np.float32(1))
    )
    assert y.dtype == np.float32


# --- branches -------------------------------------------------------------------------------------


def test_the_branch_that_is_not_taken_has_no_derivative():
    f = own(lambda s: where(s > 0, log(1 + s), -log(1 - s)))
    s = np.array([-1.0, 1.0])
    for dtype in (np.float32, np.float64):
        np.testing.assert_allclose(f.slope(s.astype(dtype)), [0.5, 0.5])
        np.testing.assert_allclose(f.derivative.slope(s.astype(dtype)), [0.25, -0.25])
    np.testing.assert_allclose(f.derivative.derivative.slope(s), [0.25, 0.25])
    assert f.findings == ()
    reference = f.kernel.reference_slope(s)
    np.testing.assert_allclose(reference, [0.5, 0.5])
    third = engine.grad(engine.grad(engine.grad(lambda x: f(x))))
    assert float(third(1.0)) == pytest.approx(0.25)
    x = Tensor(s, requires_grad=True)
    engine.dense(x.reshape(2, 1), np.ones((1, 1)), f=f).sum().backward()
    np.testing.assert_allclose(x.grad, [0.5, 0.5])


@pytest.mark.parametrize(
    ("definition", "s", "slope"),
    [
        (lambda s: maximum(-1.0, log(engine.abs(s))), [0.0, 0.1, 1.0, np.nan], [0, 0, 1, np.nan]),
        (lambda s: maximum(log(engine.abs(s)), -1.0), [0.0, 0.1, 1.0], [0, 0, 1]),
        (lambda s: minimum(1.0, 1 / (s * s)), [0.0, 0.5, 2.0], [0, 0, -0.25]),
        (lambda s: maximum(s, 2 * s), [-1.0, 0.0, 1.0, np.nan], [1, 1.5, 2, np.nan]),
        (lambda s: clip(1 / s, -1, 1), [0.0, 0.5, 2.0], [0, 0, -0.25]),
        (lambda s: clip(s, -1, 1), [-1.0, 1.0, 2.0, np.nan], [1, 1, 0, np.nan]),
    ],
)
def test_the_operand_that_is_not_taken_has_no_derivative(definition, s, slope):
    f = own(definition)
    np.testing.assert_allclose(f.slope(np.array(s)), slope)
    np.testing.assert_allclose(f.kernel.reference_slope(np.array(s)), slope)


# --- what is refused ------------------------------------------------------------------------------


@custom_vjp
def doubled(x):
    return 2 * x


@custom_vjp
def log_by_another_name(x):
    return 2 * x


log_by_another_name._rule = engine.core.operation.Rule("exp", lambda x: 2 * x, doubled._rule.vjp)


class Machine:
    def call(self, s, a=2.0):
        return a * s

    def fails(self, s):
        return s.mean()

    def __call__(self, s):
        return 3 * s

    def __str__(self):
        raise RuntimeError


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


def raises(error):
    raise error


async def waits(s):
    return s


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **keywords):
        return function(*args, **keywords)

    return wrapper


@wrapped
def decorated(s, a=2.0):
    return a * s


@wrapped
def decorated_and_wrong(s, a=2.0):
    return s.nothing


REFUSED = {
    "mean": (lambda s: s - engine.mean(s), "mean is not a function of single numbers"),
    "softmax": (lambda s: engine.softmax(s), "softmax is not a function of single numbers"),
    "infinite power": (lambda s: s ** float("inf"), "exponent inf"),
    "sum": (lambda s: engine.sum(s), "sum is not"),
    "dense": (lambda s: engine.dense(s, np.ones((1, 1))), "line"),
    "layer": (lambda s: nn.Dense(1, 1)(s), "line"),
    "own operation": (lambda s: doubled(s), "doubled is not a function of single numbers"),
    "an operation of a known name": (lambda s: log_by_another_name(s), "exp is not a function"),
    "numpy's sine": (lambda s: np.sin(s), "np.sin can't take s"),
    "numpy's mean": (lambda s: np.mean(s), "np.mean can't take s"),
    "numpy's reduction": (lambda s: np.add.reduce(s), "np.add takes only operands here"),
    "numpy's out": (lambda s: np.exp(s, out=np.zeros(1)), "only operands"),
    "numpy's where of one": (lambda s: np.where(s > 0), "TypeError"),
    "floor": (lambda s: s // 1, "floor_divide"),
    "matrix product": (lambda s: s @ s, "matmul"),
    "math": (lambda s: math.exp(s), "math"),
    "array": (lambda s: np.ones(2) * s, "only numbers"),
    "pair": (lambda s: (s, s), "returns no formula"),
    "text": (lambda s: "s", "returns no formula"),
    "complex": (lambda s: 1j * s, "only numbers"),
    "coroutine": (waits, "returns no formula"),
    "division": (lambda s: 1 / 0, "ZeroDivisionError"),
    "silent error": (lambda s: raises(SilentError()), "SilentError"),
    "long error": (lambda s: raises(ValueError("a\nb")), "ValueError: a b"),
    "nan inside": (lambda s: leaky_relu(s, a=math.nan), "leaky_relu: a=nan must be a finite"),
    "no such parameter": (lambda s: tanh(s, a=1.0), "no parameter a"),
    "parameter without s": (lambda s, b=1.0: elu(alpha=b)(s), r"elu\(s, alpha=…\)"),
    "nan": (lambda s, a=math.nan: a * s, "a=nan must be a finite number"),
    "infinity": (lambda s, a=-math.inf: a * s, "a=-inf must be a finite number"),
    "method": (Machine().fails, "return s.mean"),
    "partial": (functools.partial(Machine().fails), "return s.mean"),
    "decorated": (decorated_and_wrong, "return s.nothing"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_fails_is_told_with_its_line_and_leaves_no_name(kind):
    definition, words = REFUSED[kind]
    before = dict(ACTIVATIONS)
    with pytest.raises(
        ActivationError,
        match=rf"^own, line \d+ of test_own_definitions\.py, `.*: .*{words}|{words}",
    ) as told:
        own(definition)
    assert str(told.value).startswith("own, line ")
    assert "\n" not in str(told.value)
    assert dict(ACTIVATIONS) == before


@pytest.mark.parametrize("stage", ["derivative", "kernel_of", "examine"])
def test_what_fails_after_reading_is_told_too(stage, monkeypatch):
    monkeypatch.setattr(f"engine.activations.own.{stage}", lambda *_: 1 / 0)
    before = dict(ACTIVATIONS)
    with pytest.raises(ActivationError, match=r"own, line \d+ of test_own_definitions\.py"):
        own(lambda s: 1.25 * s)
    assert dict(ACTIVATIONS) == before


@pytest.mark.parametrize(
    ("definition", "title", "value"),
    [
        (Machine().call, "call", 1.0),
        (Machine(), "Machine", 1.5),
        (functools.partial(lambda s, b=1.0: b * s, b=3.0), "<lambda>", 1.5),
        (functools.partial(Machine().call, a=4.0), "call", 2.0),
        (decorated, "decorated", 1.0),
        (lambda s, /, a=4.0: a * s, "<lambda>", 2.0),
        (lambda s, a=4.0, /: a * s, "<lambda>", 2.0),
        (lambda s, *rest, a=FOUR, **more: a * s, "<lambda>", 2.0),
    ],
)
def test_whatever_can_be_called_will_do(definition, title, value):
    f = activation(definition)
    assert f.name == title
    assert f(np.array([0.5])).tolist() == [value]
    assert find_activation(title) is f


def test_callables_without_a_line():
    for thing in (math.sin, np.tanh, int, print):
        with pytest.raises(ActivationError):
            activation(thing)
    for thing in (3, "tanh", tanh):
        with pytest.raises(TypeError, match="takes a function"):
            activation(thing)


CONDITIONS = (
    np.logical_not,
    np.invert,
    np.logical_and,
    np.logical_or,
    np.bitwise_and,
    np.bitwise_or,
)


@pytest.mark.parametrize(
    "function", [f for f in _NUMPY if isinstance(f, np.ufunc)], ids=lambda f: f.__name__
)
def test_functions_of_numpy_give_numpys_values(function):
    def operands(s):
        pair = (s > 0, s < 1) if function in CONDITIONS else (s, 1.5)
        return pair[: function.nin]

    f = own(lambda s: function(*operands(s)))
    with np.errstate(all="ignore"):
        right = np.asarray(function(*operands(S)), float)
    np.testing.assert_allclose(f(S), right, rtol=1e-12)


# --- titles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title",
    [
        *(r"$\upsilon$", "a/b", "../../x", "it's", '"quoted"', '"""', "{0}", "%s", "\\", "[red]x"),
        *("<b>&amp;", "σ₂", "x" * 300, "#", "a.py:b", "'); import os #"),
    ],
)
def test_a_title_is_any_line_of_text(title):
    f = own(lambda s: 1.5 * s, title)
    assert f(np.array([2.0])).tolist() == [3.0]
    assert find_activation(title) is f
    assert title in repr(f)
    assert f.source == own(lambda s: 1.5 * s, "another").source
    with engine.trace() as t:
        nn.cross_entropy(nn.MLP([2, 3, 2], f)(np.ones((1, 2))), [0]).backward()
    assert str(t) and t.explain(0, bias=0) and t.walk()


@pytest.mark.parametrize(
    "title", ["", " ", "a\nb", "a\rb", "\0", "\x1b[1m", "\ud800", "a\u2028b", "f′"]
)
def test_a_title_that_is_none_is_refused(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dict(ACTIVATIONS)
    with pytest.raises(ActivationError, match=r"line \d+ .* the title ") as told:
        own(lambda s: 1.5 * s, title)
    assert str(told.value).isprintable()
    assert dict(ACTIVATIONS) == before


def test_a_title_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ActivationError):
        own(lambda s: s * 2.0, 'x"""\nopen("there", "w")\n"""')
    f = own(lambda s: s * 2.0, '"""; open("there", "w"); """')
    f(S)
    assert not list(tmp_path.iterdir())


# --- names that were meant ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        *(("Tanh", "tanh"), ("sigmod", "sigmoid"), ("ReLU", "relu"), ("leakyrelu", "leaky_relu")),
        *(("Leaky ReLU", "leaky_relu"), ("SiLU", "silu"), ("soft-plus", "softplus")),
        *(("My_Own", "my own"), ("sofsign", "softsign")),
    ],
)
def test_a_name_that_was_meant_is_suggested(wrong, right):
    own(lambda s: 1.5 * s, "my own")
    for use in (
        find_activation,
        lambda name: nn.Dense(2, 2, name),
        lambda name: nn.MLP([2, 3, 2], name),
        lambda name: engine.dense(np.ones((1, 1)), np.ones((1, 1)), f=name),
        lambda name: nn.theory.gain(name),
        lambda name: nn.init.kaiming(activation=name),
    ):
        with pytest.raises(
            ValueError, match=rf"named {wrong!r}; the names are.*; did you mean '{right}'\?$"
        ):
            use(wrong)


def test_where_nothing_is_alike_nothing_is_suggested():
    with pytest.raises(ValueError, match=r"named 'x'; the names are identity.*in a file$"):
        find_activation("x")


def test_a_name_that_was_meant_in_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from engine import activation\n@activation\ndef swish(s): return 2.5 * s\n")
    with pytest.raises(ValueError, match=r"no activation Swish; .*; did you mean 'swish'\?"):
        find_activation(f"{path}:Swish")
    for text, words in (
        ("raise SystemExit(3)", r"line 1: the file ended the program"),
        ("class Odd(BaseException): pass\nraise Odd('no')", r"line 2: Odd: no"),
    ):
        path.write_text(text)
        with pytest.raises(ActivationError, match=words):
            find_activation(f"{path}:f")


def test_gelu_is_what_it_was_inside():
    f = own(lambda s: gelu(s))
    np.testing.assert_array_equal(f(S), gelu(S))
    np.testing.assert_array_equal(f.slope(S), gelu.slope(S))


def test_a_definition_that_ends_the_program_is_a_failed_definition():
    with pytest.raises(ActivationError, match=r"line \d+ of .*SystemExit: 3"):

        @activation
        def leaves(s):
            raise SystemExit(3)

    assert "leaves" not in ACTIVATIONS
