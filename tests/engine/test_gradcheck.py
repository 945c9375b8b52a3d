"""`gradcheck` itself, against gradients that are wrong in the usual ways.

A check that passes on a wrong gradient is worse than none, so most of these tests feed it one.
"""

import numpy as np
import pytest

import engine
from engine import GradcheckError, Rule, Tensor, grad, gradcheck
from engine.checking import GradcheckReport
from engine.core.operation import apply

X = np.array([[0.3, -1.2, 0.8], [1.7, 0.4, -0.6]])


def with_gradient(vjp, value=lambda a: a * a, **flags):
    """A function of one tensor (by default a²) whose gradient is `vjp(g, y, a)`."""
    rule = Rule("doubtful", value, lambda g, y, a, needs: [vjp(g, y, a)], **flags)
    return lambda a: apply(rule, a)


def one_wrong_entry(g, y, a):
    wrong = np.zeros(a.shape)
    wrong[1, 2] = 1e-4
    return 2 * g * a + g * wrong


WRONG = {
    "sign": lambda g, y, a: -2 * g * a,
    "factor 2": lambda g, y, a: g * a,
    "factor 1.00001": lambda g, y, a: 2.00002 * g * a,
    "transposed": lambda g, y, a: 2 * g * a.T.reshape(a.shape),
    "reversed": lambda g, y, a: 2 * g * a[::-1],
    "one wrong entry": one_wrong_entry,
    "zero": lambda g, y, a: 0 * g * a,
    "none": lambda g, y, a: None,
    "NaN": lambda g, y, a: g * a * np.nan,
    "one NaN": lambda g, y, a: 2 * g * a + np.where(np.arange(3) == 1, np.nan, 0.0),
    "Inf": lambda g, y, a: g * a * np.inf,
    "averaged": lambda g, y, a: 2 * g * a * 0 + (2 * g * a).mean(),
    "value instead of slope": lambda g, y, a: g * y,
}


@pytest.mark.plain
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_caught(name):
    f = with_gradient(WRONG[name])
    with pytest.raises(GradcheckError):
        gradcheck(f, X)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: f(a).sum(), X)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a, b: f(a) * b, X, 2.0)


@pytest.mark.plain
def test_the_right_gradient_passes():
    f = with_gradient(lambda g, y, a: 2.0 * g * a)
    report = gradcheck(f, X, order=2)
    assert isinstance(report, GradcheckReport)
    assert report
    assert report.compared == 2 * X.size**2
    assert report.at_kinks == 0
    assert 0 <= report.largest_error < 1e-7


def test_a_missing_sum_over_a_broadcast_is_caught():
    # The engine itself refuses a gradient of the broadcast shape, so this one has x's shape.
    first_row_only = Rule(
        "row", lambda a, b: a * b, lambda g, y, a, b, needs: [g * b, (g * a)[:1].reshape(b.shape)]
    )
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(lambda a, b: apply(first_row_only, a, b), X, np.array([1.0, 2.0, 3.0]))


def test_the_diagonal_of_softmax_is_not_its_derivative():
    diagonal = Rule(
        "softmax",
        lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True),
        lambda g, y, a, needs: [g * y * (1 - y)],
    )
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: apply(diagonal, a), X)
    # Seen through a sum, the full derivative is 0 and the diagonal's is not.
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: apply(diagonal, a).sum(), X)


@pytest.mark.plain
def test_a_right_first_and_wrong_second_derivative():
    f = with_gradient(lambda g, y, a: 2.0 * g * (a.detach() if isinstance(a, Tensor) else a))
    gradcheck(f, X)
    with pytest.raises(GradcheckError, match=r"∂f/∂\(input 0\)"):
        gradcheck(f, X, order=2)


def test_a_wrong_mixed_second_derivative():
    rule = Rule(
        "product",
        lambda a, b: a * b,
        lambda g, y, a, b, needs: [g * (b.detach() if isinstance(b, Tensor) else b), g * a],
    )
    gradcheck(lambda a, b: apply(rule, a, b), X, X + 1)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a, b: apply(rule, a, b), X, X + 1, order=2)


