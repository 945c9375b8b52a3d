"""Layers are found in the graph of operations, however a net was written."""

import cProfile
import math
import pstats
from itertools import pairwise

import numpy as np
import pytest

from engine import (
    ACTIVATIONS,
    QUANTITIES,
    Tensor,
    activation,
    affine,
    concatenate,
    cross_entropy,
    custom_vjp,
    dense,
    place,
    prelu,
    sigmoid,
    tanh,
    trace,
)
from nn import SGD

RNG = np.random.default_rng(0)
N, INPUTS, K = 40, 12, 5
X = RNG.normal(size=(N, INPUTS))
LABELS = np.arange(N) % K
KEEP = pytest.mark.parametrize("keep", ["arrays", "stats"])


@activation
def swish_of_layers(s, b=1.0):
    return s * sigmoid(b * s)


ACTIVATIONS.pop("swish_of_layers")  # other tests run over all that are registered


def variables(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (
            Tensor(rng.normal(size=(n, m)) / math.sqrt(n), requires_grad=True, name=f"W{i}"),
            Tensor(0.1 * rng.normal(size=m), requires_grad=True, name=f"b{i}"),
        )
        for i, (n, m) in enumerate(pairwise(sizes))
    ]


def inside(x, W, b, f):
    return dense(x, W, b, f)


def after_dense(x, W, b, f):
    return f(dense(x, W, b))


def by_hand(x, W, b, f):
    return f(x @ W + b)


def bias_first(x, W, b, f):
    return f(b + x @ W)


def bias_on_dense(x, W, b, f):
    return f(dense(x, W) + b)


def transposed(x, W, b, f):
    """As PyTorch keeps its weights."""
    return f(x @ Tensor.transpose(Tensor.transpose(W)) + b)


WAYS = [inside, after_dense, by_hand, bias_first, bias_on_dense, transposed]


def run(way, f, keep="arrays", sizes=(INPUTS, 16, 16, 16, K)):
    parameters = variables(sizes)
    h = Tensor(X)
    with trace(keep) as t:
        for i, (W, b) in enumerate(parameters):
            with place(f"layer {i + 1}"):
                h = way(h, W, b, f) if i + 2 < len(sizes) else dense(h, W, b)
        cross_entropy(h, LABELS).backward()
    return t, parameters


@KEEP
@pytest.mark.parametrize("f", [sigmoid, tanh, swish_of_layers], ids=str)
@pytest.mark.parametrize("way", WAYS[1:])
def test_all_ways_of_writing_a_net_read_the_same(way, f, keep):
    want, _ = run(inside, f, keep)
    t, parameters = run(way, f, keep)
    assert str(t) == str(want)
    assert str(t.diagnose()) == str(want.diagnose())
    assert str(t.diagnose(lr=100)) == str(want.diagnose(lr=100))
    for row, other in zip(t.layers, want.layers, strict=True):
        assert (row.f, row.fan_in, row.fan_out, row.batch) == (
            other.f, other.fan_in, other.fan_out, other.batch,
        )  # fmt: skip
        for name in QUANTITIES:
            a, b = row.statistics(name), other.statistics(name)
            assert (a is None) == (b is None), name
            if a is not None:
                assert a.shape == b.shape
                np.testing.assert_allclose([a.rms, a.min], [b.rms, b.min], rtol=1e-12)
    if keep == "arrays":
        for name, kind in (("layer 2", {"weight": (3, 5)}), ("layer 1", {"bias": 2})):
            assert str(t.explain(name, **kind)) == str(want.explain(name, **kind))
        assert t.explain("layer 2", weight=(3, 5)).total == pytest.approx(
            parameters[1][0].grad.numpy()[3, 5]
        )
        np.testing.assert_allclose(t.jacobians().end_to_end, want.jacobians().end_to_end)


