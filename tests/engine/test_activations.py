"""Activations at every kind of number: ±∞, ±1000, NaN, ±0, denormals, kinks, tails."""

import math
import pickle
import warnings

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, Tensor, elu, find_activation, gradcheck, leaky_relu, prelu, selu
from engine.activations.builtin import BUILT_IN
from engine.kernels.plain import SELU_ALPHA, SELU_PRODUCT, SELU_SCALE

FLOATS = [np.float32, np.float64]
SELU = SELU_PRODUCT
INF = math.inf

#        f(−∞), f(+∞), f′(−∞), f′(+∞), f(0), f′(0) as the docstring says
LIMITS = {
    "identity": (-INF, INF, 1, 1, 0, 1),
    "sigmoid": (0, 1, 0, 0, 0.5, 0.25),
    "tanh": (-1, 1, 0, 0, 0, 1),
    "softsign": (-1, 1, 0, 0, 0, 1),
    "hardtanh": (-1, 1, 0, 0, 0, 1),
    "relu": (0, INF, 0, 1, 0, 0),
    "leaky_relu": (-INF, INF, 0.01, 1, 0, 0.01),
    "prelu": (-INF, INF, 0.25, 1, 0, 0.25),
    "elu": (-1, INF, 0, 1, 0, 1),
    "selu": (-SELU, INF, 0, SELU_SCALE, 0, SELU),
    "softplus": (0, INF, 0, 1, math.log(2), 0.5),
    "gelu": (0, INF, 0, 1, 0, 0.5),
    "silu": (0, INF, 0, 1, 0, 0.5),
}


def levels(f):
    """f, f′, f″ and f‴ of an array, each through the records and through the tape."""
    first = f.derivative
    second = first.derivative
    third = second.derivative
    return [f.value, f.slope, first.slope, second.slope, third.slope]


def test_every_activation_is_in_the_table_of_limits():
    # Other tests may have added activations of their own.
    assert set(LIMITS) == set(BUILT_IN)
    for name in BUILT_IN:
        f = ACTIVATIONS[name]
        assert f.name == name
        assert find_activation(name) is f
        assert find_activation(f) is f


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_limits_and_the_value_at_zero(name, dtype):
    f, (low, high, slope_low, slope_high, zero, slope_zero) = ACTIVATIONS[name], LIMITS[name]
    rtol = 2 * np.finfo(dtype).eps
    s = np.array([-INF, INF, 0.0, -0.0], dtype)
    np.testing.assert_allclose(f.value(s), [low, high, zero, zero], rtol=rtol)
    expected = [slope_low, slope_high, slope_zero, slope_zero]
    np.testing.assert_allclose(f.slope(s), expected, rtol=rtol)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_number_gives_nan_or_a_warning(name, dtype):
    f, tiny, big = ACTIVATIONS[name], np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    some = [INF, big, 1e30, 1e5, 1000, 801, 799, 100, 89, 41, 39, 20, 10, 1, 1e-3, 1e-30, tiny, 0]
    s = np.array([*some, *(-z for z in some)], dtype)
    finite_s = np.isfinite(s)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        for order, level in enumerate(levels(f)):
            y = level(s)
            assert y.dtype == dtype
            assert y.shape == s.shape
            assert not np.isnan(y).any(), (order, s[np.isnan(y)])
            within = finite_s & (np.abs(s) < big)  # λ · the largest float is too large, rightly
            assert np.isfinite(y[within]).all(), (order, s[~np.isfinite(y)])
            if order:
                assert np.isfinite(y).all(), order
            if order >= 2:  # beyond the slope, every one of them dies away
                assert np.abs(y[np.abs(s) >= 1e5]).max() < 1e-9


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_tape_gives_what_the_records_give(name, dtype):
    f = ACTIVATIONS[name]
    s = np.array([-INF, -1000, -3, -0.5, 0.7, 2, 1000, INF], dtype)
    x = Tensor(s, requires_grad=True)
    y = f(x)
    np.testing.assert_array_equal(y.numpy(), f.value(s))
    y.backward(np.ones(8), create_graph=True)
    first = x.grad
    np.testing.assert_array_equal(first.numpy(), f.slope(s))
    if first.requires_grad:
        x.zero_grad()
        first.backward(np.ones(8))
    if x.grad is not first:
        assert x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.numpy(), f.derivative.slope(s), rtol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_stays_nan(name, dtype):
    # A net whose NaN turns into a 0 looks healthy; fast-math flags would do exactly that.
    s = np.array([np.nan, 1.0, -np.nan], dtype)
    for level in levels(ACTIVATIONS[name])[:3]:
        assert np.isnan(level(s)).tolist() == [True, False, True]


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_range_is_respected(name, dtype):
    f = ACTIVATIONS[name]
    low, high = (dtype(bound) for bound in f.range)
    s = np.concatenate([np.linspace(-200, 200, 4001), np.linspace(-3, 3, 4001)]).astype(dtype)
    y = f.value(s)
    slack = 2 * np.finfo(dtype).eps
    assert (y >= low - slack * abs(low if np.isfinite(low) else 0)).all()
    assert (y <= high).all()
    if np.isfinite(f.range[0]):
        assert y.min() <= f.range[0] + 1e-2
    if np.isfinite(f.range[1]):
        assert y.max() >= f.range[1] - 1e-2


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_against_central_differences(name):
    f = ACTIVATIONS[name]
    s = np.linspace(-6.05, 6.05, 40)
    assert gradcheck(f, s[:7], order=2).at_kinks == 0
    for z in s:  # one by one: the Jacobian of an elementwise function is all zeros beside that
        gradcheck(f, z, order=2)


