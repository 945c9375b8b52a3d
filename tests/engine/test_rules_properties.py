"""Every rule of the table over drawn shapes: value, first and second derivative, dtypes.

`CASES` has an entry for each rule; a test says that none is missing. The values are random
numbers away from kinks; what happens at ties and kinks is tested one by one further down.
"""

import math
from dataclasses import dataclass
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import RULES, ShapeError, Tensor, gradcheck
from engine.core.operation import apply

NAMES = sorted(RULES)


@dataclass
class Case:
    """f of tensors, the arrays to call it with, and the same in NumPy."""

    f: Any
    arrays: tuple[np.ndarray, ...]
    reference: Any


CASES: dict[str, Any] = {}


def case(name):
    def keep(build):
        CASES[name] = build
        return build

    return keep


def numbers(draw, shape, low=-2.0, high=2.0, salt=0):
    # The salt keeps two operands apart when both draw the same seed, as simple examples do.
    rng = np.random.default_rng([draw(st.integers(0, 2**32 - 1)), salt])
    return rng.uniform(low, high, shape)


def shape_of(draw, min_dims=0, max_dims=3, min_side=1, max_side=3):
    return draw(
        hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)
    )


def pair_of_shapes(draw):
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=1)
    return draw(shapes).input_shapes


def axis_of(draw, ndim):
    """None, an integer, or a tuple of integers; negative ones too."""
    if ndim == 0:
        return draw(st.sampled_from([None, ()]))
    one = st.integers(-ndim, ndim - 1)
    several = st.sets(st.integers(0, ndim - 1)).map(
        lambda axes: tuple(axis - ndim * (axis % 2) for axis in axes)
    )
    return draw(st.one_of(st.none(), one, several))


def binary(name, f, reference, low=-2.0, high=2.0):
    @case(name)
    def build(draw):
        shapes = pair_of_shapes(draw)
        arrays = tuple(numbers(draw, s, low, high, i) for i, s in enumerate(shapes))
        return Case(f, arrays, reference)


def unary(name, f, reference, low=-2.0, high=2.0):
    @case(name)
    def build(draw):
        return Case(f, (numbers(draw, shape_of(draw), low, high),), reference)


binary("add", engine.add, np.add)
binary("subtract", engine.subtract, np.subtract)
binary("multiply", engine.multiply, np.multiply)
binary("divide", engine.divide, np.divide, 0.5, 2.0)
binary("power", engine.power, np.power, 0.5, 2.0)
binary("maximum", engine.maximum, np.maximum)
binary("minimum", engine.minimum, np.minimum)
unary("negative", engine.negative, np.negative)
unary("exp", engine.exp, np.exp)
unary("log", engine.log, np.log, 0.3, 3.0)
unary("sqrt", engine.sqrt, np.sqrt, 0.3, 3.0)
unary("abs", engine.abs, np.abs)
unary("sign", engine.sign, np.sign)
binary("prelu", engine.prelu, lambda s, a: np.where(s > 0, s, a * s))


@case("where")
def _(draw):
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    mask = numbers(draw, shapes.input_shapes[0]) > 0
    a, b = (numbers(draw, s) for s in shapes.input_shapes[1:])
    return Case(lambda a, b: engine.where(mask, a, b), (a, b), lambda a, b: np.where(mask, a, b))


@case("clip")
def _(draw):
    a = numbers(draw, shape_of(draw))
    low = draw(st.sampled_from([None, -0.9, 0.1]))
    high = draw(st.sampled_from([None, 0.95, np.full(a.shape, 0.7)]))
    if low is None and high is None:
        low = -0.3
    return Case(
        lambda a: engine.clip(a, low, high), (a,), lambda a: np.clip(a, low, high).astype(a.dtype)
    )


@case("reshape")
def _(draw):
    a = numbers(draw, shape_of(draw))
    shape = draw(st.sampled_from([(-1,), a.shape[::-1], (1, -1), (a.size, 1), (*a.shape, 1)]))
    return Case(lambda a: a.reshape(shape), (a,), lambda a: a.reshape(shape))


@case("label")
def _(draw):
    return Case(lambda a: a.named("a"), (numbers(draw, shape_of(draw)),), lambda a: a)


