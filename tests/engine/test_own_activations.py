"""Activations of a user's own: derivatives, kernels, parameters, and what is said of mistakes."""

import math
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import engine
import nn
from engine import (
    ACTIVATIONS,
    ActivationError,
    ActivationWarning,
    Tensor,
    abs,
    activation,
    clip,
    exp,
    find_activation,
    hardtanh,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    sqrt,
    tanh,
    where,
)

ROOT = Path(__file__).parents[2]
S = np.linspace(-4.05, 4.05, 82)
STAIRS = np.arange(-2.5, 3)


@pytest.fixture(autouse=True)
def no_names_left():
    before = dict(ACTIVATIONS)
    yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


def quietly(function, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ActivationWarning)
        return activation(function) if not keywords else activation(**keywords)(function)


def swish(s):
    return s / (1 + exp(-s))


def builtin_inside(s):
    return s * sigmoid(s) + tanh(s) * 0.5


def branches(s):
    return where(s > 1, 2 * s - 1, where(s < -1, -0.5 * s, s * s))


def obvious_branches(s):
    return np.where(s > 1, 2 * s - 1, np.where(s < -1, -0.5 * s, s * s))


def two_conditions(s):
    return where((s > -1) & (s < 1), s**3, 0.1 * s)


def obvious_two_conditions(s):
    return np.where((s > -1) & (s < 1), s**3, 0.1 * s)


def larger_and_smaller(s):
    return maximum(s, 0.1 * s) + minimum(s, 2.0) * 3


def obvious_larger_and_smaller(s):
    return np.maximum(s, 0.1 * s) + np.minimum(s, 2) * 3


FUNCTIONS = {
    "quotient": (swish, lambda s: s / (1 + np.exp(-s))),
    "builtin inside": (builtin_inside, lambda s: s / (1 + np.exp(-s)) + np.tanh(s) / 2),
    "branches": (branches, obvious_branches),
    "two conditions": (two_conditions, obvious_two_conditions),
    "powers": (lambda s: abs(s) ** 1.5 + s**-2, lambda s: np.abs(s) ** 1.5 + s**-2.0),
    "a power of 2": (lambda s: 1 - 2.0**s, lambda s: 1 - 2.0**s),
    "maximum": (larger_and_smaller, obvious_larger_and_smaller),
    "clip": (lambda s: clip(s, -1, 2) * s, lambda s: np.clip(s, -1, 2) * s),
    "clip below": (lambda s: clip(s, None, 0.5), lambda s: np.clip(s, None, 0.5)),
    "log": (lambda s: log(1 + s * s), lambda s: np.log1p(s * s)),
    "sqrt": (lambda s: s * sqrt(s * s + 1), lambda s: s * np.sqrt(s * s + 1)),
    "constant": (lambda s: 0 * s + 2, lambda s: 0 * s + 2),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_derivatives(name, dtype):
    definition, obvious = FUNCTIONS[name]
    f = quietly(definition, title=f"own {name}")
    s = S.astype(dtype)
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f.value(s), obvious(S), rtol=tolerance, atol=tolerance)
    assert f.value(s).dtype == dtype
    if dtype == np.float64:
        step = 1e-6
        numerical = (obvious(S + step) - obvious(S - step)) / (2 * step)
        np.testing.assert_allclose(f.slope(S), numerical, rtol=2e-7, atol=2e-7)
        np.testing.assert_allclose(f(Tensor(S)).numpy(), f.value(S))
        engine.gradcheck(f, S[::9])
        second = (f.slope(S + step) - f.slope(S - step)) / (2 * step)
        np.testing.assert_allclose(f.derivative.slope(S), second, rtol=1e-5, atol=1e-5)