# --- accuracy ------------------------------------------------------------------------------------

# In the widest float of the machine; for float64 kernels on a machine without a wider one, the
# comparison is that of two float64 formulas, and holds as well.
WIDE = np.longdouble


def wide_sigmoid(s):
    e = np.exp(-abs(s))
    return np.where(s >= 0, 1 / (1 + e), e / (1 + e))


def wide_bell(s):
    e = np.exp(-abs(s))
    return e / (1 + e) ** 2


REFERENCES = {
    "identity": (lambda s: s, np.ones_like),
    "sigmoid": (wide_sigmoid, wide_bell),
    "tanh": (np.tanh, lambda s: 4 * wide_bell(2 * s)),
    "softsign": (lambda s: s / (1 + abs(s)), lambda s: 1 / (1 + abs(s)) ** 2),
    "hardtanh": (lambda s: np.clip(s, -1, 1), lambda s: (abs(s) < 1).astype(WIDE)),
    "relu": (lambda s: np.maximum(s, 0), lambda s: (s > 0).astype(WIDE)),
    "elu": (
        lambda s: np.where(s > 0, s, np.expm1(np.minimum(s, 0))),
        lambda s: np.exp(np.minimum(s, 0)),
    ),
    "selu": (
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * np.expm1(np.minimum(s, 0))),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(np.minimum(s, 0))),
    ),
    "softplus": (lambda s: np.maximum(s, 0) + np.log1p(np.exp(-abs(s))), wide_sigmoid),
    "silu": (
        lambda s: s * wide_sigmoid(s),
        lambda s: wide_sigmoid(s) + s * wide_bell(s),
    ),
}


def grid(dtype):
    far = 103 if dtype == np.float32 else 744  # where e⁻ˢ is denormal
    tiny = np.logspace(-30, 0, 61)
    return np.concatenate(
        [np.linspace(-10, 10, 1001), np.linspace(-far, far, 401), tiny, -tiny]
    ).astype(dtype)