def test_a_recurrence_written_by_hand_has_a_row_for_each_step():
    (W, b), (U, _) = variables((INPUTS, 8, 8))
    h, x = Tensor(np.zeros((N, 8))), RNG.normal(size=(6, N, INPUTS))
    with trace() as t:
        for step in x:
            with place("cell"):
                h = tanh(step @ W + h @ U + b)
        (h * h).sum().backward()
    assert [row.name for row in t.layers] == ["cell"] * 6
    row = t[3]
    assert [link.fans for link in row.links] == [(INPUTS, 8), (8, 8)]
    assert row.f is tanh and row.size() == "12+8→8"
    np.testing.assert_array_equal(row.x, x[3])
    np.testing.assert_array_equal(row.link(1).x, t[2].x_next)
    np.testing.assert_allclose(row.s, x[3] @ W.numpy() + t[2].x_next @ U.numpy() + b.numpy())
    np.testing.assert_allclose(row.dL_ds, row.dL_dx_next * (1 - row.x_next**2))
    np.testing.assert_allclose(sum(r.link(1).dL_dW for r in t.layers), U.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(sum(r.dL_db for r in t.layers), b.grad.numpy(), rtol=1e-12)
    assert "12+8→8" in str(t)
    explained = t.explain("cell", weight=(2, 3), link=1)
    assert explained.total == pytest.approx(U.grad.numpy()[2, 3])
    assert t.explain("cell", weight=(2, 3)).total == pytest.approx(W.grad.numpy()[2, 3])
    with pytest.raises(IndexError, match="2 links"):
        t.explain("cell", weight=(2, 3), link=2)


@KEEP
def test_a_layer_of_several_links_in_one_operation(keep):
    """`affine` reads as the same layer written by hand."""
    (W, b), (U, _) = variables((INPUTS, 8, 8))
    h = RNG.normal(size=(N, 8))
    gradients = []
    for write in (
        lambda: affine([(X, W), (h, U)], b, "tanh"),
        lambda: tanh(X @ W + h @ U + b),
    ):
        for variable in (W, U, b):
            variable.zero_grad()
        with trace(keep) as t, place("cell"):
            cross_entropy(write(), LABELS).backward()
        gradients.append([variable.grad.numpy() for variable in (W, U, b)])
        assert t[0].size() == "12+8→8" and t[0].f is tanh and t[0].name == "cell"
        sizes = [view.statistics("dL_dW").rms for view in t[0].by_link]
        sizes += [t[0].statistics(name).rms for name in ("s", "df_ds", "dL_ds", "dL_db", "x_next")]
        gradients[-1].append(np.array(sizes))
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-12)


def test_a_fused_step_of_affine_is_the_ordinary_one():
    (W, b), (U, _) = variables((INPUTS, 8, 8))
    h, start = RNG.normal(size=(N, 8)), [v.numpy().copy() for v in (W, U, b)]
    results = []
    for fused in (False, True):
        for variable, values in zip((W, U, b), start, strict=True):
            variable.assign(values)
            variable.zero_grad()
        optimiser = SGD([W, U, b], lr=0.1, fused=fused)
        cross_entropy(affine([(X, W), (h, U)], b, "tanh"), LABELS).backward()
        optimiser.step()
        results.append([v.numpy().copy() for v in (W, U, b)])
    for ordinary, fused_result, values in zip(*results, start, strict=True):
        np.testing.assert_allclose(fused_result, ordinary, rtol=1e-12)
        assert (ordinary != values).any()


def test_jacobians_follow_the_state_of_a_recurrence():
    t = recurrence(3)
    jacobians = t.jacobians(2)
    U, slopes = t["net / cell", 2].link(1).W, t["net / cell", 2].df_ds[0]
    want = np.linalg.svd(slopes[:, None] * U.T, compute_uv=False)
    np.testing.assert_allclose(jacobians.layers[2][0], want)


