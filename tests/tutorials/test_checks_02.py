"""The exercises of tutorial 2, with right and with typical wrong answers."""

import check
import numpy as np
import pytest


def slope(s):
    return 1 - np.tanh(s) ** 2


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def layer(dL_ds_of):
    """A layer's gradients where ∂L/∂s is a function of ∂L/∂x⁽ⁱ⁺¹⁾ and s."""

    def gradients(x, W, b, g):
        dL_ds = dL_ds_of(g, x @ W + b)
        return x.T @ dL_ds, dL_ds.sum(axis=0), dL_ds @ W.T

    return gradients


right_layer = layer(lambda g, s: g * sigmoid(s) * (1 - sigmoid(s)))


def changed(change):
    return lambda x, W, b, g: change(*right_layer(x, W, b, g), len(x))


def by_loops(x, W, b, g):
    dW, db, dx = np.zeros_like(W), np.zeros_like(b), np.zeros_like(x)
    for n, row in enumerate(x):
        for k in range(len(b)):
            f = sigmoid(row @ W[:, k] + b[k])
            ds = g[n, k] * f * (1 - f)
            db[k] += ds
            dW[:, k] += ds * row
            dx[n] += ds * W[:, k]
    return dW, db, dx


def with_engine(x, W, b, g):
    from engine import Tensor, dense

    tensors = [Tensor(a, requires_grad=True) for a in (W, b, x)]
    dense(tensors[2], tensors[0], tensors[1], "sigmoid").backward(g)
    return tuple(tensor.grad for tensor in tensors)


def with_column(x, W, b, value):
    return np.hstack([x, np.full((len(x), 1), value)]), np.vstack([W, b])


RIGHT = [
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[k] * x[j]),
    (check.layer_gradient, right_layer),
    (check.layer_gradient, by_loops),
    (check.layer_gradient, with_engine),
    (check.bias_as_weight, lambda x, W, b: with_column(x, W, b, 1)),
    (
        check.bias_as_weight,
        lambda x, W, b: (np.hstack([np.ones((len(x), 1)), x]), np.vstack([b, W])),
    ),
]
WRONG = [
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[j] * x[j], "which unit holds w_jk?"),
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[j] * x[k], "changed places"),
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[k] * x[k], "another input"),
    (check.weight_slope, lambda x, W, j, k: x[j], "that is ∂s_k/∂w_jk"),
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[k], "from w_jk to s_k is missing"),
    (check.weight_slope, lambda x, W, j, k: slope(x @ W)[k] * W[j, k], "here the weight moves"),
    (check.weight_slope, lambda x, W, j, k: slope(x @ W) * x[j], "single number"),
    (check.weight_slope, lambda x, W, j, k: np.tanh(x @ W)[k] * x[j], "where f′(s_k) belongs"),
    (check.weight_slope, lambda x, W, j, k: slope(W @ x)[k] * x[j], "this is Wx"),
    (check.weight_slope, lambda x, W, j, k: slope(x[j] * W[j, k]) * x[j], "input j alone"),
    (check.weight_slope, lambda x, W, j, k: 0.9, "the slope for j = 0, k = 1 is too large"),
    (check.layer_gradient, layer(lambda g, s: g), "f′(s) is missing"),
    (check.layer_gradient, layer(lambda g, s: g * slope(s)), "f′ is tanh's"),
    (check.layer_gradient, layer(lambda g, s: g * (1 - sigmoid(s) ** 2)), "tanh's rule"),
    (check.layer_gradient, layer(lambda g, s: g * sigmoid(s)), "not complete"),
    (check.layer_gradient, layer(lambda g, s: g * s * (1 - s)), "of f(s), not of s"),
    (check.layer_gradient, layer(lambda g, s: -g), "entries are wrong"),
    (check.layer_gradient, lambda x, W, b, g: right_layer(x, W, 0 * b, g), "the f′ of xW"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, x[:, 0], x)), "one for each unit"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, b.sum(), x)), "over the units too"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W / n, b / n, x)), "averaged"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, b / n, x)), "∂L/∂b: the batch"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W.T, b, x)), "the transpose"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, b, x.T)), "the transpose"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, b)), "return 3 things"),
    (check.layer_gradient, changed(lambda W, b, x, n: (W, b, 2 * x)), "2 times"),
    (check.layer_gradient, lambda x, W, b, g: (g @ x, b, x), "raises ValueError"),
    (check.bias_as_weight, lambda x, W, b: (x, W), "one input more"),
    (check.bias_as_weight, lambda x, W, b: (with_column(x, W, b, 1)[0], W), "one row more"),
    (check.bias_as_weight, lambda x, W, b: with_column(x, W, b, 0), "is 0"),
    (check.bias_as_weight, lambda x, W, b: with_column(x, W, b, 2), "is not 1"),
    (check.bias_as_weight, lambda x, W, b: with_column(x, W, 0 * b, 1), "no row of W₁ is b"),
    (check.bias_as_weight, lambda x, W, b: with_column(x, 0 * W, b, 1), "entries are wrong"),
    (
        check.bias_as_weight,
        lambda x, W, b: (np.hstack([np.ones((len(x), 1)), x]), np.vstack([W, b])),
        "not at the same place",
    ),
]


@pytest.mark.parametrize(("looks", "answer"), RIGHT)
def test_right_answers(looks, answer):
    verdict = looks(answer)
    assert verdict, verdict


@pytest.mark.parametrize(("looks", "answer", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_wrong_answers(looks, answer, said):
    verdict = looks(answer)
    assert not verdict
    assert said in " ".join(str(verdict).split())


def test_a_batch_that_is_not_summed_over():
    def rows(x, W, b, g):
        dL_dW, _, dL_dx = right_layer(x, W, b, g)
        return dL_dW, g, dL_dx

    assert "a row for each example" in " ".join(str(check.layer_gradient(rows)).split())