def errors_in_ulps(ours, exact, scale=None):
    dtype = ours.dtype
    size = np.abs(exact if scale is None else scale).astype(dtype)
    ulp = np.maximum(np.spacing(size), np.finfo(dtype).smallest_subnormal)
    return (np.abs(ours.astype(WIDE) - exact) / ulp).astype(float)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_values_and_slopes_are_within_a_few_ulps(name, dtype):
    s = grid(dtype)
    if name == "silu":  # s times a denormal σ(s) has the few digits of that
        s = s[np.exp(-np.abs(s)) > np.finfo(dtype).tiny]
    wide = s.astype(WIDE)
    value, slope = REFERENCES[name]
    f = ACTIVATIONS[name]
    assert errors_in_ulps(f.value(s), value(wide)).max() < 4
    # silu′ crosses zero, where its two terms cancel; there it is judged by their size.
    scale = wide_sigmoid(wide) + abs(wide) * wide_bell(wide) if name == "silu" else None
    assert errors_in_ulps(f.slope(s), slope(wide), scale).max() < 6


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["leaky_relu", "prelu"])
def test_leaky_values_are_one_rounding_away(name, dtype):
    f, s = ACTIVATIONS[name], grid(dtype)
    a = dtype(f.parameters["a"])
    np.testing.assert_array_equal(f.value(s), np.where(s > 0, s, a * s))
    np.testing.assert_array_equal(f.slope(s), np.where(s > 0, dtype(1), a))


# s, s Φ(s) and Φ(s) + s φ(s), to the nearest float64
GELU = np.array(
    [
        (-37.0, -2.1184613523340935e-298, -7.838298669418516e-297),
        (-20.0, -5.507248237212468e-88, -1.1014360483133464e-86),
        (-8.5, -8.05760459887282e-17, -6.846504938697085e-16),
        (-4.25, -4.542623454347129e-05, -0.0001921156795251866),
        (-1.5, -0.1002108019032871, -0.12746919222997952),
        (-0.5, -0.15426876936299344, 0.13250487534383715),
        (-1e-08, -4.999999960105772e-09, 0.4999999920211544),
        (0.25, 0.14967658142073093, 0.695373354883636),
        (1.0, 0.8413447460685429, 1.0833154705876864),
        (3.0, 2.99595030590511, 1.011945647204184),
        (9.0, 9.0, 1.0),
    ]
)


def test_gelu_keeps_its_left_tail():
    # With 1 + erf it would be 0 from s = −6 on; with a rounded s² it would lose s²/2 ulps.
    s, value, slope = GELU.T
    ours = engine.gelu
    assert errors_in_ulps(ours.value(s), value.astype(WIDE)).max() < 6
    scale = np.abs(slope) + 0.1 * (np.abs(s) < 2)
    assert errors_in_ulps(ours.slope(s), slope.astype(WIDE), scale).max() < 6


def test_gelu_in_float32():
    s = grid(np.float32)
    exact = np.array([0.5 * z * math.erfc(-z / math.sqrt(2)) for z in s.astype(float)])
    assert errors_in_ulps(engine.gelu.value(s), exact.astype(WIDE)).max() < 6


def test_tanh_keeps_its_slope_where_its_value_is_one():
    # 1 − tanh² is 0 from s = 9 on in float32; the slope there is 4 e⁻²ˢ.
    s = np.array([9.0, 15.0, 30.0], np.float32)
    np.testing.assert_allclose(engine.tanh.slope(s), 4 * np.exp(-2.0 * s), rtol=1e-6)


# --- kinks ---------------------------------------------------------------------------------------


@pytest.mark.plain
def test_slopes_at_the_kinks_are_what_the_docstrings_say():
    for f, kink, slope in (
        (engine.relu, 0.0, 0),
        (engine.relu, -0.0, 0),
        (leaky_relu, 0.0, 0.01),
        (leaky_relu(a=0.2), 0.0, 0.2),
        (elu, 0.0, 1),
        (elu(alpha=0.5), 0.0, 0.5),
        (selu, 0.0, SELU),
        (engine.hardtanh, 1.0, 0),
        (engine.hardtanh, -1.0, 0),
    ):
        assert abs(kink) in [abs(k) for k in f.kinks]
        x = Tensor(kink, requires_grad=True)
        f(x).backward()
        assert x.grad.item() == slope
        x = Tensor([[kink]], requires_grad=True)
        engine.dense(x, np.ones((1, 1)), f=f).sum().backward()
        assert x.grad.item() == slope