def test_operations_of_a_user_may_have_the_engines_names():
    """They are neither labels, nor transpositions, nor moves."""
    (W, _), (V, c) = variables((INPUTS, INPUTS, K))

    def named(name):
        def double(a):
            return a * 2.0

        double.__name__ = name
        operation = custom_vjp(double)
        operation.vjp(lambda g, y, a: g * 2.0)
        return operation

    with trace() as t:
        h = dense(X @ named("transpose")(W), V, c)
        h = named("reshape")(named("label")(h))
        dense(h, np.ones((K, 2))).sum().backward()
    assert [row.fan_in for row in t.layers] == [INPUTS, K]
    with pytest.raises(KeyError, match="no layer 'x'"):
        t.series("x", "y")


def test_affine_of_one_link_is_dense():
    (W, b), _ = variables((INPUTS, 8, K))
    np.testing.assert_array_equal(
        affine([(X, W)], b, "tanh").numpy(), dense(X, W, b, "tanh").numpy()
    )
    h = RNG.normal(size=(2, 20, 8))
    (U, _), _ = variables((8, 8, K))
    x = X.reshape(2, 20, INPUTS)
    y = affine([(x, W), (h, U)], b)
    np.testing.assert_allclose(y.numpy(), x @ W.numpy() + h @ U.numpy() + b.numpy())
    for links, c, words in (
        ([], None, "no links"),
        ([(X, W), (h, U)], None, "link 1 gives"),
        ([(X, W), (X, U)], None, "link 1 has x"),
        ([(x, W), (h, U)], U, "one bias for each unit"),
    ):
        with pytest.raises(ValueError, match=words):
            affine(links, c)


@KEEP
def test_a_learned_slope_is_the_layers_f(keep):
    (W, b), (V, c) = variables((INPUTS, 8, K))
    a = Tensor(np.full(8, 0.25), requires_grad=True)
    with trace(keep) as t:
        cross_entropy(dense(prelu(dense(X, W, b), a), V, c), LABELS).backward()
    assert [row.f.name for row in t.layers] == ["prelu", "identity"]
    assert t[0].f.parameters == {"a": 0.25}
    slopes = np.where(X @ W.numpy() + b.numpy() > 0, 1, 0.25)
    assert t[0].statistics("df_ds").mean == pytest.approx(slopes.mean())
    if keep == "arrays":
        np.testing.assert_array_equal(t[0].df_ds, slopes)
        np.testing.assert_allclose(t[0].dL_ds, t[0].dL_dx_next * slopes)
        value, gradient = t[0].learned["a"]
        np.testing.assert_array_equal(value, a.numpy())
        np.testing.assert_array_equal(gradient, a.grad.numpy())
        assert t[1].learned == {}


def test_what_is_taken_twice_is_no_part_of_one_layer():
    """s is taken by two activations, so it is not the inside of either's layer."""
    (W, b), (V, c) = variables((INPUTS, 8, K))
    with trace() as t:
        s = X @ W + b
        dense(tanh(s) * sigmoid(s), V, c).sum().backward()
    assert [row.f.name for row in t.layers] == ["identity", "identity"]
    np.testing.assert_array_equal(t[0].df_ds, np.ones((N, 8)))
    np.testing.assert_array_equal(t[0].dL_ds, t[0].dL_dx_next)


def test_a_skip_before_the_activation_is_no_bias():
    (W, b), _ = variables((INPUTS, INPUTS, K))
    with trace() as t:
        h = dense(X, W, b, "tanh")
        tanh(h @ W + h).sum().backward()
    assert [row.f.name for row in t.layers] == ["tanh", "identity"]
    assert t[1].b is None


def test_leading_axes_are_examples():
    (W, b), _ = variables((INPUTS, 8, K))
    x = RNG.normal(size=(4, 10, INPUTS))
    with trace() as t:
        tanh(x @ W + b).sum().backward()
        tanh(dense(x, W, b)).sum().backward()
    for row in t.layers:
        assert row.f is tanh and row.batch == 40
        np.testing.assert_allclose(row.s, (x @ W.numpy() + b.numpy()).reshape(40, 8))
        assert row.dL_ds.shape == (40, 8) == row.x_next.shape and row.x.shape == (40, INPUTS)


