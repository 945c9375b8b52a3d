"""Whether code has changed: what a program says counts, comments and docstrings don't."""

from pathlib import Path

import pytest

import engine
from experiments.lab import sources
from experiments.lab.sources import code_digest, digest

CODE = '''"""What it is for."""

def square(x):
    """x²"""
    return x * x
'''


def of(tmp_path, *texts):
    files = []
    for i, text in enumerate(texts):
        files.append(tmp_path / f"{i}.py")
        files[-1].write_text(text, encoding="utf-8")
    return digest(files)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("x * x", "x + x", False),
        ("x * x", "x * x  # by itself", True),
        ("x²", "x times x", True),
        ("What it is for", "The square", True),
        ("def square(x)", "def cube(x)", False),
        ("return", "'''x'''\n    return", False),  # no docstring there
    ],
)
def test_what_counts(tmp_path, old, new, same):
    assert (of(tmp_path, CODE) == of(tmp_path, CODE.replace(old, new))) == same


def test_order_and_missing_files(tmp_path):
    assert of(tmp_path, "a = 1", "b = 2") == of(tmp_path, "b = 2", "a = 1") != of(tmp_path, "a = 1")
    assert digest([tmp_path / "absent.py"]) == digest([])


def test_it_is_of_the_kernels_the_rules_the_layers_the_data_and_the_training(monkeypatch):
    seen = []
    monkeypatch.setattr(sources, "digest", lambda files: seen.extend(files) or "")
    code_digest.__wrapped__()
    root = Path(engine.__file__).parents[1]
    names = {path.relative_to(root).as_posix() for path in seen}
    assert names >= {
        *("engine/kernels/compiled/products.py", "engine/rules/linear.py", "nn/init.py"),
        *("nn/optim.py", "experiments/data/shapes.py", "experiments/lab/training.py"),
        "experiments/lab/batches.py",
    }
    assert not any(name.startswith(("experiments/figures", "experiments/cli")) for name in names)
