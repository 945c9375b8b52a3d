"""Optimisers: they read `.grad`, never write into it, and change parameters in place.

Here g = ∂L/∂θ, and η is the learning rate `lr`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, final

import numpy as np
import numpy.typing as npt

from engine import Tensor, matmul, no_grad
from nn.state import Array, fitted


class Optimizer(ABC):
    """A list of parameters and the rule by which a step changes them.

    Raises: ValueError for a learning rate that is not positive and finite, for no parameters, and
        for a parameter that is listed twice or is none; TypeError for a number that is none.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.lr = _positive("lr", lr, "the learning rate")
        if hasattr(params, "parameters"):
            raise TypeError(
                "an optimiser takes parameters: pass net.parameters() instead of the net"
            )
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                "an optimiser takes a list of parameters, net.parameters() or [W, b], not "
                f"{params!r}"
            )
        self.params = list(params)
        for p in self.params:
            if not isinstance(p, Tensor) or not p.requires_grad or not p.is_leaf:
                raise ValueError(
                    f"{p!r} can't be optimised; parameters are tensors made with "
                    "requires_grad=True, for example net.parameters()"
                )
        if not self.params:
            raise ValueError(
                "no parameters to optimise (a generator gives them only once; pass a list)"
            )
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError("a parameter is listed twice; it would be stepped twice")
        for p in self.params:
            p.send_grad_to(None)  # where SGD(fused=True) on the same may have sent it

    def zero_grad(self) -> None:
        for p in self.params:
            p.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises: RuntimeError when none has one, since then nothing would be learned.
        """
        moved = False
        for i, p in enumerate(self.params):
            if p.has_grad:
                self._change(i, p)
                moved = True
        if not moved:
            raise RuntimeError("step(): no parameter has a gradient; call loss.backward() first")

    def state_dict(self) -> dict[str, Array]:
        """A copy of the arrays that the rule remembers between steps, by name.

        "velocity 2" belongs to the third parameter. Plain gradient descent remembers nothing.
        Settings, such as the learning rate, are not part of the state.
        """
        return {name: array.copy() for name, array in self._memory().items()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Set every array that the rule remembers; all of them, or none.

        The parameters must be in the order in which the saved optimiser had them. A net and its
        optimiser in one file, by `engine.write_arrays`:

            arrays = {f"net {name}": array for name, array in net.state_dict().items()}
            arrays |= {f"optimiser {name}": a for name, a in optimiser.state_dict().items()}

        Raises: ValueError naming missing and unknown arrays and wrong shapes; the optimiser is then
            as it was.
        """
        memory = self._memory()
        unknown = f"is no part of the state of {self!r}"
        for name, array in fitted(memory, state, repr(self), unknown).items():
            memory[name][...] = array

    def _memory(self) -> dict[str, Array]:
        """The arrays that the rule remembers between steps, by name; loading writes into them."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lr={self.lr})"

    @abstractmethod
    def _change(self, i: int, p: Tensor) -> None:
        """Change the i-th parameter, which has a gradient."""


def _positive(name: str, value: float, what: str) -> float:
    number = _real(name, value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name}={value}; {what} must be positive and finite")
    return number


def _below_one(name: str, value: float) -> float:
    number = _real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name}={value}; it must be at least 0 and below 1")
    return number


def _real(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r}; it must be a number")
    return float(value)


def _gradient(p: Tensor) -> Array:
    return np.empty(0) if p.grad is None else p.grad.numpy()


class _Factors:
    """xᵀ·g, not multiplied out: for a batch of ten a hundredth of the size of ∂L/∂W."""

    __array_ufunc__ = None  # array + factors is computed here

    def __init__(self, x: Array, g: Array) -> None:
        self.x, self.g = x, g
        self.shape, self.dtype = (x.shape[1], g.shape[1]), x.dtype

    def __add__(self, other: Any) -> Array:
        return np.asarray(_whole(self) + _whole(other))

    __radd__ = __add__


def _whole(gradient: Any) -> Any:
    return matmul(gradient.x.T, gradient.g) if isinstance(gradient, _Factors) else gradient


@final
class _Product:
    """Where SGD(fused=True) sends a parameter's gradient: factors, until somebody looks."""

    untraced = "which SGD(…, fused=True) leaves out; train with fused=False while you trace"

    def __init__(self) -> None:
        self._sum: Any = None

    def product(self, x: Array, g: Array) -> _Factors:
        return _Factors(x.copy(), g)  # x may be a variable, and change before the step

    def add(self, gradient: Any) -> None:
        if self._sum is None:
            self._sum = gradient
        elif isinstance(gradient, Tensor):  # of a recorded backward pass
            self._sum = gradient + _whole(self._sum)
        else:
            with no_grad():
                self._sum = _whole(self._sum) + _whole(gradient)

    @property
    def factors(self) -> tuple[Array, Array] | None:
        """x and g, where the gradient is one product xᵀ·g at which nobody has looked."""
        return (self._sum.x, self._sum.g) if isinstance(self._sum, _Factors) else None

    @property
    def is_empty(self) -> bool:
        return self._sum is None

    def get(self) -> Tensor | None:
        if self._sum is not None and not isinstance(self._sum, Tensor):
            self._sum = Tensor(_whole(self._sum))
        return self._sum

    def set(self, gradient: Tensor | None) -> None:
        self._sum = gradient