def test_a_recorded_backward_pass_adds_no_layers():
    (W, b), (V, c) = variables((INPUTS, 8, K))
    with trace() as t:
        cross_entropy(dense(dense(X, W, b, "tanh"), V, c), LABELS).backward(create_graph=True)
    assert len(t) == 2


def test_a_product_of_two_results_is_no_layer():
    """Attention: neither factor is a variable."""
    (W, b), _ = variables((INPUTS, 8, 8))
    with trace() as t:
        q, k = dense(X, W, b), dense(X, W, b)
        (q @ k.T).sum().backward()
    assert len(t) == 2


# --- what lies between two layers ----------------------------------------------------------------


def patches(h):
    """(N, H, W, C) to the 3×3 patches, (N, H − 2, W − 2, 9 C)."""
    n, height, width, channels = h.shape
    i = np.arange(height - 2)[:, None] + np.arange(3)
    j = np.arange(width - 2)[:, None] + np.arange(3)
    return h[:, i[:, None, :, None], j[None, :, None, :], :].reshape(
        n, height - 2, width - 2, 9 * channels
    )


@KEEP
def test_a_convolution_of_patches_has_the_fans_of_a_convolution(keep):
    """n counts the weights that an entry meets, 9 · 8 but for the edges, and not 8."""
    rng, channels = np.random.default_rng(0), 8
    std = math.sqrt(1 / (9 * channels))
    W = [
        Tensor(rng.normal(size=(9 * channels, channels)) * std, requires_grad=True)
        for _ in range(5)
    ]
    V = Tensor(rng.normal(size=(channels * 64, K)) / 30, requires_grad=True)
    x = rng.normal(size=(10, 18, 18, channels))
    with trace(keep) as t:
        h = Tensor(x)
        for i, kernel in enumerate(W):
            with place(f"conv {i + 1}"):
                h = sigmoid(patches(h) @ kernel)
        cross_entropy(h.reshape(10, -1) @ V, np.arange(10) % K).backward()
    (finding,) = [f for f in t.diagnose() if f.kind == "vanishing gradient"]
    numbers = finding.numbers
    assert 0.6 < numbers["n_var_W"] < 1
    assert math.sqrt(numbers["slope2"] * numbers["n_var_W"]) == pytest.approx(
        numbers["factor"], rel=0.1
    )
    assert "index" not in str(finding)
    assert 0.7 < numbers["predicted_factor"] < 1.3


@KEEP
def test_a_skip_is_named_with_its_own_factor(keep):
    rng = np.random.default_rng(0)
    W = [
        Tensor(rng.normal(size=(64, 64)) * math.sqrt(2 / 64), requires_grad=True) for _ in range(20)
    ]
    V = Tensor(rng.normal(size=(64, K)) / 8, requires_grad=True)
    with trace(keep) as t:
        h = Tensor(rng.normal(size=(100, 64)))
        for i, weights in enumerate(W):
            with place(f"block {i + 1}"):
                h = h + dense(h, weights, f="relu")
        cross_entropy(h @ V, np.arange(100) % K).backward()
    (finding,) = [f for f in t.diagnose() if "gradient" in f.kind]
    text = " ".join(str(finding).split())
    assert "a branch is added to what skips the branch: √(1 + E[f′²]·n·Var W) = 1.4" in text
    assert "remedy: scale the branch" in text and "wider" not in text
    factors = [float(off.split()[1]) for *_, off in finding.table]
    assert math.exp(np.mean(np.log(factors))) == pytest.approx(math.sqrt(2), rel=0.05)


# --- steps and names -----------------------------------------------------------------------------


def recurrence(steps, keep="arrays", numbered=False, losses=False):
    (W, b), (U, _) = variables((6, 8, 8))
    V = Tensor(RNG.normal(size=(8, K)), requires_grad=True)
    h, total = Tensor(np.zeros((10, 8))), 0.0
    with trace(keep) as t:
        for step in range(steps):
            with place("net"), place("cell", step if numbered else None):
                h = tanh(RNG.normal(size=(10, 6)) @ W + h @ U + b).named("h")
            if losses:
                total = total + cross_entropy(h @ V, np.arange(10) % K)
        (total if losses else cross_entropy(h @ V, np.arange(10) % K)).backward()
    return t


