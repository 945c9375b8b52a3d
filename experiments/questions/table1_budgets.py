"""How much training `table1` does for each of its three budgets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Attributes:
    width: units in each hidden layer.
    updates: of a net whose test error counts.
    search_updates: of a net that tries a learning rate.
    lrs: the learning rates that are tried.
    seeds: nets whose test errors make a mean and its interval.
    """

    width: int
    updates: int
    search_updates: int
    lrs: tuple[float, ...]
    seeds: int


BUDGETS = {
    "minutes": Budget(100, 9_000, 2_500, (0.03, 0.1, 0.3), 3),
    "hours": Budget(400, 400_000, 80_000, (0.01, 0.03, 0.1, 0.3), 5),
    # The paper does not give its learning rates.
    "paper": Budget(1000, 5_000_000, 500_000, (0.003, 0.01, 0.03, 0.1, 0.3), 5),
}

EXAMPLES = {
    "shapeset": (0, 5_000, 5_000),
    "mnist": (50_000, 10_000, 10_000),
    "cifar10": (8_000, 2_000, 1_000),
}
"""Training, validation and test examples; 0: ever new ones, as in the paper. Of CIFAR-10 there is
the first training batch alone, a fifth of the paper's data."""