def test_the_name_works_in_a_net_and_trains_it():
    quietly(swish)
    net = nn.MLP([3, 8, 8, 2], "swish", rng=0)
    again = nn.MLP([3, 8, 8, 2], "silu", rng=0)
    x, y = np.random.default_rng(0).normal(size=(16, 3)), np.arange(16) % 2
    for model in (net, again):
        optimiser = nn.SGD(model.parameters(), lr=0.5)
        for _ in range(5):
            loss = nn.cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            optimiser.step()
    for a, b in zip(net.parameters(), again.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def leaky(s, a=0.1):
    """Leaky, with a slope to choose."""
    return where(s > 0, s, a * s)


def test_parameters():
    f = activation(leaky)
    assert f.parameters == {"a": 0.1}
    assert f(Tensor([-2.0])).item() == -0.2
    assert f(a=0.5)(Tensor([-2.0])).item() == -1.0
    assert f(Tensor([-2.0]), a=0.5).item() == -1.0
    assert f(a=0.1) is f
    assert f.kinks == (0.0,)
    assert f(a=1.0).kinks == ()
    assert f.__doc__ == "Leaky, with a slope to choose."
    with pytest.raises(TypeError, match=r"no parameter b; it takes: a"):
        f(b=2.0)
    x = np.ones((2, 3))
    assert nn.MLP([3, 4, 2], f(a=0.3), rng=0)(x).shape == (2, 2)


def test_a_parameter_that_is_learned():
    f = activation(leaky)
    a = Tensor(0.25, requires_grad=True)
    s = Tensor([-1.0, 2.0, -3.0], requires_grad=True)
    f(s, a=a).sum().backward()
    assert a.grad.item() == -4.0
    assert s.grad.numpy().tolist() == [0.25, 1.0, 0.25]
    with pytest.raises(TypeError, match="together with s"):
        f(a=a)


@pytest.mark.parametrize(
    ("definition", "kinks"),
    [
        (lambda s: abs(s - 2), (2.0,)),
        (lambda s: maximum(s, -1.5), (-1.5,)),
        (lambda s: clip(s, -1, 3), (-1.0, 3.0)),
        (lambda s: where(s > 0, s * s, 0 * s), ()),  # f′ is 0 on both sides
        (lambda s: where(s * s > 2.25, s, 0.0 * s), (-1.5, 1.5)),
        (swish, ()),
        (lambda s: where(s < 1 / 3, 0.0, 1.0), (1 / 3,)),
        (lambda s: where(s > 0, 1, -1), (0.0,)),
        (lambda s: sign(s - 0.1), (0.1,)),
        (lambda s: sum((abs(s - 0.005 * k) for k in range(9)), 0 * s), np.arange(9) * 0.005),
        (lambda s: sum((where(s > k + 0.5, 1.0, 0.0) for k in range(-3, 3)), 0 * s), STAIRS),
        (lambda s: maximum(s - 20, 0) + minimum(s + 20.5, 0) + abs(s - 700), (-20.5, 20, 700)),
        (lambda s: s + maximum(0.0, 1 - 1e7 * abs(s - 0.3)), (0.3 - 1e-7, 0.3, 0.3 + 1e-7)),
        (lambda s: maximum(s * s * s - s, 0.1 * s), (-(1.1**0.5), 0.0, 1.1**0.5)),
        (lambda s: sqrt((s - 1) ** 2), (1.0,)),
        (lambda s: sign(s) * sqrt(abs(s)), (0.0,)),
        (lambda s: abs(s) ** 0.75, (0.0,)),
        (lambda s: maximum(relu(s), 0.0), (0.0,)),
        (lambda s: relu(relu(s) - 1) + hardtanh(s - 5), (1.0, 4.0, 6.0)),
        (lambda s: s + 1e-4 * abs(s - 0.2), (0.2,)),
        (lambda s: (exp(s) - 1) / s, ()),  # a hole, where rounding alone jumps
        (lambda s: where(s > 0, exp(3000 * minimum(s, 0.1)) - 1, 3000 * s), (0.1,)),
        (lambda s: tanh(1e6 * (s - 1)), ()),
    ],
)
def test_kinks_are_found(definition, kinks):
    f = quietly(definition, title="own kinks")
    np.testing.assert_allclose(f.kinks, kinks, atol=1e-8)
    assert len(f.kinks) == len(kinks)


def test_kinks_may_be_declared():
    assert quietly(swish, kinks=(0.5,)).kinks == (0.5,)


@pytest.mark.parametrize(
    ("definition", "low", "high"),
    [
        (swish, -0.2784645427610738, math.inf),
        (lambda s: -s * sigmoid(s), -math.inf, 0.2784645427610738),
        (lambda s: s**3 / (1 + s * s), -math.inf, math.inf),
        (lambda s: where(s > 0, log(1 + s), -log(1 - s)), -math.inf, math.inf),
        (lambda s: sqrt(abs(s)) * tanh(s), -math.inf, math.inf),
        (lambda s: s / (1 + abs(s)), -1.0, 1.0),
        (lambda s: s / sqrt(1 + s * s), -1.0, 1.0),
        (lambda s: sqrt(1 + s * s) - abs(s), 0.0, 1.0),
        (lambda s: 1 / (s - 1 / 3), -math.inf, math.inf),
        (lambda s: log(abs(s - 1 / 3)) - s * s, -math.inf, -0.4263954394),
        (lambda s: maximum(0.0, 1.0 - 500 * abs(s - 1 / 3)), 0.0, 1.0),
        (lambda s: exp(-1e8 * (s - 1 / 3) ** 2) - 0.5, -0.5, 0.5),
        (lambda s: exp(-((s - 300.123) ** 2)) - 2 * exp(-1e6 * (s + 41.4142) ** 2), -2.0, 1.0),
        (lambda s: where(s > 0, 1, -1), -1.0, 1.0),
        (lambda s: -s * s, -math.inf, 0.0),
        (lambda s: -exp(s), -math.inf, 0.0),
    ],
)
def test_range(definition, low, high):
    found = quietly(definition, title="own range").range
    np.testing.assert_allclose(found, (low, high), rtol=1e-7, atol=1e-12)


def test_a_derivative_that_is_given():
    f = quietly(swish)

    @f.derivative
    def swish_slope(s):
        y = sigmoid(s)
        return y + s * y * (1 - y)

    assert swish_slope is f.derivative
    assert f.findings == ()
    assert f.slope(np.array([-1000.0]))[0] == 0
    np.testing.assert_allclose(f.slope(S), engine.silu.slope(S), rtol=1e-12, atol=1e-15)
    assert "sigmoid" in f.source
    engine.gradcheck(f, S[::9])


@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        (lambda s: -(sigmoid(s) + s * sigmoid(s) * (1 - sigmoid(s))), "its sign is wrong"),
        (lambda s: s * sigmoid(s), "this is f itself"),
        (lambda s: 2 * (sigmoid(s) + s * sigmoid(s) * (1 - sigmoid(s))), "a factor 0.5 is missing"),
        (
            lambda s: sigmoid(s) + where(s > 0, s * sigmoid(s) * (1 - sigmoid(s)), 0.0),
            "wrong only for negative s",
        ),
        (lambda s: s * 0 + 1, "no usual mistake"),
    ],
)
def test_a_wrong_derivative_is_refused_with_the_point_and_the_mistake(wrong, mistake):
    f = quietly(swish)
    before = f.slope(S)
    with pytest.raises(ActivationError, match=rf"at s = .* it is .*the derivative is.*{mistake}"):
        f.derivative(wrong)
    np.testing.assert_array_equal(f.slope(S), before)