@KEEP
@pytest.mark.parametrize("numbered", [True, False])
def test_a_name_gives_all_steps(numbered, keep):
    t = recurrence(4, keep, numbered)
    rows = t["net / cell"]
    assert [row.step for row in rows] == [0, 1, 2, 3]
    assert t["net / cell", 2] is rows[2] and rows[2].label == "net / cell [2]"
    assert t["layer 1"].step is None
    assert "net / cell [3]" in str(t)
    with pytest.raises(KeyError, match=r"no step 9; there are \[0, 1, 2, 3\]"):
        t["net / cell", 9]
    want = [row.statistics("dL_ds").rms for row in rows]
    np.testing.assert_array_equal(t.series("net / cell", "dL_ds"), want)
    if keep == "arrays":
        assert len(t.explain("net / cell", bias=0).batches) == 4


@KEEP
def test_a_labelled_tensor_has_a_series(keep):
    t = recurrence(5, keep)
    sizes = t.series("h", "dL_dy")
    assert sizes.shape == (5,) and (np.diff(sizes) > 0).all()
    np.testing.assert_array_equal(t.series("h", "y", "max") <= 1, True)
    # Between two cells lies the label alone: what arrives at h is what arrives at x⁽ⁱ⁺¹⁾.
    np.testing.assert_allclose(sizes, t.series("net / cell", "dL_dx_next"))
    for arguments, words in (
        (("h", "dL_ds"), "has y and dL_dy"),
        (("h", "y", "middle"), "no statistic 'middle'"),
        (("c", "y"), "no layer 'c'"),
    ):
        with pytest.raises(KeyError, match=words):
            t.series(*arguments)


def test_a_label_changes_no_layer():
    (W, b), _ = variables((INPUTS, 8, K))
    with trace() as t:
        tanh((X @ W + b).named("s")).sum().backward()
    assert t[0].f is tanh
    np.testing.assert_array_equal(t.series("s", "dL_dy"), [t[0].statistics("dL_ds").rms])


@KEEP
@pytest.mark.parametrize("losses", [False, True])
def test_a_diagnosis_takes_time_in_proportion_to_the_steps(losses, keep):
    calls = []
    for steps in (100, 400):
        t = recurrence(steps, keep, losses=losses)
        profile = cProfile.Profile()
        profile.runcall(t.diagnose, lr=0.1)
        calls.append(pstats.Stats(profile).total_calls)
    assert calls[1] < 5 * calls[0]  # 16 if each step met all others


@KEEP
def test_two_heads_whose_outputs_are_added_are_two_layers(keep):
    (W, b), (V, c) = variables((INPUTS, 8, 8))
    h = Tensor(RNG.normal(size=(N, 8)))
    with trace(keep) as t:
        with place("one"):
            first = X @ W + b
        with place("two"):
            second = dense(h, V, c)
        (first + second).sum().backward()
    assert [row.name for row in t.layers] == ["one", "two"]
    assert t["one"].statistics("dL_ds").mean == t["two"].statistics("dL_ds").mean == 1
    with trace(keep) as t:
        with place("one"):
            first = X @ W + b
        with place("two"):
            second = dense(h, V, c)
        tanh(first + second).sum().backward()
    assert [row.name for row in t.layers] == ["one + two"]


@KEEP
def test_tied_weights_are_two_layers_of_one_variable(keep):
    """An autoencoder tanh(x W) Wᵀ: the rows have W and Wᵀ, and both know of the other."""
    (W, _), _ = variables((INPUTS, 8, 8))
    with trace(keep) as t:
        ((tanh(X @ W) @ W.T - X) ** 2).sum().backward()
    assert [row.label for row in t.layers] == ["layer 1", "layer 2"]
    assert [row.is_transposed for row in t.layers] == [False, True]
    # Statistics of two gradients do not tell those of their sum.
    assert ("update ratio" in str(t.diagnose(lr=1e9))) == (keep == "arrays")
    if keep == "arrays":
        np.testing.assert_allclose(t[0].dL_dW + t[1].dL_dW.T, W.grad.numpy(), rtol=1e-12)
        explained = t.explain("layer 1", weight=(9, 2))
        assert explained.total == pytest.approx(t[0].dL_dW[9, 2])
        assert "1 more call (layer 2)" in str(explained)


