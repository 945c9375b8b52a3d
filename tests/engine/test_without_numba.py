"""The engine on NumPy's kernels: without Numba, or with NUMBA_DISABLE_JIT=1.

The tests marked `plain` run with Numba blocked, in a step of their own of .ci/run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BLOCKED = {"PYTHONPATH": os.pathsep.join((str(ROOT / "tests/without_numba"), str(ROOT)))}
NUMBERS = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("error")
import engine
from engine import ACTIVATIONS, Tensor, abs, activation, clip, elu, exp, log, softplus, softsign
from engine import sqrt, tanh, where

own = {
    "symlog": lambda s: where(s > 0, log(1 + s), -log(1 - s)),
    "roots": lambda s: log(s) + sqrt(s) + s**0.5,
    "quotients": lambda s: 1 / s + s**-2 + s / tanh(s) + tanh(s) / tanh(s) + exp(s) / (exp(s) - 1),
    "powers": lambda s, a=2.0: a**s + s**5 + tanh(s) ** 0.5,
    "bounds": lambda s, a=1.0: clip(s, -a, 1e39) * softplus(elu(s, alpha=a)) / softsign(s),
    "large": lambda s: exp(exp(s)),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", engine.ActivationWarning)
    for name, function in own.items():
        activation(title=name)(function)
S = [-np.inf, -1e30, -1000, -88, -1, -0.3, -0.0, 0, 1e-30, 0.3, 1, 89, 1000, 1e30, np.inf, np.nan]
results = {}
for dtype in (np.float32, np.float64):
    s, W = np.array(S, dtype), np.ones((1, 1), dtype)
    for name, f in ACTIVATIONS.items():
        x = Tensor(s[:, None], requires_grad=True)
        y = engine.dense(x, W, f=f)
        y.sum().backward()
        values = f(s), f.slope(s), f.derivative.slope(s), f.scale(s, s), y.numpy()
        results[f"{name} {dtype.__name__}"] = np.concatenate([v.ravel() for v in values]).tolist()
        results[f"{name} backward {dtype.__name__}"] = x.grad.numpy().ravel().tolist()
    draws = np.random.default_rng(0).normal(size=(200, 10))
    losses = (engine.cross_entropy, np.arange(200) % 10), (engine.quadratic, 0 * draws)
    for scale in (1.0, 1e3, 1e30):
        for loss, of in losses:
            x = Tensor((scale * draws).astype(dtype), requires_grad=True)
            y = loss(x, of)
            y.backward()
            values = [y.item(), *x.grad.numpy().ravel().tolist()]
            results[f"{loss.__name__} {scale} {dtype.__name__}"] = values
    for bad in (np.inf, -np.inf, np.nan):
        x = Tensor(np.array([[bad, 0.0], [bad, bad]], dtype), requires_grad=True)
        y = engine.cross_entropy(x, [0, 1]) + engine.quadratic(x, np.zeros((2, 2)))
        y.backward()
        results[f"losses {bad} {dtype.__name__}"] = [y.item(), *x.grad.numpy().ravel().tolist()]
print(json.dumps(results))
"""


OWN = ("symlog", "roots", "quotients", "powers", "bounds", "large")


def numbers(**environment):
    run = subprocess.run(
        [sys.executable, "-c", NUMBERS],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout), run.stderr.splitlines()


@pytest.fixture(scope="module")
def compiled():
    return numbers()[0]


def close(plain, compiled):
    assert compiled.keys() == plain.keys()
    for name, values in compiled.items():
        single = "float32" in name
        rtol, atol = (5e-6, 1e-37) if single else (1e-12, 1e-300)
        if name.startswith("cross_entropy"):  # p − 1 cancels
            atol = 1e-9 if single else 1e-17
        # The fused kernel takes f′ of y, which cancels where y ≈ 1; so does f″ of own functions.
        if "backward" in name or name.split()[0] in OWN:
            atol = 16 * np.finfo(np.float32 if single else np.float64).eps
        np.testing.assert_allclose(plain[name], values, rtol=rtol, atol=atol, err_msg=name)


def test_the_same_numbers_without_numba_and_a_line_that_says_so(compiled):
    """Where Python's math raises, too: ln of a negative number, e¹⁰⁰⁰, 1/0."""
    plain, lines = numbers(**BLOCKED)
    close(plain, compiled)
    (line,) = lines
    assert line.startswith("gradtrace: kernels run in NumPy, many times slower, since Numba can't")


def test_the_same_numbers_with_the_compiler_switched_off(compiled):
    plain, lines = numbers(NUMBA_DISABLE_JIT="1")
    close(plain, compiled)
    assert lines == []


def test_numba_itself_says_whether_it_compiles():
    """Its own configuration counts, not the variable of the environment alone."""
    program = (
        "import numba; numba.config.DISABLE_JIT = 1\n"
        "import numpy as np, engine\n"
        "print(engine.kernels.COMPILED, engine.tanh(np.zeros(2)).tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split(maxsplit=1) == ["False", "[0.0, 0.0]\n"]