@pytest.mark.plain
def test_a_check_that_compares_nothing_is_an_error():
    for f, inputs in (
        (lambda: Tensor([1.0]), ()),
        (lambda a: a, (np.zeros(0),)),
        (lambda a: a[:0], (X,)),
        (engine.abs, (0.0,)),
        (engine.relu, (np.zeros(1),)),
    ):
        with pytest.raises(GradcheckError, match="compared nothing"):
            gradcheck(f, *inputs)


def test_an_empty_input_beside_others_is_no_error():
    f = lambda a, b: engine.concatenate([a, b]) ** 2  # noqa: E731
    assert gradcheck(f, np.zeros(0), np.ones(2)).compared == 4
    assert gradcheck(f, np.zeros(0), np.ones(2), order=2).compared >= 8


@pytest.mark.plain
def test_kinks_are_counted_and_skipped():
    report = gradcheck(engine.abs, np.array([-1.0, 0.0, 2.0]))
    assert (report.compared, report.at_kinks) == (8, 1)
    report = gradcheck(engine.relu, np.array([0.0, 1.0]))
    assert (report.compared, report.at_kinks) == (3, 1)
    report = gradcheck(engine.maximum, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    assert report.at_kinks == 2


def test_a_wrong_gradient_beside_a_kink_is_caught():
    f = with_gradient(lambda g, y, a: g * np.sign(a) * np.array([1.0, 1.0, 1.1]), np.abs)
    with pytest.raises(GradcheckError):
        gradcheck(f, np.array([-1.0, 0.0, 2.0]))


def test_what_curves_strongly_is_no_kink():
    for f, x in (
        (lambda a: engine.tanh(a * 30), [0.01, -0.02]),
        (lambda a: 1 / a, [0.01, -0.01]),
        (lambda a: a**4, [0.0, 1e-3]),
        (engine.exp, [-5.0, 5.0]),
    ):
        assert gradcheck(f, x).at_kinks == 0


def test_a_large_offset_makes_no_kinks():
    # Rounding of f is not a bend: a wrong gradient must not hide behind it.
    wrong = with_gradient(lambda g, y, a: 2.2 * g * a, lambda a: 1e6 + a * a)
    with pytest.raises(GradcheckError, match="worst"):
        gradcheck(wrong, np.array([0.5, 1.0, 3.0]), rtol=1e-3)


@pytest.mark.plain
def test_the_worst_entry_is_reported():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda z, a: with_gradient(one_wrong_entry)(a) + z, 1.0, X)
    message = str(caught.value)
    for part in ("f[1, 2]", "input 1[1, 2]", "-1.1999", "-1.2", "worst of 42"):
        assert part in message, message


def test_inputs_are_taken_in_float64_and_left_alone():
    x = np.array([1.0, 2.0], np.float32)
    seen = []
    gradcheck(lambda a: (seen.append(a.dtype), a * a)[1], x)
    assert set(seen) == {np.dtype(np.float64)}
    assert x.tolist() == [1, 2]
    assert gradcheck(lambda a: a * a, 3).compared == 1


def test_a_function_that_leaves_float64_is_refused():
    with pytest.raises(GradcheckError, match="float32"):
        gradcheck(lambda a: a.astype(np.float32), X)


def test_order_and_tolerances():
    for order in (0, 3):
        with pytest.raises(ValueError, match="order"):
            gradcheck(engine.exp, X, order=order)
    slightly = with_gradient(lambda g, y, a: 2.002 * g * a)
    with pytest.raises(GradcheckError):
        gradcheck(slightly, X)
    gradcheck(slightly, X, rtol=1e-2)


def test_gradcheck_leaves_gradients_alone():
    W = Tensor(X, requires_grad=True)
    gradcheck(lambda a: (a * W).sum(), X, order=2)
    assert W.grad is None
    gradcheck(grad(lambda a: (a * a * a).sum()), X)


# --- curvature, rounding, kinks nearby ------------------------------------------------------------


def scaled(how, f):
    """f, with every gradient changed by `how`."""

    def vjp(g, y, *xs, needs):
        gradients = engine.vjp(f, *map(np.asarray, xs))[1](np.asarray(g))
        return [how(gradient.numpy()) for gradient in gradients]

    def value(*xs):
        with engine.no_grad():
            return f(*map(Tensor, xs)).numpy()

    return lambda *xs: apply(Rule("doubtful", value, vjp), *xs)


