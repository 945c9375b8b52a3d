"""Bounds enclose what a formula can be; zeros and narrow features are found by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    abs,
    clip,
    elu,
    exp,
    gelu,
    hardtanh,
    leaky_relu,
    log,
    maximum,
    minimum,
    relu,
    selu,
    sigmoid,
    sign,
    silu,
    softplus,
    softsign,
    sqrt,
    tanh,
    where,
)
from engine.activations.evaluating import bounds
from engine.activations.expression import derivative
from engine.activations.features import features, special_points
from engine.activations.generate import values_of
from engine.activations.reading import read

FORMULAS = {
    "arithmetic": lambda s: (s * s - 3 * s + 1) / (2 + s * s) - -s,
    "square": lambda s: (s - 1) * (s - 1) / (s * s),
    "poles": lambda s: 1 / (s - 1 / 3) + (s + 2) ** -3 + abs(s) ** -0.5,
    "powers": lambda s: s**3 - s**2 + abs(s) ** 1.5 + 2.0**s + abs(s) ** s,
    "elementary": lambda s: exp(-s) + log(abs(s)) - sqrt(s + 4) * sign(s - 1),
    "branches": lambda s: where((s > -1) & (s <= 2), s * s, where(s != 0, -s, exp(s))),
    "or, equal": lambda s: where((s < -1) | (s >= 2), 3 * s, 1.0 * (s == 0.5)),
    "extrema": lambda s: maximum(s, 0.3 - s) - minimum(s * s, 2.0) + clip(s, -1.5, 0.5),
    "saturating": lambda s: sigmoid(3 * s) * tanh(s - 1) + softsign(s) + softplus(-s),
    "bent": lambda s: relu(s) - elu(s + 1) + selu(-s) * leaky_relu(s, a=0.2),
    "not monotone": lambda s: gelu(s) + silu(2 * s) - hardtanh(s / 2),
}


def value(e, s):
    return values_of(e, np.asarray(s, np.float64), {})


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("order", [0, 1])
@given(low=st.floats(-6, 6), width=st.floats(0, 8), data=st.data())
def test_bounds_enclose_the_values(name, order, low, width, data):
    e = read(FORMULAS[name], name, {})
    e = derivative(e) if order else e
    least, most = bounds(e, np.array([low]), np.array([low + width]), value)
    shares = data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=20))
    y = value(e, np.clip(low + width * np.array([0.0, 1.0, *shares]), low, low + width))
    y = y[~np.isnan(y)]
    slack = 1e-12 * (1 + np.abs(y[np.isfinite(y)]).max(initial=0.0))
    assert (y >= least[0] - slack).all() and (y <= most[0] + slack).all()


@pytest.mark.parametrize("name", ["saturating", "not monotone", "extrema"])
def test_bounds_become_narrow(name):
    e = read(FORMULAS[name], name, {})
    low = np.linspace(-6, 6, 1001)
    least, most = bounds(e, low, low + 1e-6, value)
    assert (most - least <= 2e-5).all()


def test_unknown_operations_are_bounded_by_nothing():
    e = read(lambda s: abs(s - 1) ** s, "unknown", {})
    least, most = bounds(e, np.array([-3.0]), np.array([2.0]), value)
    assert least[0] <= 0 and most[0] == np.inf


@pytest.mark.parametrize(
    ("definition", "branches", "poles"),
    [
        (lambda s: maximum(0.0, 1.0 - 1e9 * abs(s - 0.3)), (0.3 - 1e-9, 0.3, 0.3 + 1e-9), ()),
        (lambda s: abs(exp(s) - 1e-300) + abs(s - 999), (-690.77552789821, 999), ()),
        (lambda s: log(s * s - 2) / (s - 5) + sqrt(s - 7), (), (-(2**0.5), 2**0.5, 5.0, 7.0)),
        (lambda s: abs((s - 1) * (s - 2) * (s - 3.5)), (1.0, 2.0, 3.5), ()),
        (lambda s: maximum(relu(s), 0) + relu(s - 1) ** 2, (0.0, 1.0), ()),
        (lambda s: abs(s * s - 2 * s + 2), (), ()),
        (lambda s: s * tanh(softplus(s)), (), ()),
        (lambda s: sqrt(s * s + 1) + s**4, (), ()),
    ],
)
def test_special_points(definition, branches, poles):
    f = read(definition, "f", {})
    special = special_points(f, derivative(f), value)
    for got, right in ((special.branches, branches), (special.poles, poles)):
        assert len(got) == len(right)
        np.testing.assert_allclose(got, right, rtol=1e-14)


def narrow(definition):
    f = read(definition, "f", {})
    slope = derivative(f)
    return features(f, slope, special_points(f, slope, value).points, value)


@pytest.mark.parametrize("at", [1 / 3, -20.1, 300.0])
@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6])
def test_narrow_features_have_splits_about_them(at, width):
    splits = np.array(narrow(lambda s: s + exp(-(((s - at) / width) ** 2))))
    for side in (-1, 1):
        away = side * (splits - at)
        assert 0 <= away[away >= 0].min() < 8 * width
    assert len(splits) < 80


@pytest.mark.parametrize(
    "definition", [lambda s: s * sigmoid(s), lambda s: s / (1 + exp(-s)), lambda s: exp(-s * s)]
)
def test_ordinary_functions_have_none(definition):
    assert len(narrow(definition)) < 12
