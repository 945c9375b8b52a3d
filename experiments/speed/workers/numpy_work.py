"""NumPy's side: the same work as one writes it by hand with NumPy, and what BLAS is under it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, Any]
Work = tuple[Callable[[], Any], Callable[[], list[Any]]]


def prepare(request: dict[str, Any], given: Arrays) -> Work:
    """The function to be timed, and one that gives its result as arrays."""
    kind = request["work"]
    if kind == "training":
        return _training(request, given)
    if kind == "product":
        run = _product(request["form"], given)
    elif kind == "elementwise":
        table = _BACKWARD if request["backward"] else _FORWARD
        run = table[request["f"]](given)
    elif kind == "step":
        X, W = given["X"], given["W"]
        run = lambda: X @ W  # noqa: E731
    else:
        raise ValueError(f"NumPy has no {kind}")
    return run, lambda: [run()]


def _product(form: str, given: Arrays) -> Callable[[], Any]:
    X, W, G = given["X"], given["W"], given["G"]
    forms: dict[str, Callable[[], Any]] = {
        "X·W": lambda: X @ W,
        "Xᵀ·G": lambda: X.T @ G,
        "G·Wᵀ": lambda: G @ W.T,
    }
    return forms[form]


# --- activations: forward from s, backward from what each derivative is simplest in --------------


def _sigmoid(s: Any) -> Any:
    return 1 / (1 + np.exp(-s))


def _softplus(s: Any) -> Any:
    return np.log1p(np.exp(-np.abs(s))) + np.maximum(s, 0)


def _forward(f: Callable[[Any], Any]) -> Callable[[Arrays], Callable[[], Any]]:
    def of(given: Arrays) -> Callable[[], Any]:
        s = given["s"]
        return lambda: f(s)

    return of


def _backward(
    f: Callable[[Any], Any], ds: Callable[[Any, Any], Any]
) -> Callable[[Arrays], Callable[[], Any]]:
    """`ds(g, kept)`, where `kept` is what the forward pass has kept, s or y."""

    def of(given: Arrays) -> Callable[[], Any]:
        g, kept = given["g"], f(given["s"])
        return lambda: ds(g, kept)

    return of


_FORWARD = {
    "sigmoid": _forward(_sigmoid),
    "tanh": _forward(np.tanh),
    "relu": _forward(lambda s: np.maximum(s, 0)),
    "softplus": _forward(_softplus),
}
_BACKWARD = {
    "sigmoid": _backward(_sigmoid, lambda g, y: g * y * (1 - y)),
    "tanh": _backward(np.tanh, lambda g, y: g * (1 - y * y)),
    "relu": _backward(lambda s: s, lambda g, s: g * (s > 0)),
    "softplus": _backward(lambda s: s, lambda g, s: g * _sigmoid(s)),
}


# --- a training step by hand --------------------------------------------------------------------


def _training(request: dict[str, Any], given: Arrays) -> Work:
    """Dense layers with tanh between them, a loss, and θ ← θ − η ∂L/∂θ."""
    x, y, lr = given["x"], given["y"], request["lr"]
    n_layers = len(request["sizes"]) - 1
    W = [given[f"W{i}"].copy() for i in range(n_layers)]
    b = [np.zeros(n, x.dtype) for n in request["sizes"][1:]]
    slope = _mse_slope if request["loss"] == "mse" else _cross_entropy_slope

    def step() -> None:
        outputs = [x]
        for i in range(n_layers):
            s = outputs[i] @ W[i]
            s += b[i]
            outputs.append(np.tanh(s, out=s) if i < n_layers - 1 else s)
        g = slope(outputs.pop(), y)
        for i in reversed(range(n_layers)):
            kept = outputs.pop()
            dW, db = kept.T @ g, g.sum(axis=0)
            if i > 0:
                g = g @ W[i].T
                g *= 1 - kept * kept
            dW *= lr
            W[i] -= dW
            b[i] -= lr * db

    def result() -> list[Any]:
        before = [w.copy() for w in [*W, *b]]
        step()
        return [old - new for old, new in zip(before, [*W, *b], strict=True)]

    return step, result


def _mse_slope(o: Any, y: Any) -> Any:
    """∂L/∂o of L = mean (o − y)²."""
    g = o - y
    g *= 2 / g.size
    return g


def _cross_entropy_slope(o: Any, y: Any) -> Any:
    """∂L/∂o = (softmax(o) − y) / N; the loss too, since a training loop shows it."""
    rows = np.arange(len(o))
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    _ = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    p /= len(o)
    return p


# --- what runs here -----------------------------------------------------------------------------


def about() -> dict[str, Any]:
    """NumPy's version, its BLAS, and which of its kernels BLAS has chosen."""
    np.ones((2, 2)) @ np.ones((2, 2))  # so that BLAS is loaded
    config: Any = getattr(np.__config__, "CONFIG", {})
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {
        "numpy": np.__version__,
        "blas": blas.get("name", "unknown"),
        "blas_version": blas.get("version", "unknown"),
        "core": _core(),
    }


def _core() -> str:
    """The name of the processor that OpenBLAS takes this one for, "unknown" for another BLAS."""
    for path in _libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename"):
            try:
                get = getattr(library, name)
            except AttributeError:
                continue
            get.restype = ctypes.c_char_p
            return str((get() or b"unknown").decode("ascii", "replace"))
    return "unknown"


def _libraries() -> list[str]:
    """OpenBLAS as this process has it loaded, or as NumPy's wheel brings it."""
    found: set[str] = set()
    maps = Path("/proc/self/maps")
    if maps.exists():
        words = (line.split() for line in maps.read_text(errors="replace").splitlines())
        found = {w[-1] for w in words if len(w) > 5 and "openblas" in w[-1].lower()}
    beside = Path(np.__file__).parent
    for folder in (beside.parent / "numpy.libs", beside / ".dylibs"):
        if not found and folder.is_dir():
            found = {str(path) for path in folder.glob("*openblas*")}
    return sorted(found)