def test_second_derivatives_at_the_kinks():
    x = np.array([0.0])
    for f in (engine.relu, leaky_relu):
        assert f.derivative.slope(x).tolist() == [0]
    assert elu.derivative.slope(x).tolist() == [1]
    assert elu(alpha=0.5).derivative.slope(x).tolist() == [0.5]
    np.testing.assert_allclose(selu.derivative.slope(x), [SELU], rtol=1e-15)


# --- parameters ----------------------------------------------------------------------------------


@pytest.mark.plain
def test_parameter_variants():
    s = np.array([-2.0, -0.5, 0.5, 2.0])
    np.testing.assert_array_equal(leaky_relu(a=0.2).value(s), np.where(s > 0, s, 0.2 * s))
    np.testing.assert_array_equal(leaky_relu(Tensor(s), a=0.2).numpy(), leaky_relu(a=0.2).value(s))
    np.testing.assert_allclose(
        elu(Tensor(s), alpha=2.0).numpy(), np.where(s > 0, s, 2 * np.expm1(s)), rtol=1e-15
    )
    assert leaky_relu(a=0.2) is leaky_relu(a=0.2)
    assert leaky_relu(a=0.2)(a=0.5).parameters == {"a": 0.5}
    assert leaky_relu.parameters == {"a": 0.01}
    assert "a=0.2" in repr(leaky_relu(a=0.2))
    for f in (leaky_relu(a=0.2), leaky_relu(a=-0.3), leaky_relu(a=0.0), elu(alpha=2.0)):
        gradcheck(f, s, order=2)
    np.testing.assert_array_equal(leaky_relu(a=0.0).value(np.array([-INF, -1.0, INF])), [0, 0, INF])


def test_parameters_that_are_refused():
    for call in (
        lambda: leaky_relu(alpha=1.0),
        lambda: engine.tanh(a=1.0),
        lambda: elu(Tensor(1.0), a=1.0),
    ):
        with pytest.raises(TypeError, match=r"no parameter .*it takes"):
            call()
    for value in (INF, -INF, math.nan, "1", None, [0.1]):
        with pytest.raises(ValueError, match=r"leaky_relu: a="):
            leaky_relu(a=value)


def test_a_variant_keeps_float32():
    x = Tensor(np.array([-1.0, 1.0], np.float32), requires_grad=True)
    y = leaky_relu(x, a=np.float64(0.2))
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError) as caught:
        find_activation("rellu")
    assert "'rellu'" in str(caught.value)
    assert all(name in str(caught.value) for name in ACTIVATIONS)
    for thing in (np.tanh, 3, None):
        with pytest.raises(TypeError):
            find_activation(thing)


# --- prelu ---------------------------------------------------------------------------------------