@case("transpose")
def _(draw):
    a = numbers(draw, shape_of(draw))
    axes = tuple(draw(st.permutations(range(a.ndim))))
    axes = tuple(axis - a.ndim * (i % 2) for i, axis in enumerate(axes))
    return Case(lambda a: a.transpose(axes), (a,), lambda a: a.transpose(axes))


@case("broadcast_to")
def _(draw):
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    shape = shapes.result_shape
    return Case(
        lambda a: engine.broadcast_to(a, shape),
        (numbers(draw, shapes.input_shapes[0]),),
        lambda a: np.broadcast_to(a, shape),
    )


def key_of(draw, shape):
    """Integers, slices (negative steps too), ellipsis, newaxis; or masks; or integer arrays."""
    kind = draw(st.sampled_from(["basic", "mask", "mask of one axis", "integers", "mixed"]))
    if kind == "mask":
        return numbers(draw, shape) > 0
    if kind == "mask of one axis":
        return numbers(draw, shape[:1]) > 0
    if kind == "integers":
        return draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2)))
    if kind == "mixed":
        repeated = [0, shape[0] - 1, 0]
        return (repeated, ..., draw(st.sampled_from([slice(None, None, -1), slice(0, 1)])))
    return draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=4))


@case("index")
def _(draw):
    a = numbers(draw, shape_of(draw, min_dims=2))
    key = key_of(draw, a.shape)
    return Case(lambda a: a[key], (a,), lambda a: a[key])


@case("scatter")
def _(draw):
    shape = shape_of(draw, min_dims=2)
    key = key_of(draw, shape)
    g = numbers(draw, np.zeros(shape)[key].shape)

    def reference(g):
        out = np.zeros(shape, g.dtype)
        np.add.at(out, tuple(map(np.array, key)) if type(key) is list else key, g)
        return out

    if isinstance(key, tuple):
        key = tuple(np.array(part) if isinstance(part, list) else part for part in key)
    return Case(lambda g: apply(RULES["scatter"], g, shape=shape, key=key), (g,), reference)


@case("cast")
def _(draw):
    return Case(
        lambda a: a.astype(np.float64),
        (numbers(draw, shape_of(draw)),),
        lambda a: a.astype(np.float64),
    )


@case("concatenate")
def _(draw):
    shape = shape_of(draw, min_dims=1)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    shapes = [list(shape) for _ in lengths]
    for s, length in zip(shapes, lengths, strict=True):
        s[axis] = length
    if not any(lengths):
        shapes[0][axis] = 1
    return Case(
        lambda *xs: engine.concatenate(xs, axis),
        tuple(numbers(draw, s) for s in shapes),
        lambda *xs: np.concatenate(xs, axis),
    )


@case("stack")
def _(draw):
    shape = shape_of(draw)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    arrays = tuple(numbers(draw, shape) for _ in range(draw(st.integers(1, 3))))
    return Case(lambda *xs: engine.stack(xs, axis), arrays, lambda *xs: np.stack(xs, axis))


def reduction(name, f, reference):
    @case(name)
    def build(draw):
        a = numbers(draw, shape_of(draw))
        axis, keepdims = axis_of(draw, a.ndim), draw(st.booleans())
        return Case(
            lambda a: f(a, axis, keepdims),
            (a,),
            lambda a: reference(a, axis=axis, keepdims=keepdims),
        )


def reference_logsumexp(a, axis, keepdims):
    return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))


def reference_softmax(a, axis):
    return np.exp(a) / np.exp(a).sum(axis=axis, keepdims=True)


reduction("sum", engine.sum, np.sum)
reduction("mean", engine.mean, np.mean)
reduction("max", engine.max, np.max)
reduction("min", engine.min, np.min)
reduction("logsumexp", engine.logsumexp, reference_logsumexp)


@case("softmax")
def _(draw):
    a = numbers(draw, shape_of(draw, min_dims=1))
    axis = draw(st.integers(-a.ndim, a.ndim - 1))
    return Case(lambda a: engine.softmax(a, axis), (a,), lambda a: reference_softmax(a, axis))


