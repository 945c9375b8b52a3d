"""CONTRIBUTING's examples, an operation and an activation, added to a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "hardsigmoid"
SCALARS, RECORDS = "engine/kernels/compiled/scalars.py", "engine/activations/builtin.py"
CASES = "tests/engine/test_activations.py"
RULES, PROPERTIES = "engine/rules/elementwise.py", "tests/engine/test_rules_properties.py"
# Where each block of an example goes: before this text, or at the end.
PLACES = {
    "activation": {SCALARS: None, RECORDS: "if not TYPE_CHECKING:", CASES: "}\n\n\ndef levels("},
    "operation": {RULES: "if not TYPE_CHECKING:", PROPERTIES: 'binary("prelu",'},
}

USED = """
import numpy as np
import engine, nn

s = np.array([-9.0, -1.5, 0.0, 1.5, 9.0])
assert "hardsigmoid" in engine.__all__ and engine.ACTIVATIONS["hardsigmoid"] is engine.hardsigmoid
assert engine.hardsigmoid(s).tolist() == [0, 0.25, 0.5, 0.75, 1]
assert "hardsigmoid" in engine.kernels.KERNELS
report = engine.gradcheck(lambda s: engine.hardsigmoid(s), s, order=2)

net = nn.MLP([3, 4, 2], "hardsigmoid", rng=0)
layer = nn.Dense(3, 4, "hardsigmoid", rng=0)
with engine.trace() as t:
    (net(np.ones((2, 3))).sum() + engine.hardsigmoid(layer(np.ones((2, 3)))).sum()).backward()
steps = "\\n".join(step.formula for step in t.walk())
assert "∂L/∂b = Σ_n ∂L/∂s; f′ = 1/6 for |s| < 3, else 0" in steps, steps
assert "∂L/∂s = g ⊙ f′(s), f′ = 1/6 for |s| < 3, else 0" in steps, steps

@engine.activation
def gated(s):
    return s * engine.hardsigmoid(s)

assert gated.kinks == (-3.0, 3.0), gated.kinks
print(engine.__file__, engine.hardsigmoid.compiled, gated.compiled)
"""


ARCTAN = """
import numpy as np
import engine, nn

a = np.array([-1.5, 0.0, 0.7])
assert "arctan" in engine.__all__ and engine.arctan.__doc__.startswith("y = arctan a")
np.testing.assert_array_equal(engine.arctan(a), np.arctan(a))
t = engine.Tensor(a, requires_grad=True)
with engine.trace() as trace:
    (np.arctan(t) * 2.0).sum().backward()
np.testing.assert_allclose(t.grad.numpy(), 2 / (1 + a * a))
assert any(step.formula == "∂L/∂a = g / (1 + a²)" for step in trace.walk())
engine.gradcheck(lambda x: engine.arctan(x), a, order=2)
try:
    t.arctan()
except AttributeError as error:
    assert "write engine.arctan(t)" in str(error)
print(engine.__file__)
"""


def example(kind):
    """The blocks of code by the file that each goes into."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"## Adding an {kind}\n")[2].partition("\n## ")[0]
    pattern = r"^\d\. .*?`([\w/]+\.py)`.*?\n\n```python\n(.*?)```"
    return dict(re.findall(pattern, section, flags=re.MULTILINE | re.DOTALL))


def copy_with_example(copy, kind, files):
    """A copy of the project with these parts of the example."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.png", "results")
    for part in ("engine", "nn", "experiments", "tests/engine", "tests/conftest.py", "setup.cfg"):
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=unwanted)
        else:
            shutil.copy(ROOT / part, copy / part)
    for file in files:
        code, before = example(kind)[file], PLACES[kind][file]
        text = (copy / file).read_text(encoding="utf-8")
        if before is None:
            text = f"{text}\n\n{code}"
        else:
            assert text.count(before) == 1
            gap = "\n\n" if file in (RECORDS, RULES) else ""
            text = text.replace(before, f"{code}{gap}{before}")
        (copy / file).write_text(text, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return copy_with_example(tmp_path_factory.mktemp("project"), "activation", PLACES["activation"])


def run(copy, *command, **environment):
    env = {**os.environ, "PYTHONPATH": str(copy), "NUMBA_NUM_THREADS": "1", **environment}
    for name in [name for name in env if name.startswith("PYTEST_")]:
        del env[name]
    outcome = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, timeout=500
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]
    return outcome.stdout


@pytest.mark.parametrize("kind", PLACES)
def test_the_files_that_an_example_touches(kind):
    assert set(example(kind)) == set(PLACES[kind])


def test_an_operation_is_one_function_and_its_test(tmp_path):
    copy = copy_with_example(tmp_path, "operation", PLACES["operation"])
    assert run(copy, "-c", ARCTAN).split() == [str(copy / "engine/__init__.py")]
    flags = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "arctan or forgotten or each_rule"]
    files = [PROPERTIES, "tests/engine/tracing/test_walk.py"]
    assert " passed" in run(copy, "-m", "pytest", *files, *flags)


def test_the_engine_the_nets_and_the_walk_know_it(copied):
    assert run(copied, "-c", USED).split() == [str(copied / "engine/__init__.py"), "True", "True"]


def test_the_record_alone_is_enough(tmp_path):
    copy = copy_with_example(tmp_path, "activation", [RECORDS])
    assert run(copy, "-c", USED).split() == [str(copy / "engine/__init__.py"), "False", "False"]
    assert run(copy, "-c", USED, NUMBA_DISABLE_JIT="1")


def test_it_is_among_the_tests_cases(copied):
    files = [CASES, "tests/engine/kernels/test_elementwise.py"]
    flags = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", NAME]
    assert " passed" in run(copied, "-m", "pytest", *files, *flags)


def test_the_command_line_knows_it(copied):
    command = "from experiments.cli.entry import main; raise SystemExit(main())"
    out = run(
        copied, "-c", command, "activation", NAME, "--depth", "2", "--width", "5", "--draws", "1"
    )
    assert NAME in out
