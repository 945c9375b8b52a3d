"""Derivatives as functions, and derivatives of derivatives."""

import math

import numpy as np
import pytest

import engine
from engine import (
    GraphError,
    ShapeError,
    Tensor,
    dense,
    grad,
    gradcheck,
    hvp,
    jacobian,
    no_grad,
    place,
    value_and_grad,
    vjp,
)

S = np.array([-3.0, -1.2, -0.3, 0.0, 0.4, 1.0, 2.5])


def nth(f, n):
    """The n-th derivative of a function of one number."""
    for _ in range(n):
        f = grad(f)
    return f


def at(f, points, n):
    derivative = nth(f, n)
    return np.array([derivative(float(s)).item() for s in points])


@pytest.mark.plain
def test_polynomials_to_the_fifth_order():
    f = lambda x: x**4 - 2 * x**3 + x  # noqa: E731
    for n, expected in enumerate(
        (
            lambda x: x**4 - 2 * x**3 + x,
            lambda x: 4 * x**3 - 6 * x**2 + 1,
            lambda x: 12 * x**2 - 12 * x,
            lambda x: 24 * x - 12,
            lambda x: 24 + 0 * x,
            lambda x: 0 * x,
        )
    ):
        np.testing.assert_allclose(at(f, S, n) if n else f(S), expected(S), atol=1e-12)


def tanh_derivatives(s):
    t = np.tanh(s)
    u = 1 - t * t
    return [u, -2 * t * u, u * (6 * t * t - 2), u * t * (16 - 24 * t * t)]


def sigmoid_derivatives(s):
    # σ(s) = (1 + tanh(s/2)) / 2
    return [d / 2 ** (n + 2) for n, d in enumerate(tanh_derivatives(s / 2))]


def softplus_derivatives(s):
    return [1 / (1 + np.exp(-s)), *sigmoid_derivatives(s)[:3]]


def gelu_derivatives(s):
    density = np.exp(-s * s / 2) / math.sqrt(2 * math.pi)
    cdf = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in s])
    return [
        cdf + s * density,
        (2 - s * s) * density,
        (s**3 - 4 * s) * density,
        (-(s**4) + 7 * s**2 - 4) * density,
    ]


def silu_derivatives(s):
    # (s σ)⁽ⁿ⁾ = s σ⁽ⁿ⁾ + n σ⁽ⁿ⁻¹⁾
    d = [1 / (1 + np.exp(-s)), *sigmoid_derivatives(s)]
    return [s * d[n] + n * d[n - 1] for n in (1, 2, 3, 4)]


CLOSED_FORMS = {
    "tanh": tanh_derivatives,
    "sigmoid": sigmoid_derivatives,
    "softplus": softplus_derivatives,
    "gelu": gelu_derivatives,
    "silu": silu_derivatives,
}


@pytest.mark.plain
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_activations_to_the_fourth_order(name, order):
    f = engine.ACTIVATIONS[name]
    expected = CLOSED_FORMS[name](S)[order - 1]
    np.testing.assert_allclose(at(f, S, order), expected, rtol=1e-11, atol=1e-13)
    d = f
    for _ in range(order):
        d = d.derivative
    np.testing.assert_allclose(d(Tensor(S)).numpy(), expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(d.value(S), expected, rtol=1e-11, atol=1e-13)
    assert d.name == name + "′" * order


@pytest.mark.plain
def test_perturbation_confusion():
    # The inner derivative is 1 whatever x is; an inner x taken for the outer one would give 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0).item() == 1
    # d/dx [x · d/dy (x y)] = d/dx x² = 2x
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0).item() == 6
    # d/dx [d/dy (x² y³) at y = x] = d/dx 3 x⁴
    assert grad(lambda x: grad(lambda y: x * x * y * y * y)(x))(2.0).item() == 12 * 8
    # d/dx [d/dy [d/dz (x y z²) at z = y] at y = x] = d/dx 4 x²
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z * z)(y))(x))(2.0).item() == 16


def test_an_inner_gradient_does_not_reach_what_was_computed_before_it():
    def f(x):
        before = x * x
        return grad(lambda y: y * before + before * before)(x)  # = x², a constant slope

    assert f(Tensor(3.0)).item() == 9
    assert grad(f)(3.0).item() == 6