def test_a_derivative_without_the_parameter_is_refused():
    """At the parameter's own value it is right, and wrong for any other."""
    f = activation(title="own square")(lambda s, a=2.0: a * s * s)
    with pytest.raises(ActivationError, match=r"with a = 2\.5, at s = .*a factor 1\.25 is missing"):
        f.derivative(lambda s: 4 * s)
    right = activation(title="own square")(lambda s, a=2.0: a * s * s)
    right.derivative(lambda s, a=2.0: 2 * a * s)
    assert right(a=3.0).slope(np.array([2.0])) == [12.0]


def test_a_default_beyond_float64():
    with pytest.raises(ActivationError) as told:
        activation(title="own line")(lambda s, a=10**400: a * s)
    assert str(told.value).endswith("0 must be a finite number")


def test_a_parameter_that_is_no_number():
    f = activation(title="own line")(lambda s, a=2.0: a * s)
    for value in ("wide", None, math.nan, math.inf, -math.inf, 10**400):
        with pytest.raises(ValueError, match=r"own line: a=.* must be a finite number"):
            f(a=value)
        with pytest.raises(ValueError, match=r"own line: a=.* must be a finite number"):
            f(S, a=value)
        with pytest.raises(ActivationError, match=r"line .*a"):
            activation(lambda s, a=value: a * s)


