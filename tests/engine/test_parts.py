"""`unstack`, `split` and basic indexing: parts of an array, whose gradients share one array."""

import numpy as np
import pytest

import engine
from engine import ShapeError, Tensor, gradcheck, split, tanh, unstack
from engine.arrays import Part
from engine.rules import layout

X = np.random.default_rng(0).normal(size=(4, 6, 3))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_unstack_takes_apart_what_stack_joins(axis):
    parts = unstack(X, axis)
    assert isinstance(parts, tuple) and len(parts) == X.shape[axis]
    np.testing.assert_array_equal(engine.stack(parts, axis), X)
    for ours, theirs in zip(parts, np.moveaxis(X, axis, 0), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("sections", [1, 2, 3, 6, [2], [1, 5], [0, 2, 2, 9], np.array([4])])
def test_split_cuts_as_numpy_does(sections):
    ours, theirs = split(X, sections, axis=1), np.split(X, sections, axis=1)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    t = Tensor(X, requires_grad=True)
    for a, b in zip(np.split(t, sections, axis=1), theirs, strict=True):
        assert isinstance(a, Tensor)
        np.testing.assert_array_equal(a.numpy(), b)


def test_the_second_derivative():
    def f(x):
        a, b, c, _ = unstack(x)
        d, e = split(x * x, [1], axis=2)
        return (tanh(a) * b + c * c).sum() + (d * e).sum()

    gradcheck(f, X)
    gradcheck(lambda x: (engine.grad(f)(x) ** 2).sum(), X)


def test_parts_that_are_used_never_once_and_twice():
    x = Tensor(X, requires_grad=True)
    a, _, c, _ = unstack(x)
    (a.sum() + (c * c).sum() + 3 * c.sum()).backward()
    expected = np.zeros_like(X)
    expected[0], expected[2] = 1, 2 * X[2] + 3
    np.testing.assert_allclose(x.grad.numpy(), expected)


def test_a_single_part_and_the_whole_beside_its_parts():
    x = Tensor(X, requires_grad=True)
    unstack(x)[1].sum().backward()
    expected = np.zeros_like(X)
    expected[1] = 1
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    for order in (1, -1):
        x.zero_grad()
        terms = [(x * 2.0).sum(), x[1].sum(), (x * x).sum(), x[:, 2].sum()][::order]
        sum(terms).backward()
        expected = 2 + 2 * X
        expected[1] += 1
        expected[:, 2] += 1
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)


def test_overlapping_parts_and_a_graph_that_is_kept():
    x = Tensor(np.arange(6.0), requires_grad=True)
    y = x * 1.0
    total = y[1:4].sum() + y[2:].sum() + y[3] + y[::-2].sum() + y[[0, 0, 5]].sum()
    for times in (1, 2):
        total.backward(retain_graph=True)
        assert x.grad.numpy().tolist() == [
            2 * times,
            2 * times,
            2 * times,
            4 * times,
            times,
            3 * times,
        ]


def test_a_trace_and_a_watch_see_whole_gradients():
    x = Tensor(X, requires_grad=True)
    with engine.trace() as t:
        sum(part.sum() * (i + 1.0) for i, part in enumerate(unstack(x))).backward()
    for node in t.nodes:
        if node.name == "index":
            assert node.dL_dx[0].shape == X.shape
    with engine.detect_nonfinite():
        sum(part.sum() for part in unstack(x)).backward()


def whole_arrays(monkeypatch, T):
    """How often a gradient of the whole sequence is written out, for T steps."""
    calls = []
    for owner, name in ((Part, "whole"), (layout, "_add_at")):
        original = getattr(owner, name)
        spy = lambda *args, original=original: (calls.append(args), original(*args))[1]  # noqa: E731
        monkeypatch.setattr(owner, name, spy)
    x = Tensor(np.ones((T, 8)), requires_grad=True)
    state = Tensor(np.zeros(8), requires_grad=True)
    for step in unstack(x * 2.0):
        state = tanh(state + step)
    state.sum().backward()
    assert x.grad.numpy().any(axis=1).all()
    monkeypatch.undo()
    return len(calls)


def test_the_backward_pass_of_all_parts_writes_the_whole_a_fixed_number_of_times(monkeypatch):
    assert whole_arrays(monkeypatch, 5) == whole_arrays(monkeypatch, 50) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unstack(X, 3), r"unstack.*axis 3.*3 axes.*\(4, 6, 3\)"),
        (lambda: unstack(1.0), r"unstack.*axis 0.*0 axes"),
        (lambda: split(X, 5, 1), r"split.*6 entries.*5 equal"),
        (lambda: split(X, 0), r"split.*4 entries.*0 equal"),
        (lambda: split(X, 2, -4), r"split.*axis -4"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