@pytest.mark.plain
def test_hvp_is_the_hessian_times_a_vector():
    rng = np.random.default_rng(0)
    A, v = rng.normal(size=(4, 4)), rng.normal(size=4)

    def f(x):
        return (engine.tanh(x @ A) * x).sum() + (x * x * x).mean()

    x = rng.normal(size=4)
    H = jacobian(grad(f), x).numpy()
    assert H.shape == (4, 4)
    np.testing.assert_allclose(H, H.T, atol=1e-13)
    np.testing.assert_allclose(hvp(f, x, v).numpy(), H @ v, rtol=1e-12)
    np.testing.assert_allclose(jacobian(lambda x: hvp(f, x, v), x).numpy().shape, (4, 4))
    gradcheck(lambda x: hvp(f, x, v), x)
    with pytest.raises(ShapeError, match=r"hvp.*\(3,\).*\(4,\)"):
        hvp(f, x, np.ones(3))


def test_hvp_keeps_float32():
    x = np.ones(3, np.float32)
    assert hvp(lambda x: (x * x * x).sum(), x, x).dtype == np.float32
    assert hvp(lambda x: (x * x * x).sum(), Tensor(x), Tensor(x)).numpy().tolist() == [6, 6, 6]


@pytest.mark.plain
def test_jacobian_of_vector_functions():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    J = jacobian(lambda x: (x * x).sum(axis=0), x)
    assert J.shape == (2, 2, 2)
    expected = np.zeros((2, 2, 2))
    for k in range(2):
        expected[k, :, k] = 2 * x[:, k]
    np.testing.assert_array_equal(J.numpy(), expected)
    assert jacobian(lambda x: x.sum(), x).shape == (2, 2)
    assert jacobian(lambda x: x[:0], x).shape == (0, 2, 2, 2)
    np.testing.assert_array_equal(jacobian(lambda x: Tensor([1.0, 2.0]), 3.0).numpy(), [0, 0])
    assert jacobian(lambda x: x * x, np.ones(2, np.float32)).dtype == np.float32


@pytest.mark.plain
def test_vjp_can_be_pulled_as_often_as_wanted():
    A = np.arange(6.0).reshape(2, 3)
    y, pull = vjp(lambda x, z: A @ x * z, np.ones(3), 2.0)
    assert y.numpy().tolist() == [6.0, 24.0]
    assert not y.requires_grad
    for g in ([1.0, 0.0], [0.0, 1.0], np.array([2.0, 3.0]), Tensor([2.0, 3.0])):
        dx, dz = pull(g)
        g = np.array(g if not isinstance(g, Tensor) else g.numpy())
        np.testing.assert_array_equal(dx.numpy(), 2 * A.T @ g)
        assert dz.item() == (A @ np.ones(3)) @ g
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        pull(np.ones(3))


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_vjp_takes_a_gradient_of_the_other_precision(kind):
    _, pull = vjp(lambda x: x * x, np.ones(2, np.float32))
    (dx,) = pull(kind(np.ones(2)))
    assert dx.dtype == np.float32
    assert dx.numpy().tolist() == [2, 2]


def test_argnums():
    f = lambda x, y, z=1.0: x * y * y * z  # noqa: E731
    assert grad(f)(2.0, 3.0).item() == 9
    assert grad(f, 1)(2.0, 3.0).item() == 12
    assert grad(f, -1)(2.0, 3.0).item() == 12
    assert grad(f, 1)(2.0, 3.0, z=2.0).item() == 24
    got = grad(f, (1, 0))(2.0, 3.0)
    assert isinstance(got, tuple)
    assert [g.item() for g in got] == [12, 9]
    assert isinstance(grad(f, (0,))(2.0, 3.0), tuple)
    value, gradient = value_and_grad(f, [0, 1])(2.0, 3.0)
    assert value.item() == 18
    assert [g.item() for g in gradient] == [9, 12]
    assert not value.requires_grad
    with pytest.raises(TypeError, match=r"argument 2.*2 were given"):
        grad(f, 2)(2.0, 3.0)


def test_arguments_that_are_not_differentiated_are_handed_on_as_they_are():
    labels = ["a", "b"]
    seen = []
    grad(lambda x, other: (seen.append(other), x * x)[1])(2.0, labels)
    assert seen[0] is labels


@pytest.mark.plain
def test_functions_that_ignore_their_argument():
    assert grad(lambda x: Tensor(3.0))(2.0).item() == 0
    gx, gy = grad(lambda x, y: (y * y).sum(), (0, 1))(np.ones((2, 2)), np.ones(3))
    assert gx.numpy().tolist() == [[0, 0], [0, 0]]
    assert gy.numpy().tolist() == [2, 2, 2]
    assert grad(grad(lambda x: x * 3.0))(2.0).item() == 0
    outer = Tensor(2.0, requires_grad=True)
    assert grad(lambda x: outer * outer)(1.0).item() == 0
    assert grad(lambda x: x)(5.0).item() == 1