@KEEP
def test_a_first_step_without_a_gradient_stops_nothing(keep):
    """The forget gate of a cell whose state begins at 0: its W learns at all later steps."""
    (W, b), (V, _) = variables((INPUTS, INPUTS, K))
    c = np.zeros((N, INPUTS))
    h = Tensor(X)
    with trace(keep) as t:
        for step in range(4):
            with place("forget", step):
                gate = sigmoid(h @ W + b)
            c = gate * c + 0.5 * h
            h = tanh(c)
        cross_entropy(h @ V, LABELS).backward()
    assert t["forget", 0].statistics("dL_ds").rms == 0
    assert "no gradient" not in [finding.kind for finding in t.diagnose()]


@KEEP
def test_a_cell_of_joined_inputs_gets_no_false_cause(keep):
    """tanh([x, h] W): most rows of W meet the data, so n Var W of all rows explains nothing."""
    rng = np.random.default_rng(0)
    U = 0.2 * np.linalg.qr(rng.normal(size=(32, 32)))[0]
    joined = np.concatenate([rng.normal(size=(8, 32)) / 3, U])
    W, V = Tensor(joined, requires_grad=True), Tensor(rng.normal(size=(32, K)), requires_grad=True)
    h = Tensor(np.zeros((N, 32)))
    with trace(keep) as t:
        for step in range(8):
            with place("cell", step):
                h = tanh(concatenate([Tensor(rng.normal(size=(N, 8))), h], axis=1) @ W)
        cross_entropy(h @ V, LABELS).backward()
    (finding,) = [f for f in t.diagnose() if f.kind == "vanishing gradient"]
    assert "concatenate too" in finding.cause and "does not hold there" in finding.cause


@KEEP
def test_the_remedy_of_a_recurrence_counts_what_comes_in(keep):
    """With the remedy's variance for U, the factor is the one that was predicted."""
    factors = []
    for gain in (0.1, 2.54):
        rng = np.random.default_rng(1)
        W, U, V = (
            Tensor(rng.normal(size=shape) * math.sqrt(g / shape[0]), requires_grad=True)
            for shape, g in (((8, 128), 1.0), ((128, 128), gain), ((128, K), 1.0))
        )
        h = Tensor(np.zeros((N, 128)))
        with trace(keep) as t:
            for step in range(10):
                with place("cell", step):
                    h = tanh(Tensor(rng.normal(size=(N, 8))) @ W + h @ U)
            cross_entropy(h @ V, LABELS).backward()
        sizes = t.series("cell", "dL_ds")
        factors.append((sizes[0] / sizes[-1]) ** (1 / 9))
        if gain < 1:
            (finding,) = [f for f in t.diagnose() if f.kind == "vanishing gradient"]
            assert "tanh with Kaiming's variance 2.54 / fan_in" in finding.remedy
    assert finding.numbers["factor"] == pytest.approx(factors[0])
    assert finding.numbers["predicted_factor"] == pytest.approx(factors[1], rel=0.1)


def test_one_bad_step_is_named():
    W = variables((INPUTS, 64, 64, 64, 64, 64, K))
    W[2][0].assign(0.01 * W[2][0].numpy())
    h = Tensor(X)
    with trace() as t:
        for i, (weights, b) in enumerate(W):
            with place(f"layer {i + 1}"):
                h = dense(h, weights, b, "tanh" if i < 5 else "identity")
        cross_entropy(h, LABELS).backward()
    (finding,) = [f for f in t.diagnose() if f.kind == "vanishing gradient"]
    assert "most of it is the step from layer 3 back to layer 2" in finding.evidence