@case("log_softmax")
def _(draw):
    a = numbers(draw, shape_of(draw, min_dims=1))
    axis = draw(st.integers(-a.ndim, a.ndim - 1))
    return Case(
        lambda a: engine.log_softmax(a, axis), (a,), lambda a: np.log(reference_softmax(a, axis))
    )


@case("matmul")
def _(draw):
    shapes = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=4))
    a, b = (numbers(draw, s) for s in shapes.input_shapes)
    return Case(engine.matmul, (a, b), np.matmul)


@case("affine")
def _(draw):
    m, n, k, p = (draw(st.integers(1, 3)) for _ in range(4))
    x, W, h, U = (numbers(draw, shape) for shape in ((m, n), (n, p), (m, k), (k, p)))
    if draw(st.booleans()):
        return Case(
            lambda x, W, h, U: engine.affine([(x, W), (h, U)], f="tanh"),
            (x, W, h, U),
            lambda x, W, h, U: np.tanh(x @ W + h @ U),
        )
    return Case(
        lambda x, W, h, U, b: engine.affine([(x, W), (h, U)], b, "sigmoid"),
        (x, W, h, U, numbers(draw, (p,))),
        lambda x, W, h, U, b: 1 / (1 + np.exp(-(x @ W + h @ U + b))),
    )


@case("dense")
def _(draw):
    lead = shape_of(draw, min_dims=0, max_dims=2)
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x, W, b = numbers(draw, (*lead, n)), numbers(draw, (n, m)), numbers(draw, m)
    if draw(st.booleans()):
        return Case(lambda x, W: engine.dense(x, W, f="tanh"), (x, W), lambda x, W: np.tanh(x @ W))
    return Case(
        lambda x, W, b: engine.dense(x, W, b, "tanh"),
        (x, W, b),
        lambda x, W, b: np.tanh(x @ W + b),
    )


@case("cross_entropy")
def _(draw):
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    labels = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    return Case(
        lambda o: engine.cross_entropy(o, labels),
        (numbers(draw, (n, k)),),
        lambda o: -np.log(reference_softmax(o, 1))[np.arange(n), labels].mean(),
    )


@case("squared_error")
def _(draw):
    shape = shape_of(draw)
    a, b = numbers(draw, shape), numbers(draw, shape)
    if draw(st.booleans()):
        return Case(engine.mse, (a, b), lambda a, b: np.mean((a - b) ** 2))
    n = shape[0] if shape else 1
    return Case(engine.quadratic, (a, b), lambda a, b: np.sum((a - b) ** 2) / n)


@case("variable")
def _(draw):
    # What the transforms put in place of an argument that is itself being differentiated.
    return Case(
        lambda a: engine.vjp(lambda z: z * z, a)[0], (numbers(draw, shape_of(draw)),), np.square
    )


def test_no_rule_is_forgotten():
    assert sorted(CASES) == NAMES


@pytest.mark.plain
@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=25)
@given(data=st.data())
def test_value_is_numpys(name, data):
    c = CASES[name](data.draw)
    for dtype, rtol in ((np.float64, 1e-13), (np.float32, 2e-5)):
        arrays = [a.astype(dtype) for a in c.arrays]
        y = c.f(*map(Tensor, arrays))
        expected = np.asarray(c.reference(*arrays))
        assert isinstance(y, Tensor)
        assert y.shape == expected.shape
        if name != "cast":
            assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), expected, rtol=rtol, atol=rtol)


@pytest.mark.plain
@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=15)
@given(data=st.data())
def test_first_and_second_derivative(name, data):
    c = CASES[name](data.draw)
    if np.size(c.reference(*c.arrays)):
        gradcheck(c.f, *c.arrays, order=2 if all(a.size for a in c.arrays) else 1)


SMOOTH_SOMEWHERE = sorted(set(CASES) - {"sign"})  # sign gives its operand no gradient at all