@pytest.mark.plain
def test_prelu_has_two_gradients():
    s0, a0 = np.array([[-2.0, 0.0, 3.0], [-1.0, 1.0, -4.0]]), np.array([0.25, 0.5, 0.1])
    s, a = Tensor(s0, requires_grad=True), Tensor(a0, requires_grad=True)
    y = prelu(s, a)
    np.testing.assert_array_equal(y.numpy(), np.where(s0 > 0, s0, a0 * s0))
    y.sum().backward()
    np.testing.assert_array_equal(s.grad.numpy(), [[0.25, 0.5, 1], [0.25, 1, 0.1]])
    np.testing.assert_array_equal(a.grad.numpy(), np.minimum(s0, 0).sum(axis=0))
    one = Tensor(0.25, requires_grad=True)
    prelu(s0, one).sum().backward()
    assert one.grad.item() == np.minimum(s0, 0).sum()
    gradcheck(prelu, s0 + 0.1, a0, order=2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_prelu_at_infinity_and_nan(dtype):
    s = np.array([-INF, -1000, 1000, INF], dtype)
    x, a = Tensor(s, requires_grad=True), Tensor(dtype(0.25), requires_grad=True)
    y = prelu(x, a)
    assert y.numpy().tolist() == [-INF, -250, 1000, INF]
    y[1:].sum().backward()
    assert x.grad.numpy().tolist() == [0, 0.25, 1, 1]
    assert np.isnan(prelu(Tensor(dtype(np.nan)), 0.25).item())


# --- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_can_be_pickled(name):
    f = ACTIVATIONS[name]
    s = np.array([-1.0, 0.5])
    for original in (f, f(**dict.fromkeys(f.parameters, 0.3))):
        again = pickle.loads(pickle.dumps(original))
        assert (again.name, again.parameters) == (name, original.parameters)
        np.testing.assert_array_equal(again.value(s), original.value(s))
    if not f.parameters:
        assert pickle.loads(pickle.dumps(f)) is f


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_show_themselves(name):
    f = ACTIVATIONS[name]
    assert name in repr(f)
    assert "\n" not in repr(f)
    assert "f(s) =" in f.__doc__


def test_integers_are_taken():
    y = engine.relu(Tensor([1, -2]))
    assert y.numpy().tolist() == [1, 0]


def test_user_scale_is_the_backward_step():
    rng = np.random.default_rng(0)
    g, s = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    for f in ACTIVATIONS.values():
        np.testing.assert_allclose(np.asarray(f.scale(g, s)), g * f.slope(s), rtol=1e-15)
        gradcheck(f.scale, g, s, order=2)


def test_a_derivative_is_an_activation_too():
    slope = engine.tanh.derivative
    assert isinstance(slope, engine.Activation)
    np.testing.assert_allclose(slope.range, (0, 1), atol=1e-12)
    x = np.array([[0.3, -0.2]])
    y = engine.dense(x, np.eye(2), None, slope)
    np.testing.assert_allclose(y, 1 - np.tanh(x) ** 2, rtol=1e-12)


def test_prelu_of_slope_zero_is_zero_however_far_out():
    s, a = engine.Tensor([-np.inf, -1.0, 2.0], True), engine.Tensor(0.0, True)
    y = engine.prelu(s, a)
    assert y.numpy().tolist() == [0, 0, 2]
    y.backward(np.array([0.0, 1.0, 1.0]))
    assert a.grad.item() == -1
    assert s.grad.numpy().tolist() == [0, 0, 1]


# --- what depends on a parameter ------------------------------------------------------------------


@pytest.mark.plain
@pytest.mark.parametrize("value", [-1.5, -0.0, 0.0, 0.01, 0.3, 1.0, 2.0, 7.5])
@pytest.mark.parametrize("f", [elu, leaky_relu, ACTIVATIONS["prelu"]], ids=lambda f: f.name)
def test_range_and_kinks_follow_the_parameter(f, value):
    (key,) = f.parameters
    f = f(**{key: value})
    low, high = f.range
    y = f.value(np.concatenate([np.linspace(-60, 60, 12001), [-INF, INF]]))
    assert high == y.max() == INF
    assert low == y.min()
    assert math.copysign(1, low) == (1 if low == 0 else -1)  # no −0 in a table
    assert f"range {low:g} … inf" in repr(f)
    assert pickle.loads(pickle.dumps(f)).range == f.range
    step = 2.0**-20
    left, right = f.slope(np.array([-step, step]))
    if abs(left - right) > 1e-3:
        assert f.kinks == (0.0,)
    elif f.name != "elu":  # elu's f″ jumps for every α
        assert f.kinks == ()
    assert f.derivative.kinks == f.kinks


@pytest.mark.plain
@pytest.mark.parametrize("value", [-1.5, 0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("f", [elu, leaky_relu], ids=lambda f: f.name)
def test_gains_follow_the_parameter(f, value):
    (key,) = f.parameters
    f = f(**{key: value})
    # E[f(z)²] and E[f′(z)²] of z ~ N(0, 1), half of it from each side of 0, in closed form.
    if f.name == "leaky_relu":
        squares = slopes = (1 + value**2) / 2
    else:
        one, two = (math.exp(k * k / 2) * 0.5 * math.erfc(k / math.sqrt(2)) for k in (1, 2))
        squares = 0.5 + value**2 * (two - 2 * one + 0.5)
        slopes = 0.5 + value**2 * two
    assert engine.meanfield.second_moment(f, 1.0) == pytest.approx(squares, rel=1e-6)
    assert engine.meanfield.slope_second_moment(f, 1.0) == pytest.approx(slopes, rel=1e-6)
