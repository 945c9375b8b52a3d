"""What the tests of kernels share: the exact product, one way's product, programs of their own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.parts import call_part
from engine.kernels.compiled.products import nothing

ROOT = Path(__file__).parents[3]


@jit()
def _add_part(part, a, ta, b, tb, out, add, top, bottom, left, right):
    call_part(part, a, ta, b, tb, out, add, top, bottom, left, right)


class Ways:
    """The ways of the matrix product, called alike."""

    @staticmethod
    def product(way, a, ta, b, tb, out, *, add=False, end=None, n_threads=None):
        """One way's out (+)= a·b; `end` is (address, parameters, bias, s), what `finish` takes."""
        vector, matrix = nothing(out.dtype)
        args = (a, ta, b, tb, out, add, *(end or (0, vector, vector, matrix)))
        if n_threads is None:
            way.product(*args)
        else:
            way.product_parallel(*args, n_threads)
        return out

    @staticmethod
    def add_part(way, a, ta, b, tb, out, add, top, bottom, left, right):
        """The rows top … bottom and columns left … right of one way's out (+)= a·b."""
        _add_part(way.part(out.dtype), a, ta, b, tb, out, add, top, bottom, left, right)

    @staticmethod
    def assert_is_product(c, a, b, start=None):
        """|C − AB| ≤ (n + 2) ε |A||B|, the bound for any order of summation."""
        wide = np.longdouble if c.dtype == np.float64 else np.float64
        exact = a.astype(wide) @ b.astype(wide)
        size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        terms = a.shape[1] + 2
        if start is not None:
            exact, size, terms = exact + start, size + np.abs(start), terms + 1
        assert c.shape == exact.shape
        assert c.dtype == a.dtype
        wrong = ~(np.abs(c - exact) <= terms * np.finfo(c.dtype).eps * size)
        assert not wrong.any(), (a.shape, b.shape, np.argwhere(wrong)[:5].tolist())


@pytest.fixture(scope="session")
def ways():
    return Ways


@pytest.fixture(scope="session")
def run_program():
    """Run a program in a process of its own and give the words that it prints.

    With `errors=True`, the lines on its error stream as well.
    """

    def run(program, errors=False, **environment):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr}"
        return (done.stdout.split(), done.stderr.splitlines()) if errors else done.stdout.split()

    return run
