"""`gradcheck` itself, against gradients that are wrong in the usual ways.

A check that passes on a wrong gradient is worse than none, so most of these tests feed it one.
"""

import numpy as np
import pytest

import engine
from engine import GradcheckError, Rule, Tensor, grad, gradcheck
from engine.checking import GradcheckReport
from engine.operation import apply

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


@pytest.mark.nojit
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_caught(name):
    f = with_gradient(WRONG[name])
    with pytest.raises(GradcheckError):
        gradcheck(f, X)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: f(a).sum(), X)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a, b: f(a) * b, X, 2.0)


@pytest.mark.nojit
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


@pytest.mark.nojit
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


@pytest.mark.nojit
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


@pytest.mark.nojit
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


@pytest.mark.nojit
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