@pytest.mark.parametrize("name", SMOOTH_SOMEWHERE)
@settings(max_examples=10)
@given(data=st.data())
def test_float32_gradients_are_float32_and_near_those_in_float64(name, data):
    c = CASES[name](data.draw)
    g = numbers(data.draw, np.shape(c.reference(*c.arrays)))
    found = {}
    for dtype in (np.float64, np.float32):
        xs = [Tensor(a, requires_grad=True, dtype=dtype) for a in c.arrays]
        c.f(*xs).backward(g)
        assert [x.grad.dtype for x in xs] == [dtype] * len(xs)
        assert [x.grad.shape for x in xs] == [a.shape for a in c.arrays]
        found[dtype] = [x.grad.numpy() for x in xs]
    for ours, exact in zip(found[np.float32], found[np.float64], strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SMOOTH_SOMEWHERE)
@settings(max_examples=5)
@given(data=st.data())
def test_constants_among_the_operands_get_no_gradient_and_change_none(name, data):
    c = CASES[name](data.draw)
    g = numbers(data.draw, np.shape(c.reference(*c.arrays)))
    together = [Tensor(a, requires_grad=True) for a in c.arrays]
    c.f(*together).backward(g)
    for i in range(len(c.arrays)):
        xs = [Tensor(a, requires_grad=i == j) for j, a in enumerate(c.arrays)]
        c.f(*xs).backward(g)
        np.testing.assert_array_equal(xs[i].grad.numpy(), together[i].grad.numpy())
        assert all(x.grad is None for j, x in enumerate(xs) if j != i)


def test_results_do_not_depend_on_the_memory_layout():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 4))
    for view in (a.T, a[::2], a[:, ::-1], np.asfortranarray(a), np.broadcast_to(a[0], (3, 4))):
        copy = np.ascontiguousarray(view)
        for f in (engine.exp, engine.tanh, engine.softmax, engine.sum, lambda t: t @ t.T):
            np.testing.assert_array_equal(f(Tensor(view)).numpy(), f(Tensor(copy)).numpy())
            np.testing.assert_array_equal(
                engine.vjp(f, view)[0].numpy(), engine.vjp(f, copy)[0].numpy()
            )


# --- ties and kinks ------------------------------------------------------------------------------


def gradient(f, *arrays):
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    f(*xs).sum().backward()
    got = [x.grad.numpy().tolist() for x in xs]
    return got[0] if len(got) == 1 else got