def test_a_derivative_of_y_is_recognised():
    f = quietly(lambda s: 1 / (1 + exp(-s)), title="own sigmoid")
    with pytest.raises(ActivationError, match="as a function of y = f"):
        f.derivative(lambda s: s * (1 - s))


def decides(s):
    if s > 0:
        return s
    return 0 * s


def uses_numpy(s):
    return np.sin(s)


def uses_math(s):
    return math.tanh(s)


def reduces(s):
    return s.sum()


def returns_nothing(s):
    s * 2


def multiplies_by_an_array(s):
    return s * np.ones(3)


@pytest.mark.parametrize(
    ("definition", "line", "remedy"),
    [
        (decides, "if s > 0:", "where"),
        (uses_numpy, "return np.sin", "use the engine's"),
        (uses_math, "return math.tanh", "use the engine's"),
        (reduces, "return s.sum", "stands for one number"),
        (returns_nothing, "def returns_nothing", "write `return`"),
        (multiplies_by_an_array, r"return s \* np.ones", "numbers"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_at_its_line(definition, line, remedy):
    with pytest.raises(
        ActivationError, match=rf"line \d+ of test_own_activations.py, `{line}.*{remedy}"
    ) as told:
        activation(definition)
    assert "\n" not in str(told.value)
    assert told.value.__cause__ is None


def test_names_and_arguments_that_can_not_be():
    with pytest.raises(ActivationError, match="built-in"):
        activation(title="tanh")(swish)
    with pytest.raises(ActivationError, match="needs a number as default"):
        activation(lambda s, a: s)
    with pytest.raises(ActivationError, match="first argument"):
        activation(lambda: 1)
    with pytest.raises(TypeError, match="takes a function"):
        activation(3)


def test_numerical_trouble_is_said_at_the_definition():
    with pytest.warns(
        ActivationWarning, match=r"swish′ is NaN for s < -88\.723 in float32"
    ) as told:
        f = activation(swish)
    assert told[0].filename == __file__
    assert [finding.what for finding in f.findings] == ["swish′"]
    at = {dtypes[0]: float(where[4:]) for where, dtypes in f.findings[0].points.items()}
    assert at["float64"] == -709.78
    with pytest.warns(ActivationWarning, match="infinite for s > 88.723 in float32, s > 709.78"):
        activation(title="own exp")(lambda s: exp(s))


@pytest.mark.parametrize(
    ("definition", "where"),
    [
        (lambda s: s / s, "s = 0 in float32 and float64;"),
        (lambda s: (s * s - 1) / (s * s - 1), "s = -1 and s = 1 in float32 and float64;"),
        (lambda s: (s - 1 / 3) / (s - 1 / 3), "s = 0.33333 in float32 and float64;"),
        (lambda s: sqrt(s - 200), "s < 200 in float32 and float64;"),
        (lambda s: sqrt(s), "s < 0 in float32 and float64;"),
        (lambda s: sqrt(-s), "s > 0 in float32 and float64;"),
        (lambda s: sqrt(s * s - 4), "-2 < s < 2 in float32 and float64;"),
        (lambda s: sqrt(4 - s * s), "s < -2 in float32 and float64, s > 2 in float32 and float64;"),
        (lambda s: sqrt(-1 - s * s), "every s in float32 and float64;"),
        (
            lambda s: sum(((s - k) / (s - k) for k in range(8)), 0 * s),
            "s = 0, s = 1, s = 2, s = 3, s = 4 and 3 more points in float32 and float64;",
        ),
    ],
)
def test_where_trouble_is(definition, where):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        finding = activation(title="troubled")(definition).findings[0]
    assert f"troubled is NaN for {where}" in str(finding)


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (
            lambda s: where(s > 0, 1, -1),
            "own′ is 0 for every s in float32 and float64; no",
        ),
        (lambda s: sign(s) * 3, "own′ is 0 for every s"),
        (lambda s: where(s < 1 / 3, 0.0, 1.0), "own′ is 0 for every s"),
        (lambda s: 0 * s + 0.7, "own is constant for every s in float32 and float64; nothing"),
    ],
)
def test_what_passes_no_gradient_is_told(definition, told):
    with pytest.warns(ActivationWarning, match=told):
        activation(title="own")(definition)


@pytest.mark.parametrize(
    "definition",
    [
        lambda s: maximum(0.0, 1.0 - 500 * abs(s - 1 / 3)),
        lambda s: exp(-1e8 * (s - 1 / 3) ** 2),
        lambda s: maximum(s - 900, 0.0),
    ],
)
def test_a_gradient_that_passes_in_a_narrow_place_is_seen(definition):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert activation(title="own")(definition).findings == ()


def test_without_trouble_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert activation(lambda s: s * sigmoid(s)).findings == ()


FILE = """
from engine import activation, sigmoid

@activation
def of_a_file(s, b=2.0):
    return s * sigmoid(b * s)
"""


def test_an_activation_of_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    f = find_activation(f"{path}:of_a_file")
    np.testing.assert_allclose(f.value(S), S / (1 + np.exp(-2 * S)), rtol=1e-12)
    with pytest.raises(ValueError, match="no activation other"):
        find_activation(f"{path}:other")
    with pytest.raises(ValueError, match="no file"):
        find_activation("nowhere.py:f")
    path.write_text("def f(:\n")
    with pytest.raises(ActivationError, match=r"mine\.py, line 1: SyntaxError: [^\n(]+$"):
        find_activation(f"{path}:f")
    path.write_text("\nimport no_such_module\n")
    with pytest.raises(ActivationError, match=r"mine\.py, line 2: ModuleNotFoundError: "):
        find_activation(f"{path}:f")
    for name in (str(path), f"{path.stem}:f"):
        with pytest.raises(ValueError, match=r"FILE\.py:NAME"):
            find_activation(name)


def test_a_second_process_compiles_nothing(tmp_path):
    program = textwrap.dedent(
        """
        import numpy as np
        from numba.core import event
        from engine import activation, exp, tanh
        import nn

        @activation
        def mine(s, a=0.5):
            return a * s + tanh(s) / (1 + exp(-abs(s)))

        x = np.ones((4, 3), np.float32)
        with event.install_recorder("numba:compile") as seen:
            net = nn.MLP([3, 5, 2], mine(a=0.25), rng=0)
            nn.cross_entropy(net(x), np.array([0, 1, 0, 1])).backward()
        print(sum(entry.is_start for _, entry in seen.buffer))
        """
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }

    def run():
        done = subprocess.run(
            [sys.executable, str(path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    (first, said), (second, silent) = run(), run()
    assert int(first) > 0
    assert "compiling" in said
    assert (second, silent) == ("0", "")