def first_only(change):
    """Change the entry with the largest gradient alone."""

    def how(gradient):
        changed = gradient.copy().reshape(-1)
        k = np.abs(changed).argmax()
        changed[k] = change(changed[k])
        return changed.reshape(gradient.shape)

    return how


MISTAKES = {
    "factor 1.0001": lambda g: g * 1.0001,
    "sign": lambda g: -g,
    "777": lambda g: g * 0 + 777.0,
    "zero": lambda g: g * 0,
    "swapped": lambda g: g[::-1] if g.ndim and g.size > 1 else 2 * g,
    "one entry": first_only(lambda v: 1.001 * v),
    "one NaN": first_only(lambda v: np.nan),
    "one Inf": first_only(lambda v: np.inf),
}
HARD = {
    **{f"1/x at {x}": (lambda x: 1 / x, x) for x in (1e-3, -1e-3, 1e-8, 1e-100, 1e8)},
    **{f"log at {x}": (engine.log, x) for x in (1e-3, 1e-8, 1e-300, 1e10, 1e200)},
    **{f"sqrt at {x}": (engine.sqrt, x) for x in (1e-3, 1e-8, 1e-100, 1e100)},
    **{f"x² at {x}": (lambda x: x * x, x) for x in (1e-8, 1e8, 1e100)},
    **{f"exp(50x) at {x}": (lambda x: engine.exp(50 * x), x) for x in (0.0, -1.0, 1.0, 5.0)},
    **{f"relu at {x}": (engine.relu, x) for x in (1e-4, 1e-9)},
    **{f"1 + |x − 1| at 1 + {x}": (lambda x: 1 + abs(x - 1.0), 1 + x) for x in (1e-4, -1e-7)},
    "elu at −1e-6": (engine.elu, -1e-6),
    "1e9 + x²": (lambda x: 1e9 + x * x, [0.5, 1.0, 3.0]),
    "(1e9 + x²) − 1e9": (lambda x: (1e9 + x * x) - 1e9, [0.7, 1.3]),
    "1e6 x": (lambda x: 1e6 * x * x, [1.0, 2.0]),
    "1e-30 x": (lambda x: 1e-30 * x * x, [1.0, 2.0]),
    "tanh(1e6 x)": (lambda x: engine.tanh(1e6 * x), [1e-6, -2e-7]),
    "of two scales": (lambda x: engine.stack([1e6 * x[0], 1e-3 * x[1] ** 2]), [1.0, 2.0]),
    "float32": (lambda x: engine.exp(x) * x, np.float32([1.1, 2.3])),
}


@pytest.mark.parametrize("name", HARD)
def test_right_gradients_pass_and_wrong_ones_do_not(name):
    f, x = HARD[name]
    assert gradcheck(f, x).at_kinks == 0
    for mistake, how in MISTAKES.items():
        with pytest.raises(GradcheckError, match="worst of"):
            gradcheck(scaled(how, f), x)
            pytest.fail(f"{mistake} was not found")


@pytest.mark.parametrize("f", [lambda x: 1 / x, engine.log, engine.sqrt])
@pytest.mark.parametrize("x", [1e-3, 1e-8])
def test_second_derivatives_where_the_curvature_is_large(f, x):
    assert gradcheck(f, x, order=2).compared == 2


@pytest.mark.parametrize("wrong", [lambda v: -v, lambda v: 1.01 * v, lambda v: 0.0])
def test_a_wrong_small_entry_does_not_hide_beside_large_ones(wrong):
    def value(x):
        return np.array([1e6 * x[0], 1e-6 * x[0] * x[1], x[1]])

    def vjp(g, y, x):
        small = wrong(1e-6 * x[1]) * g[1]
        return (np.array([1e6 * g[0] + small, 1e-6 * x[0] * g[1] + g[2]]),)

    with pytest.raises(GradcheckError, match=r"∂ f\[1\] / ∂ input 0\[0\]"):
        engine.custom_vjp(value).vjp(vjp).check([1.0, 2.0])


def test_slopes_that_are_nothing_beside_their_function_pass():
    x = np.random.default_rng(0).normal(size=(2, 4))
    for f, at in (
        (lambda x: engine.softmax(x).sum(), x),
        (engine.softmax, 30 * x),
        (engine.logsumexp, 100 * x),
        (lambda x: x / x, [0.3, 1e5]),
        (lambda x: (x + 1) ** 2 - x * x - 2 * x - 1, [0.3, 2.0, 7.0]),
        (engine.sigmoid, [-40.0, 30.0, 40.0]),
        (engine.tanh, [20.0, 400.0]),
    ):
        gradcheck(f, at)