@pytest.mark.plain
def test_ties_share_the_gradient_equally():
    assert gradient(engine.maximum, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == [[0, 0.5, 1], [1, 0.5, 0]]
    assert gradient(engine.minimum, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == [[1, 0.5, 0], [0, 0.5, 1]]
    assert gradient(engine.max, [3.0, 1.0, 3.0]) == [0.5, 0, 0.5]
    assert gradient(engine.min, [1.0, 1.0, 1.0, 2.0]) == [1 / 3, 1 / 3, 1 / 3, 0]
    tied = np.array([[1.0, 1.0], [0.0, 1.0]])
    assert gradient(engine.max, tied) == [[1 / 3, 1 / 3], [0, 1 / 3]]
    assert gradient(lambda a: a.max(axis=0), tied) == [[1, 0.5], [0, 0.5]]
    assert gradient(lambda a: a.max(axis=-1, keepdims=True), tied) == [[0.5, 0.5], [0, 1]]
    assert gradient(lambda a: a.min(axis=(0, 1)), tied) == [[0, 0], [1, 0]]


def test_the_same_tensor_twice_in_a_maximum_gets_all_of_the_gradient():
    assert gradient(lambda a: engine.maximum(a, a), [1.0, -2.0]) == [1, 1]


def test_abs_and_sign_at_zero():
    assert gradient(engine.abs, [-2.0, 0.0, -0.0, 2.0]) == [-1, 0, 0, 1]
    assert gradient(lambda a: engine.sign(a) + 0 * a, [-2.0, 0.0, 2.0]) == [0, 0, 0]


def test_clip_passes_the_gradient_at_its_bounds():
    assert gradient(lambda a: engine.clip(a, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [0, 1, 1, 1, 0]
    assert gradient(lambda a: engine.clip(a, low=0.0), [-1.0, 5.0]) == [0, 1]
    assert gradient(lambda a: engine.clip(a, high=0.0), [-1.0, 5.0]) == [1, 0]


def test_clip_keeps_float32_whatever_the_bounds_are():
    for low in (0, 0.0, np.float64(0), np.float32(0), np.int64(0), np.zeros(2), np.zeros(1)):
        x = Tensor(np.array([-1.0, 1.0], np.float32), requires_grad=True)
        y = engine.clip(x, low, 5)
        assert y.dtype == np.float32
        y.sum().backward()
        assert x.grad.numpy().tolist() == [0, 1]


def test_clip_refuses_bounds_that_would_change_the_shape_or_lose_a_gradient():
    with pytest.raises(ValueError, match=r"clip.*\(3,\).*\(2,\)"):
        engine.clip(Tensor([1.0, 2.0]), np.zeros(3))
    with pytest.raises(TypeError, match=r"clip.*maximum"):
        engine.clip(Tensor([1.0]), Tensor([0.0], requires_grad=True))


def test_where_passes_the_gradient_to_the_one_that_was_taken():
    mask = [True, False]
    assert gradient(lambda a, b: engine.where(mask, a, b), [1.0, 2.0], [3.0, 4.0]) == [
        [1, 0],
        [0, 1],
    ]
    # The branch not taken may be NaN, and so may its own slope.
    x = Tensor([0.0, 4.0], requires_grad=True)
    engine.where(x.numpy() > 0, engine.where(x.numpy() > 0, x, 1.0) ** 0.5, 0.0).sum().backward()
    assert x.grad.numpy().tolist() == [0, 0.25]


def test_where_refuses_what_is_no_condition():
    for condition in (np.array([1, 0]), 1.0, Tensor([1.0, 0.0])):
        with pytest.raises(TypeError, match=r"where.*booleans"):
            engine.where(condition, Tensor([1.0, 2.0]), 0.0)


# --- indexing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        np.array([0, 0, 2]),
        [0, 0, 2],
        ((0, 0, 2),),
        (np.array([0, 0]), np.array([1, 1])),
        ([0, 0], 1),
        np.array([[0, -3], [0, 1]]),
        (slice(None), [1, 1, 1]),
        (slice(None, None, -1), None, [0, 0]),
    ],
    ids=str,
)
def test_repeated_places_add_up(key):
    a = np.arange(6.0).reshape(3, 2)
    g = np.arange(1.0, 1 + a[key].size).reshape(a[key].shape)
    x = Tensor(a, requires_grad=True)
    x[key].backward(g)
    expected = np.zeros_like(a)
    np.add.at(expected, key, g)
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    gradcheck(lambda z: z[key], a, order=2)


def test_an_index_is_copied():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    for key in (np.array([0, 0]), [0, 0], np.array([True, False, False])):
        x.zero_grad()
        y = x[key].sum()
        key[0], key[-1] = 1, 1
        y.backward()
        assert x.grad.numpy()[0] > 0
        assert x.grad.numpy()[1:].tolist() == [0, 0]


def test_odd_indices():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert x[[]].shape == (0, 3)
    assert x[True].shape == (1, 2, 3)
    assert x[..., None].shape == (2, 3, 1)
    assert x[-1, -1].item() == 5
    assert x[np.int64(1), 0].item() == 3
    assert x[()].shape == (2, 3)
    for key in (5, (0, 7), [9], np.array([True, False, True])):
        with pytest.raises(IndexError, match=r"index.*\(2, 3\)"):
            x[key]
    with pytest.raises(IndexError, match="integers or booleans"):
        x[Tensor([0.0])]


# --- softmax's family ----------------------------------------------------------------------------


@pytest.mark.plain
def test_softmax_jacobian_is_full():
    a = np.array([0.3, -1.2, 2.0, 0.5])
    p = reference_softmax(a, 0)
    jacobian = engine.jacobian(engine.softmax, a).numpy()
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), rtol=1e-13, atol=1e-16)
    log_jacobian = engine.jacobian(engine.log_softmax, a).numpy()
    np.testing.assert_allclose(log_jacobian, np.eye(4) - p, rtol=1e-13, atol=1e-15)


@pytest.mark.plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1024.0, -1024.0, 65536.0])
def test_softmax_family_does_not_depend_on_an_offset(dtype, offset):
    a = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]])
    shifted = Tensor(a + offset, dtype=dtype)  # exact in both dtypes
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        engine.softmax(shifted).numpy(), reference_softmax(a, -1), rtol=16 * eps
    )
    np.testing.assert_allclose(
        engine.log_softmax(shifted).numpy(), np.log(reference_softmax(a, -1)), rtol=16 * eps
    )


