"""Derivatives of the engine as SciPy's optimisers take them, from arrays to arrays."""

import numpy as np
import pytest

import engine
from engine import Tensor, grad, hvp, jacobian, value_and_grad

optimize = pytest.importorskip("scipy.optimize")

rng = np.random.default_rng(0)
A, B = rng.normal(size=(6, 4)), np.arange(6.0)
START = np.ones(4)


def residual(x):
    return x @ A.T - B


def loss(x):
    return 0.5 * (residual(x) ** 2).sum()


def system(x):
    return x @ (A.T @ A) + x**3 - 1.0


BEST = np.linalg.lstsq(A, B, rcond=None)[0]


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP"])
def test_minimize_with_value_and_grad(method):
    result = optimize.minimize(value_and_grad(loss), START, jac=True, method=method, tol=1e-9)
    np.testing.assert_allclose(result.x, BEST, atol=1e-4)
    result = optimize.minimize(loss, START, jac=grad(loss), method=method, tol=1e-9)
    np.testing.assert_allclose(result.x, BEST, atol=1e-4)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"])
def test_minimize_with_hessian_vector_products(method):
    result = optimize.minimize(
        value_and_grad(loss), START, jac=True, method=method, hessp=lambda x, v: hvp(loss, x, v)
    )
    np.testing.assert_allclose(result.x, BEST, atol=1e-5)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-exact"])
def test_minimize_with_a_hessian(method):
    result = optimize.minimize(
        value_and_grad(loss), START, jac=True, method=method, hess=lambda x: jacobian(grad(loss), x)
    )
    np.testing.assert_allclose(result.x, BEST, atol=1e-6)


def test_minimize_in_float32():
    result = optimize.minimize(value_and_grad(loss), START.astype(np.float32), jac=True)
    np.testing.assert_allclose(result.x, BEST, atol=1e-3)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares_with_a_jacobian(method):
    for f in (residual, lambda x: residual(Tensor(x))):
        result = optimize.least_squares(
            f, START, jac=lambda x: jacobian(residual, x), method=method
        )
        np.testing.assert_allclose(result.x, BEST, atol=1e-6)


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root_with_a_jacobian(method):
    result = optimize.root(system, START, jac=lambda x: jacobian(system, x), method=method)
    np.testing.assert_allclose(system(result.x), 0, atol=1e-6)


def test_functions_of_scipy_special_are_named_as_scipys():
    special = pytest.importorskip("scipy.special")
    np.testing.assert_array_equal(special.expit(Tensor(B)), special.expit(B))
    with pytest.raises(TypeError, match=r"scipy\.special\.expit.*engine\.sigmoid"):
        special.expit(Tensor(B, requires_grad=True))
    with pytest.raises(TypeError, match=r"scipy\.special\.log1p"):
        engine.grad(lambda x: special.log1p(x))(1.0)