# --- NaN, Inf, jumps, random functions ------------------------------------------------------------


@engine.custom_vjp
def wrong_square(x):
    return x * x


wrong_square.vjp(lambda g, y, x: g * 777.0)


@pytest.mark.parametrize(
    "other", [lambda x: engine.log(x - 10), lambda x: 1 / (0 * x), lambda x: engine.sqrt(x - 5)]
)
def test_a_wrong_gradient_beside_nan_and_inf_is_found(other):
    for f in (
        lambda x, z: engine.concatenate([wrong_square(x), other(z)]),
        lambda x, z: engine.concatenate([other(z), wrong_square(x)]),
    ):
        with pytest.raises(GradcheckError, match=r"worst of.*777"):
            gradcheck(f, np.array([-1.0, 2.0]), np.array([1.0, 2.0]))
        with pytest.raises(GradcheckError):
            gradcheck(lambda x, f=f: f(x, x), np.array([-1.0, 2.0]))
    with pytest.raises(GradcheckError, match=r"777"):
        wrong_square.check(np.array([-1.0, 2.0]))


@pytest.mark.parametrize(
    ("f", "x", "words"),
    [
        (engine.sqrt, [-1.0], r"1 of 1 entries: f\[0\] is nan"),
        (engine.log, 0.0, r"f\[\] is -inf, which can.t be compared"),
        (lambda x: 1 / x, [0.0, 1.0], r"3 of 4 entries: f\[0\] is inf"),
        (lambda x: engine.concatenate([x * x, engine.log(x)]), [-1.0, 2.0], r"2 of 8.*f\[2\]"),
        (engine.sqrt, 0.0, "no finite difference along"),
        (lambda x: x * x, [np.nan, 1.0], r"input 0\[0\] is nan; give finite inputs"),
        (lambda x: x * x, np.inf, "is inf; give finite"),
        (engine.sign, 0.0, r"0.25 ± .*too inexact; the function jumps"),
        (lambda x: engine.where(x > 0, x + 1, x), [0.0, 1.0], "too inexact"),
    ],
)
def test_what_can_not_be_compared_is_an_error(f, x, words):
    with pytest.raises(GradcheckError, match=words):
        gradcheck(f, x)


def test_a_gradient_of_nan_at_a_kink_is_wrong():
    wrong = with_gradient(lambda g, y, a: g * a / np.abs(a), np.abs)
    with pytest.raises(GradcheckError, match="the engine gives nan"):
        gradcheck(wrong, np.array([-1.0, 0.0, 2.0]))


@pytest.mark.parametrize("shape", ["a number", "a vector"])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_random_function_is_called_random(shape, keep):
    for seed in range(5):
        rng = np.random.default_rng(seed)

        def f(x, rng=rng):
            y = x * (rng.random(8) < keep)
            return y.sum() if shape == "a number" else y

        with pytest.raises(GradcheckError, match="different values for the same input"):
            gradcheck(f, np.arange(1.0, 9.0))
    operation = engine.custom_vjp(lambda x: x + rng.normal()).vjp(lambda g, y, x: g)
    with pytest.raises(GradcheckError, match=r"f gives different.*and then"):
        operation.check(1.0)


def test_a_function_that_raises_beyond_its_domain():
    @engine.custom_vjp
    def strict_log(x):
        if (x <= 0).any():
            raise ValueError("log of a negative number")
        return np.log(x)

    strict_log.vjp(lambda g, y, x: g / x)
    assert strict_log.check([1.0, 1e-3, 1e-9]).compared == 9


def test_float32_inside_is_noise_that_is_allowed_for():
    def sine(slope):
        inside = engine.custom_vjp(lambda x: np.sin(x.astype(np.float32)).astype(np.float64))
        return inside.vjp(lambda g, y, x: slope * g * np.cos(x))

    sine(1.0).check([1.0, 2.0])
    with pytest.raises(GradcheckError, match="worst of"):
        sine(1.001).check([1.0, 2.0])


def test_complex_inputs_are_refused():
    with pytest.raises(TypeError, match="complex128"):
        gradcheck(lambda x: x, [1j])