@pytest.mark.plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_family_at_large_and_infinite_logits(dtype):
    a = np.array([1000.0, 0.0, -1000.0, -np.inf], dtype)
    x = Tensor(a, requires_grad=True)
    assert engine.softmax(x).numpy().tolist() == [1, 0, 0, 0]
    assert engine.log_softmax(x).numpy().tolist() == [0, -1000, -2000, -np.inf]
    assert engine.logsumexp(x).item() == 1000
    for f in (engine.softmax, engine.logsumexp, lambda a: engine.log_softmax(a)[0]):
        x.zero_grad()
        f(x).sum().backward()
        assert np.isfinite(x.grad.numpy()).all()
    assert engine.logsumexp(Tensor(np.full(3, -np.inf, dtype))).item() == -np.inf
    assert np.isnan(engine.softmax(Tensor(np.array([np.nan, 1], dtype))).numpy()).all()


# --- empty arrays --------------------------------------------------------------------------------


def test_empty_arrays_pass_through():
    for f in (engine.exp, engine.tanh, lambda a: a * 2, lambda a: a.T, lambda a: a.reshape(3, 0)):
        x = Tensor(np.zeros((0, 3)), requires_grad=True)
        f(x).sum().backward()
        assert x.grad.shape == (0, 3)
    assert Tensor(np.zeros((0, 3))).sum().item() == 0
    assert Tensor(np.zeros((0, 3))).sum(axis=0).numpy().tolist() == [0, 0, 0]
    x = Tensor(1.0, requires_grad=True)
    (x * np.zeros(0)).sum().backward()
    assert x.grad.item() == 0


def test_products_of_empty_matrices():
    x, W = Tensor(np.ones((2, 0)), requires_grad=True), Tensor(np.ones((0, 3)), requires_grad=True)
    y = x @ W
    assert y.numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
    y.sum().backward()
    assert (x.grad.shape, W.grad.shape) == ((2, 0), (0, 3))
    for a, b in (((0, 3), (3, 2)), ((4, 0, 3), (3, 2)), ((0, 2, 3), (0, 3, 2)), ((0,), (0,))):
        assert (Tensor(np.ones(a)) @ np.ones(b)).shape == np.matmul(np.ones(a), np.ones(b)).shape


@pytest.mark.parametrize("f", ["max", "min"])
def test_no_entries_have_no_extreme(f):
    with pytest.raises(ShapeError, match=f"^{f}.*zero-size"):
        getattr(engine, f)(Tensor(np.zeros((0,))))


NOTHING = [
    ((0,), None),
    ((0, 3), 0),
    ((0, 3), None),
    ((2, 0), -1),
    ((2, 0, 3), (0, 1)),
    ((0, 0), 1),
]


@pytest.mark.plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), NOTHING)
@pytest.mark.parametrize(("name", "value"), [("mean", np.nan), ("logsumexp", -np.inf)])
def test_of_no_entries_the_mean_is_nan_and_logsumexp_minus_infinity(
    name, value, shape, axis, keepdims, dtype
):
    x = Tensor(np.zeros(shape, dtype), requires_grad=True)
    y = getattr(engine, name)(x, axis=axis, keepdims=keepdims)
    expected = np.sum(x.numpy(), axis=axis, keepdims=keepdims) + dtype(value)
    np.testing.assert_array_equal(y.numpy(), expected, strict=True)
    for create_graph in (False, True):
        x.zero_grad()
        y.sum().backward(retain_graph=True, create_graph=create_graph)
        assert (x.grad.shape, x.grad.dtype) == (shape, dtype)


@pytest.mark.parametrize("f", [engine.softmax, engine.log_softmax])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 0), (3, 0, 0)])
def test_softmax_over_no_entries_is_empty(f, shape):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    y = f(x)
    assert (y.shape, y.dtype) == (shape, np.float32)
    y.sum().backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("f", [engine.mean, engine.logsumexp, engine.softmax])
def test_an_empty_tensor_has_no_further_axes_either(f):
    with pytest.raises(IndexError, match="axis 4"):
        f(Tensor(np.zeros((0, 3))), axis=4)