@final
class SGD(Optimizer):
    """Gradient descent: θ ← θ − η g; with momentum μ: v ← μ v + g, θ ← θ − η v.

    With `nesterov`, θ ← θ − η (g + μ v) (Sutskever et al. 2013, in PyTorch's form).

    With `fused`, W ← W − η xᵀ·∂L/∂s in one pass over each layer's W, and ∂L/∂W is not written: at
    batches of up to some tens about half of the time of a step. `W.grad` still shows it, multiplied
    out at that moment. The steps are the same to rounding. For plain gradient descent only.

    Raises: ValueError for μ outside [0, 1), Nesterov without momentum, or momentum with `fused`.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__(params, lr)
        momentum = _below_one("momentum", momentum)
        if nesterov and momentum == 0:
            raise ValueError("nesterov=True needs a momentum above 0")
        if fused and momentum:
            raise ValueError(
                f"fused=True leaves out ∂L/∂W, which momentum={momentum} has to add up; use one or "
                "the other"
            )
        self.momentum, self.nesterov, self.fused = momentum, nesterov, fused
        self._products = [_Product() for _ in self.params] if fused else []
        for p, product in zip(self.params, self._products, strict=False):
            p.send_grad_to(product)
        self._velocity: list[Array | None] = [None] * len(self.params)

    def _change(self, i: int, p: Tensor) -> None:
        if self.momentum == 0:
            factors = self._products[i].factors if self.fused else None
            if factors is None:
                p.descend(self.lr)
            else:
                p.move_by_product(*factors, -self.lr)
            return
        g, v = _gradient(p), self._velocity[i]
        if v is None:
            v = self._velocity[i] = g.copy()
        else:
            v *= self.momentum
            v += g
        p.move(g + self.momentum * v if self.nesterov else v, -self.lr)

    def _memory(self) -> dict[str, Array]:
        if self.momentum == 0:
            return {}
        for i, p in enumerate(self.params):
            if self._velocity[i] is None:
                self._velocity[i] = np.zeros(p.shape, p.dtype)
        return {f"velocity {i}": v for i, v in enumerate(self._velocity) if v is not None}

    def __repr__(self) -> str:
        return f"SGD(lr={self.lr}, momentum={self.momentum})"


@final
class Adam(Optimizer):
    """Steps of about η, whatever the gradient's scale (Kingma & Ba 2015, algorithm 1).

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε), with
    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).

    Raises: ValueError for betas that are no pair in [0, 1), and ε that is not positive and finite.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            raise ValueError(f"betas={betas!r}; give a pair (β₁, β₂), as (0.9, 0.999)") from None
        self.betas = _below_one("betas[0]", beta1), _below_one("betas[1]", beta2)
        self.eps = _positive("eps", eps, "it")
        self._m = [np.zeros(p.shape, p.dtype) for p in self.params]
        self._v = [np.zeros(p.shape, p.dtype) for p in self.params]
        self._steps = np.zeros(len(self.params), np.int64)

    def _change(self, i: int, p: Tensor) -> None:
        g = _gradient(p)
        m, v = self._m[i], self._v[i]
        beta1, beta2 = self.betas
        self._steps[i] += 1
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        t = int(self._steps[i])  # β ** NumPy's integer would be a float64, and so would be m̂
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p.move(m_hat / (np.sqrt(v_hat) + self.eps), -self.lr)

    def _memory(self) -> dict[str, Array]:
        moments = {"m": self._m, "v": self._v}
        named = {f"{name} {i}": a for name, arrays in moments.items() for i, a in enumerate(arrays)}
        return {**named, "steps": self._steps}