def test_what_a_function_may_return():
    with pytest.raises(TypeError, match="float"):
        grad(lambda x: 3.0)(2.0)
    with pytest.raises(TypeError, match="ndarray"):
        grad(lambda x: x.numpy())(np.ones(2))
    with pytest.raises(ShapeError, match=r"\(2,\).*jacobian"):
        grad(lambda x: x * x)(np.ones(2))
    assert grad(lambda x: (x * x).reshape(1, 1))(3.0).item() == 6


def test_transforms_touch_the_grad_of_no_tensor():
    W = Tensor([2.0, 3.0], requires_grad=True)
    x = Tensor([1.0, 1.0], requires_grad=True)

    def f(z):
        return (z * W * W).sum()

    grad(f)(x)
    vjp(f, x)[1](1.0)
    jacobian(lambda z: z * W, x)
    hvp(f, x, np.ones(2))
    assert W.grad is None
    assert x.grad is None
    W.grad = np.ones(2)
    grad(f)(x)
    assert W.grad.numpy().tolist() == [1, 1]


def test_a_gradient_with_respect_to_a_variable_stays_connected_to_it():
    x = Tensor([2.0, 3.0], requires_grad=True)
    g = grad(lambda z: (z * z * z).sum())(x)
    assert g.requires_grad
    g.sum().backward()
    assert x.grad.numpy().tolist() == [12, 18]
    with no_grad():
        assert not grad(lambda z: (z * z * z).sum())(x).requires_grad
    assert not grad(lambda z: (z * z).sum())(x.detach()).requires_grad


def test_no_grad_around_and_inside():
    with no_grad():
        assert grad(lambda x: x * x)(3.0).item() == 6
        assert grad(grad(lambda x: x * x * x))(3.0).item() == 18

    def f(x):
        with no_grad():
            frozen = x * x
        return frozen * x

    assert grad(f)(3.0).item() == 9


def test_the_first_error_leaves_the_transforms_usable():
    def fails(x):
        raise KeyError

    with pytest.raises(KeyError):
        grad(grad(fails))(1.0)
    assert not grad(lambda x: x * x)(1.0).requires_grad


# --- create_graph --------------------------------------------------------------------------------


@pytest.mark.plain
def test_backward_of_a_backward():
    x = Tensor([2.0, 3.0], requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    first = x.grad
    assert first.numpy().tolist() == [12.0, 27.0]
    x.zero_grad()
    first.sum().backward(create_graph=True)
    second = x.grad
    assert second.numpy().tolist() == [12.0, 18.0]
    x.zero_grad()
    second.sum().backward()
    assert x.grad.numpy().tolist() == [6.0, 6.0]


@pytest.mark.parametrize("f", ["tanh", "sigmoid", "gelu", "softplus", "identity"])
def test_a_gradient_penalty_through_dense(f):
    rng = np.random.default_rng(0)
    x0, W0, b0 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)

    def penalty(x, W, b):
        g = grad(lambda z: (dense(z, W, b, f) ** 2).sum())(x)
        return (g * g).sum()

    gradcheck(penalty, x0, W0, b0)
    x, W, b = (Tensor(a, requires_grad=True) for a in (x0, W0, b0))
    (dense(x, W, b, f) ** 2).sum().backward(create_graph=True)
    g = x.grad
    for t in (x, W, b):
        t.zero_grad()
    (g * g).sum().backward()
    expected = grad(penalty, (0, 1, 2))(x0, W0, b0)
    for t, e in zip((x, W, b), expected, strict=True):
        np.testing.assert_allclose(t.grad.numpy(), e.numpy(), rtol=1e-12, atol=1e-13)


def test_a_recorded_seed_stays_connected_whatever_its_dtype():
    for dtype in (np.float64, np.float32):
        x = Tensor([2.0, 3.0], requires_grad=True)
        seed = Tensor(np.array([1.0, 10.0], dtype), requires_grad=True)
        (x * x).backward(seed, create_graph=True)
        assert x.grad.numpy().tolist() == [4, 60]
        x.grad.sum().backward()
        assert seed.grad.numpy().tolist() == [4, 6]
        assert seed.grad.dtype == dtype


