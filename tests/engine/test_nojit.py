"""The same code as plain Python: what a reader with a debugger runs (NUMBA_DISABLE_JIT=1)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np


def test_the_marked_selection_passes_without_the_compiler():
    # Not itself marked nojit, or it would start itself for ever.
    here = Path(__file__).parent
    root = here.parents[1]
    command = [sys.executable, "-m", "pytest", str(here), "-m", "nojit", "-q"]
    command += ["-p", "no:cacheprovider", "-n", "0", "-x"]
    paths = [str(root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    for name in [name for name in env if name.startswith("PYTEST_")]:
        del env[name]
    run = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout


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


def numbers(**environment):
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", NUMBERS],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def test_activations_and_losses_give_the_same_numbers_without_the_compiler():
    """Where Python's math raises, too: ln of a negative number, e¹⁰⁰⁰, 1/0."""
    compiled, plain = numbers(), numbers(NUMBA_DISABLE_JIT="1")
    assert compiled.keys() == plain.keys()
    for name, values in compiled.items():
        rtol = 2e-6 if "float32" in name else 1e-13
        # The fused backward pass takes f′ from y: in saturation, a difference of numbers near 1.
        atol = rtol if "backward" in name else 0
        np.testing.assert_allclose(plain[name], values, rtol=rtol, atol=atol, err_msg=name)
