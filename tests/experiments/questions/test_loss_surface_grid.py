"""The cost over two weights: against a net whose weights are set one by one; flat and plateau."""

import numpy as np
import pytest

import nn
from experiments.questions.loss_surface_grid import (
    COSTS,
    Surface,
    dL_do,
    dL_do_formula,
    surface,
)

LOSSES = {"cross-entropy": nn.cross_entropy, "quadratic": nn.quadratic}


def drawn(hidden=4, classes=3, activation="tanh"):
    rng = np.random.default_rng(7)
    net = nn.MLP(
        [5, hidden, classes], activation, "xavier_normal", "xavier_normal", rng=rng,
        dtype=np.float64,
    )  # fmt: skip
    return net, rng.normal(size=(6, 5)), rng.integers(classes, size=6)


def assigned(parameter, value):
    changed = parameter.numpy().copy()
    changed[0, 0] = value
    parameter.assign(changed)


class TestSurface:
    @pytest.mark.parametrize("cost", COSTS)
    @pytest.mark.parametrize("shape", [(4, 3, "tanh"), (1, 2, "tanh"), (3, 4, "sigmoid")])
    def test_each_point_is_the_nets_own_cost_and_gradient(self, cost, shape):
        net, x, labels = drawn(*shape)
        weights = np.array([-3.0, -0.5, 0.0, 2.0])
        found = surface(net, x, labels, cost, weights)
        for i, w1 in enumerate(weights):
            for j, w2 in enumerate(weights):
                assigned(net.layers[0].W, w1)
                assigned(net.layers[1].W, w2)
                net.zero_grad()
                loss = LOSSES[cost](net(x), labels)
                loss.backward()
                assert found.cost[i, j] == pytest.approx(loss.item(), rel=1e-12)
                for layer, slope in zip(net.layers, (found.dL_dw1, found.dL_dw2), strict=True):
                    expected = layer.W.grad.numpy()[0, 0]
                    assert slope[i, j] == pytest.approx(expected, rel=1e-10, abs=1e-15)

    def test_the_net_stays_as_it_is(self):
        net, x, labels = drawn()
        before = {name: value.copy() for name, value in net.state_dict().items()}
        surface(net, x, labels, "quadratic", np.linspace(-1, 1, 5))
        assert all((before[name] == value).all() for name, value in net.state_dict().items())

    def test_an_unknown_cost(self):
        net, x, labels = drawn()
        with pytest.raises(ValueError, match="'hinge'; there are cross-entropy, quadratic"):
            surface(net, x, labels, "hinge", np.linspace(-1, 1, 5))


class TestFlatness:
    """Four points: a high plain, a valley, a low slope, the steepest."""

    made_up = Surface(
        cost=np.array([[2.0, 0.0], [0.5, 1.5]]),
        dL_dw1=np.array([[0.03, 0.0], [0.3, -3.0]]),
        dL_dw2=np.array([[0.04, 0.1], [0.4, 4.0]]),
    )

    def test_flat_is_a_small_gradient_whatever_the_cost(self):
        assert self.made_up.flat().tolist() == [[True, True], [False, False]]
        assert self.made_up.flat(0.015).tolist() == [[True, False], [False, False]]
        assert self.made_up.flat(0.2).tolist() == [[True, True], [True, False]]

    def test_a_plateau_is_flat_and_high(self):
        assert self.made_up.plateau().tolist() == [[True, False], [False, False]]
        assert self.made_up.plateau(1.01).tolist() == [[True, False], [False, True]]

    def test_the_middle_of_the_range_is_of_this_surface(self):
        raised = Surface(self.made_up.cost + 100, self.made_up.dL_dw1, self.made_up.dL_dw2)
        assert (raised.plateau() == self.made_up.plateau()).all()

    @pytest.mark.parametrize("points", [9, 41, 81])
    def test_inner_is_the_middle(self, points):
        weights = np.linspace(-10, 10, points)
        grid = np.broadcast_to(weights, (points, points))
        inner = Surface(grid, 2 * grid, grid.T).inner(2)
        assert inner.cost[0, [0, -1]].tolist() == [-5.0, 5.0]
        assert inner.dL_dw2[[0, -1], 0].tolist() == [-5.0, 5.0]
        assert inner.dL_dw1.shape == ((points + 1) // 2,) * 2
        assert Surface(grid, grid, grid).inner(1).cost.shape == grid.shape


class TestOutputs:
    @pytest.mark.parametrize("cost", COSTS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_formulas_against_differences_of_the_cost(self, cost, classes):
        rng = np.random.default_rng(3)
        o, labels = rng.normal(size=(4, classes)), rng.integers(classes, size=4)
        y, step = np.eye(classes)[labels], 1e-6

        def costs(o):
            p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
            if cost == "quadratic":
                return ((p - y) ** 2).sum(axis=1)
            return -np.log((p * y).sum(axis=1))

        for k in range(classes):
            moved = step * np.eye(classes)[k]
            slope = (costs(o + moved) - costs(o - moved)) / (2 * step)
            for found in (dL_do_formula(o, labels, cost), dL_do(o, labels, cost)):
                np.testing.assert_allclose(found[:, k], slope, rtol=1e-7, atol=1e-9)

    def test_of_two_classes_the_quadratics_carries_p_times_1_minus_p(self):
        o = np.array([[-8.0, 0.0], [0.0, 0.0], [3.0, 1.0]])
        p = 1 / (1 + np.exp(o[:, 1] - o[:, 0]))
        found = dL_do(o, np.array([0, 0, 1]), "quadratic")[:, 0]
        np.testing.assert_allclose(found, 4 * p * (1 - p) * (p - [1, 1, 0]), rtol=1e-12)
