"""The exact functions against numbers computed elsewhere in 40 digits."""

import numpy as np
import pytest

from engine.kernels import KERNELS
from experiments.accuracy.exact import EXACT
from experiments.accuracy.normal import density, distribution
from experiments.accuracy.ulp import wider

WIDE = [np.float64] + ([np.longdouble] if wider("float64") else [])

KNOWN = [
    ("sigmoid", "f", 1, "0.731058578630004879251159"),
    ("sigmoid", "f", -40, "4.24835425529158897728072e-18"),
    ("sigmoid", "slope", 2, "0.104993585403506517348624"),
    ("sigmoid", "slope", 60, "8.75651076269652033848873e-27"),
    ("sigmoid", "step", 0.25, "0.1875"),
    ("tanh", "f", 0.5, "0.462117157260009758502318"),
    ("tanh", "f", -0.5, "-0.462117157260009758502318"),
    ("tanh", "f", 2.0**-30, "9.31322574615478515355735e-10"),
    ("tanh", "slope", 0.5, "0.786447732965927410149699"),
    ("tanh", "slope", -30, "3.50260430507860813539549e-26"),
    ("tanh", "step", 1 - 2.0**-40, "1.81898940354502929521747e-12"),
    ("softsign", "f", -3, "-0.75"),
    ("softsign", "slope", -3, "0.0625"),
    ("softsign", "step", -0.75, "0.0625"),
    ("softplus", "f", -2, "0.126928011042972496443727"),
    ("softplus", "f", -50, "1.92874984796391778301716e-22"),
    ("softplus", "f", 3, "3.04858735157374205875893"),
    ("softplus", "slope", 1, "0.731058578630004879251159"),
    ("softplus", "step", 1, "0.632120558828557678404476"),
    ("softplus", "step", 2.0**-40, "9.09494701772514647608763e-13"),
    ("elu", "f", -1, "-0.632120558828557678404476"),
    ("elu", "slope", -1, "0.367879441171442321595524"),
    ("elu", "step", -0.75, "0.25"),
    ("selu", "f", -1, "-1.11133073781256276179864"),
    ("selu", "f", 2, "2.10140197471096098683867"),
    ("selu", "slope", -1, "0.646768603034814098141577"),
    ("selu", "step", -1, "0.758099340847376859940218"),
    ("gelu", "f", 1, "0.841344746068542948585233"),
    ("gelu", "f", -3, "-0.00404969409489028357995544"),
    ("gelu", "f", -12, "-2.13177853449321479723541e-32"),
    ("gelu", "slope", -1, "-0.0833154705876862983830627"),
    ("gelu", "slope", 1.5, "1.12746919222997952541666"),
    ("silu", "f", -1, "-0.268941421369995120748841"),
    ("silu", "f", -50, "-9.64374923981958891508485e-21"),
    ("silu", "slope", 1, "0.927670511871486731788584"),
    ("silu", "slope", -3, "-0.0881041060151696170692319"),
]


def close(got, known, wide, units=4):
    exact = wide(known)
    return abs(got - exact) <= units * np.finfo(wide).eps * abs(exact)


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize(("name", "quantity", "s", "known"), KNOWN)
def test_known_numbers(name, quantity, s, known, wide):
    function, parameters = getattr(EXACT[name], quantity), (wide(1),) if name == "elu" else ()
    got = function(np.array([s], wide), *parameters)
    assert got.dtype == wide
    # The C library's erfc takes a rounded argument, which Φ multiplies by its square.
    assert close(got[0], known, wide, 300 if name == "gelu" else 4)
    if wide is np.float64:
        assert got[0] == pytest.approx(float(known), rel=1e-15 if name != "gelu" else 1e-13)


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize(
    ("s", "known"),
    [
        (-1.5, "0.066807201268858066004494"),
        (-2, "0.0227501319481792072002826"),
        (-2.5, "0.0062096653257761351669781"),
        (-30, "4.90671392714818705953381e-198"),
        (0.5, "0.691462461274013103637705"),
        (3, "0.998650101968369905473348"),
    ],
)
def test_the_normal_distribution(s, known, wide):
    assert close(distribution(np.array([s], wide))[0], known, wide, 1000)


@pytest.mark.parametrize("wide", WIDE)
def test_the_normal_distribution_far_out_and_where_its_formulas_meet(wide):
    s = np.array([-1e300, -60, 60, 1e300, 0], wide)
    assert distribution(s).tolist() == [0, 0, 1, 1, 0.5]
    assert density(s[:4]).max() < 1e-300
    below, above = distribution(np.array([-2, np.nextafter(-2, 0)], wide))
    slope = density(np.array([2], wide))[0] * (np.nextafter(-2, 0) + 2)
    assert abs(above - below - slope) < 100 * np.finfo(wide).eps * above


@pytest.mark.parametrize("name", EXACT)
def test_limits_are_what_the_functions_come_to(name):
    exact = EXACT[name]
    parameters = {"leaky_relu": (0.01,), "elu": (1.0,)}.get(name, ())
    far = np.array([-1e6, 1e6])
    for function, limits in ((exact.f, exact.f_limits), (exact.slope, exact.slope_limits)):
        for value, limit in zip(function(far, *parameters), limits, strict=True):
            if np.isinf(limit):
                assert abs(value) >= 1e4 and np.sign(value) == np.sign(limit)
            else:
                assert value == pytest.approx(limit, abs=1e-5)


@pytest.mark.parametrize("name", EXACT)
def test_they_are_the_functions_that_the_kernels_compute(name):
    kernel, exact = KERNELS[name], EXACT[name]
    parameters = {"leaky_relu": (0.2,), "elu": (1.5,)}.get(name, ())
    s = np.linspace(-6.3, 6.2, 251)
    np.testing.assert_allclose(exact.f(s, *parameters), kernel.value(s, *parameters), atol=1e-12)
    np.testing.assert_allclose(
        exact.slope(s, *parameters), kernel.slope(s, *parameters), atol=1e-12
    )
    assert (exact.step is None) == (kernel.slope_of_value is None)
    if exact.step is not None:
        y = kernel.value(s, *parameters)
        np.testing.assert_allclose(
            exact.step(y, *parameters), kernel.slope(s, *parameters), atol=1e-12
        )