def own(f):
    """An activation that is made when it is called, since tests go through those that are there."""
    return lambda t: engine.activation(title="beside_nan")(f)(t)


BESIDE_NAN = {
    "maximum": (lambda t: engine.maximum(t, 0.0), [1, 0, 0.5]),
    "maximum from the right": (lambda t: engine.maximum(0.0, t), [1, 0, 0.5]),
    "minimum": (lambda t: engine.minimum(t, 0.0), [0, 1, 0.5]),
    "clip": (lambda t: engine.clip(t, 0.0, 2.0), [1, 0, 1]),
    "clip without bounds": (engine.clip, [1, 1, 1]),
    "relu": (engine.relu, [1, 0, 0]),
    "maximum, own": (own(lambda s: engine.maximum(s, 0.0)), [1, 0, 0.5]),
    "clip, own": (own(lambda s: engine.clip(s, 0.0, 2.0)), [1, 0, 1]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", BESIDE_NAN)
def test_a_nan_has_a_gradient_of_nan_and_its_neighbours_do_not(name, create_graph, dtype):
    f, expected = BESIDE_NAN[name]
    t = Tensor(np.array([np.nan, 1.5, -np.inf, 0.0]), dtype=dtype, requires_grad=True)
    f(t).sum().backward(create_graph=create_graph)
    np.testing.assert_array_equal(t.grad.numpy(), np.array([np.nan, *expected], dtype))


@pytest.mark.parametrize("f", [engine.maximum, engine.minimum])
def test_a_nan_beside_a_number_reaches_both_gradients(f):
    a, b = Tensor([np.nan, 1.0, 1.0]), Tensor([2.0, np.nan, 2.0])
    a, b = (Tensor(x, requires_grad=True) for x in (a, b))
    f(a, b).sum().backward()
    assert np.isnan(a.grad.numpy()).tolist() == np.isnan(b.grad.numpy()).tolist()
    assert np.isnan(a.grad.numpy()).tolist() == [True, True, False]


def test_a_bound_of_nan_gives_a_gradient_of_nan():
    t = Tensor([1.0, 1.0], requires_grad=True)
    engine.clip(t, np.array([np.nan, 0.0]), 2.0).sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), [np.nan, 1.0])


def test_mean_counts_only_the_reduced_axes():
    x = Tensor(np.ones((2, 3, 4)), requires_grad=True)
    x.mean(axis=(0, -1)).sum().backward()
    assert set(x.grad.numpy().reshape(-1).tolist()) == {1 / 8}
    assert math.isclose(Tensor([1.0, 2.0, 6.0]).mean().item(), 3.0)


EMPTY = [((0, 3), 1), ((0, 3), -1), ((3, 0), 0), ((2, 0, 3), 2), ((2, 0, 3), (0, 2))]


@pytest.mark.plain
@pytest.mark.parametrize(("shape", "axis"), EMPTY)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "logsumexp"])
def test_no_rows_have_no_means_and_no_largest_entries(name, shape, axis):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    y = getattr(engine, name)(x, axis=axis)
    assert y.shape == np.sum(np.zeros(shape), axis=axis).shape
    assert y.size == 0
    y.sum().backward()
    assert (x.grad.shape, x.grad.dtype) == (shape, np.float32)


@pytest.mark.plain
@pytest.mark.parametrize(("shape", "axis"), [((0, 3), -1), ((3, 0), 0), ((2, 0, 3), 0)])
@pytest.mark.parametrize("f", [engine.softmax, engine.log_softmax])
def test_softmax_of_no_rows(f, shape, axis):
    x = Tensor(np.zeros(shape), requires_grad=True)
    y = f(x, axis=axis)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == shape


@pytest.mark.plain
@pytest.mark.parametrize("axis", [None, 0, -1, ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "max", "min", "logsumexp"])
def test_a_single_number_has_an_axis_0_as_in_numpy(name, axis, keepdims):
    x = Tensor(2.0, requires_grad=True)
    y = getattr(engine, name)(x, axis=axis, keepdims=keepdims)
    (y * y).backward()
    assert (y.shape, y.item(), x.grad.item()) == ((), 2.0, 4.0)