def test_a_changed_value_is_noticed_by_a_pull_that_comes_later():
    x = Tensor([2.0, 3.0], requires_grad=True, name="x1")
    _, pull = vjp(lambda z: z * z, x)
    x.assign(5.0)
    with pytest.raises(GraphError, match="x1"):
        pull(np.ones(2))


def test_transforms_inside_a_place():
    with place("layer 2"), pytest.raises(ShapeError, match="add in layer 2"):
        grad(lambda x: (x + np.ones(3)).sum())(np.ones(2))


# --- which arguments ------------------------------------------------------------------------------


def product(a, b, c=1.0):
    return a * b * c


@pytest.mark.parametrize("one", [np.int64(1), np.uint8(1), np.array(1), np.int32(-1)])
def test_an_argnum_may_be_an_integer_of_numpy(one):
    assert grad(product, one)(2.0, 3.0).item() == 2
    (gradient,) = grad(product, (one,))(2.0, 3.0)
    assert gradient.item() == 2
    value, gradients = value_and_grad(product, [one, np.int64(0)])(2.0, 3.0)
    assert [value.item(), *map(float, gradients)] == [6, 2, 3]


@pytest.mark.parametrize(
    ("argnums", "error", "words"),
    [
        ((0, 0), ValueError, r"argnums=\(0, 0\) names one of 2 arguments twice"),
        ((0, -2), ValueError, "twice"),
        ([1, np.int64(1)], ValueError, "twice"),
        ((), ValueError, "argnums is empty"),
        (True, TypeError, "an integer, or a tuple of them, not True"),
        (np.False_, TypeError, "not .*False"),
        ((0, True), TypeError, "not True"),
        (1.0, TypeError, r"not 1\.0"),
        ("0", TypeError, "not '0'"),
        (None, TypeError, "not None"),
        (2, TypeError, "argument 2 was asked for; 2 were given"),
        (-3, TypeError, "argument -3 was asked for"),
        ((0, 5), TypeError, "argument 5"),
    ],
)
def test_argnums_that_are_refused(argnums, error, words):
    for transform in (grad, value_and_grad):
        with pytest.raises(error, match=words):
            transform(product, argnums)(2.0, 3.0)


def test_jacobian_and_hvp_of_a_function_alone():
    x, v = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    f = lambda x, by=1.0: x * x * by  # noqa: E731
    np.testing.assert_array_equal(jacobian(f)(x).numpy(), jacobian(f, x).numpy())
    np.testing.assert_array_equal(jacobian(f)(x, 3.0).numpy(), np.diag(6 * x))
    np.testing.assert_array_equal(jacobian(f)(x, by=2.0).numpy(), np.diag(4 * x))
    cubes = lambda x: (x**3).sum()  # noqa: E731
    np.testing.assert_array_equal(hvp(cubes)(x, v).numpy(), hvp(cubes, x, v).numpy())
    np.testing.assert_array_equal(jacobian(jacobian(cubes))(x).numpy(), np.diag(6 * x))
    with pytest.raises(TypeError, match="v is missing"):
        hvp(cubes, x)


A, B = np.ones(2), np.ones((2, 2))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ({"W": A, "b": B}, "a dict of 2"),
        ((A, B), "a tuple of 2"),
        ((A, A), "a tuple of 2"),
        ([A, A, A], "a list of 3"),
        ([Tensor(1.0), 2.0], "a list of 2"),
        ([[A], [A]], "a list of 2"),
        (np.array([A, "b"], object), "ndarray of 2"),
        (None, "not to None"),
        (object, "not to <class"),
    ],
)
def test_arguments_that_are_no_arrays(x, words):
    for transform in (
        lambda f: grad(f)(x),
        lambda f: vjp(f, x),
        lambda f: jacobian(f)(x),
        lambda f: grad(f, (1, 0))(1.0, x),
        lambda f: gradcheck(f, x),
    ):
        with pytest.raises(engine.DtypeError, match=words) as caught:
            transform(lambda *xs: xs[0])
        assert "argnums=(0, 1)" in str(caught.value)


def test_lists_of_numbers_are_arrays():
    for x in ([1.0, 2.0], (1, 2), [[1.0, 2.0], (3, 4)], [np.float64(1.0), np.array(2.0)]):
        gradient = grad(lambda x: (x * x).sum())(x)
        np.testing.assert_array_equal(gradient.numpy(), 2 * np.array(x, float))
