"""`explain`: the terms are the pass's own numbers, and their sum is W.grad[j, k]."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import ACTIVATIONS, Explanation, GraphError, Tensor, dense, place, trace

NAMES = sorted(ACTIVATIONS)


class Net:
    """Three layers; the second is used twice when `twice`."""

    def __init__(self, rng, f, dtype, twice=False, width=5):
        sizes = [4, width, width, 3]
        self.W = [
            Tensor(rng.normal(size=s), requires_grad=True, dtype=dtype, name=f"W{i}")
            for i, s in enumerate(pairwise(sizes))
        ]
        self.b = [
            Tensor(rng.normal(size=n), requires_grad=True, dtype=dtype, name=f"b{i}")
            for i, n in enumerate(sizes[1:])
        ]
        self.f, self.twice = f, twice

    def __call__(self, x):
        order = (0, 1, 1, 2) if self.twice else (0, 1, 2)
        for i in order:
            with place(f"layer {i + 1}"):
                x = dense(x, self.W[i], self.b[i], self.f)
        return x


def traced(f="tanh", dtype=np.float64, seed=0, batch=7, **options):
    rng = np.random.default_rng(seed)
    net = Net(rng, f, dtype, **options)
    with trace() as t:
        (net(rng.normal(size=(batch, 4)).astype(dtype)) ** 2).mean().backward()
    return net, t


@given(
    f=st.sampled_from(NAMES),
    dtype=st.sampled_from([np.float32, np.float64]),
    twice=st.booleans(),
    seed=st.integers(0, 999),
    batch=st.integers(1, 40),
    examples=st.integers(0, 9),
    data=st.data(),
)
def test_the_sum_is_the_gradient(f, dtype, twice, seed, batch, examples, data):
    net, t = traced(f, dtype, seed, batch, twice=twice)
    layer = data.draw(st.integers(0, 2))
    j = data.draw(st.integers(0, net.W[layer].shape[0] - 1))
    k = data.draw(st.integers(0, net.W[layer].shape[1] - 1))
    for options, grad in (
        ({"weight": (j, k)}, net.W[layer].grad.numpy()[j, k]),
        ({"bias": k}, net.b[layer].grad.numpy()[k]),
    ):
        e = t.explain(f"layer {layer + 1}", examples=examples, **options)
        size = np.abs(e.terms).sum()
        rounding = 20 * np.finfo(dtype).eps
        assert abs(e.total - grad) <= rounding * size
        assert abs(e.gradient - grad) <= rounding * size
        assert len(e.terms) == batch * (2 if twice and layer == 1 else 1)
        # The factors shown are those whose product is the term.
        product = e.dL_dx_next * e.df_ds * e.x
        np.testing.assert_allclose(product, e.terms, rtol=1e-5 if dtype == np.float32 else 1e-12)
        shown = e.terms[e.order[: e.shown]].sum()
        assert shown + e.rest == pytest.approx(e.total, abs=1e-12 * size)
        lines = str(e).splitlines()
        assert max(map(len, lines)) <= 80
        assert sum("·" in line and "=" in line for line in lines) == 1 + min(examples, len(e.terms))


def test_the_largest_terms_come_first_with_the_pass_s_numbers():
    _, t = traced(batch=30)
    e = t.explain("layer 2", weight=(2, 3), examples=4)
    row = t[1]
    assert isinstance(e, Explanation)
    np.testing.assert_array_equal(e.x, row.x[:, 2])
    np.testing.assert_array_equal(e.dL_dx_next, row.dL_dx_next[:, 3])
    np.testing.assert_array_equal(e.terms, row.dL_ds[:, 3] * row.x[:, 2])
    np.testing.assert_array_equal(e.df_ds_exact, row.df_ds[:, 3])
    assert (np.diff(np.abs(e.terms[e.order])) <= 0).all()
    text = str(e)
    assert "the other 26" in text
    for n in e.order[:4]:
        assert re.search(rf"^ *{n}  .*{re.escape(f'{e.terms[n]:.5g}')}$", text, re.M)
    assert f"{e.total:.5g}" in text
    assert f"∂L/∂W[2, 3] = {row.dL_dW[2, 3]:.9g}" in text
    assert t.explain(1, weight=(-3, -2)).total == e.total
    assert t.explain(-2, weight=(2, 3)).total == e.total
    assert repr(e) == f"Explanation(layer 2, ∂L/∂W[2, 3] = {e.total:.6g})"


def test_a_layer_used_twice_is_one_sum_by_name_and_two_by_position():
    net, t = traced(twice=True)
    whole = t.explain("layer 2", weight=(1, 1))
    assert whole.batches == (7, 7)
    parts = [t.explain(i, weight=(1, 1)) for i in (1, 2)]
    assert parts[0].total + parts[1].total == pytest.approx(whole.total, rel=1e-12)
    assert whole.total == pytest.approx(net.W[1].grad.numpy()[1, 1], rel=1e-12)
    assert "1 more call (layer 2)" in str(parts[0])
    assert "more call" not in str(whole)
    assert re.search(r"^ *[12]:[0-6]  ", str(whole), re.M)
    n = int(np.argmax(np.abs(whole.terms)))
    assert f"{n // 7}:{n % 7}  " in str(whole)


def test_where_the_pass_s_slope_differs_from_the_exact_one_it_says_so():
    """1 − y² in float32 has few digits left where tanh is nearly 1; the terms keep to it."""
    W = Tensor([[1.0]], requires_grad=True, dtype=np.float32)
    x = np.array([[0.5], [6.5]], np.float32)
    with trace() as t:
        dense(x, W, f="tanh").sum().backward()
    e = t.explain(0, weight=(0, 0))
    assert e.total == pytest.approx(float(W.grad.numpy()[0, 0]), rel=1e-6)
    assert abs(e.df_ds[1] / e.df_ds_exact[1] - 1) > 1e-3
    assert "differs for 1 of 2" in " ".join(str(e).split())
    assert "differs" not in str(t.explain(0, weight=(0, 0)).latex())
    _, exact = traced("softplus")
    assert "differs" not in str(exact.explain(0, weight=(0, 0)))


def test_latex_and_html_hold_the_same_numbers():
    _, t = traced(batch=9, f="relu")
    e = t.explain("layer 1", weight=(0, 1), examples=3)
    latex = e.latex()
    assert latex.startswith(r"\begin{align*}") and latex.endswith(r"\end{align*}")
    assert latex.count("{") == latex.count("}")
    assert r"\underbrace" in latex and r"6\ more" in latex
    assert r"\times 10^" in t.explain(0, weight=(0, 1)).latex() or "e-" not in latex
    html = e._repr_html_()
    tags = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            assert not {name for name, _ in attrs} & {"src", "href"}  # self-contained

    Parser().feed(html)
    assert tags.count("tr") == 1 + 3 + 2
    for n in e.order[:3]:
        assert f"<td>{e.terms[n]:.5g}</td>" in html


def test_a_name_is_escaped_in_html():
    with trace() as t, place("<b> & co"):
        dense(np.ones((2, 2)), Tensor(np.ones((2, 2)), requires_grad=True)).sum().backward()
    assert "&lt;b&gt; &amp; co" in t.explain(0, weight=(0, 0))._repr_html_()


def test_a_weight_that_nobody_wanted_the_gradient_of():
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    with trace() as t:
        dense(x, np.ones((2, 2)), f="tanh").sum().backward()
    e = t.explain(0, weight=(0, 0))
    assert e.gradient is None
    assert "The pass gave" not in str(e)
    assert e.total == pytest.approx(3 * (1 - np.tanh(2) ** 2))


def test_a_nan_comes_first():
    x = np.ones((4, 2))
    x[2, 0] = np.nan
    with trace() as t:
        dense(x, Tensor(np.ones((2, 2)), requires_grad=True)).sum().backward()
    e = t.explain(0, weight=(0, 0))
    assert e.order[0] == 2
    assert np.isnan(e.total)
    assert "nan" in str(e)


def test_errors_say_what_is_there():
    _, t = traced()
    with pytest.raises(KeyError, match=r"layer 9.*layer 1.*layer 2.*layer 3"):
        t.explain("layer 9", weight=(0, 0))
    with pytest.raises(IndexError, match=r"layer 3 .*3 layers, 0 … 2"):
        t.explain(3, weight=(0, 0))
    with pytest.raises(IndexError, match=r"layer 1\.W: input j = 4 .*0 … 3"):
        t.explain("layer 1", weight=(4, 0))
    with pytest.raises(IndexError, match=r"layer 1\.W: unit k = -6 .*0 … 4"):
        t.explain("layer 1", weight=(0, -6))
    with pytest.raises(IndexError, match=r"layer 3\.b: unit k = 3 .*0 … 2"):
        t.explain("layer 3", bias=3)
    with pytest.raises(TypeError, match="integer"):
        t.explain("layer 1", weight=(0.5, 0))
    for options in ({}, {"weight": (0, 0), "bias": 0}, {"weight": 3}, {"weight": (1, 2, 3)}):
        with pytest.raises(ValueError, match="give"):
            t.explain("layer 1", **options)
    with pytest.raises(ValueError, match="examples=-1"):
        t.explain("layer 1", weight=(0, 0), examples=-1)
    with trace() as forward:
        Net(np.random.default_rng(0), "tanh", np.float64)(np.ones((2, 4)))
    with pytest.raises(GraphError, match=r"layer 1.*no backward pass"):
        forward.explain("layer 1", weight=(0, 0))
    with trace() as empty:
        pass
    with pytest.raises(IndexError, match="no layers"):
        empty.explain(0, weight=(0, 0))


def test_a_name_that_layers_share_is_refused():
    rng = np.random.default_rng(0)
    W = [Tensor(rng.normal(size=(3, 3)), requires_grad=True) for _ in range(2)]
    with trace() as t, place("twice"):
        dense(dense(np.ones((2, 3)), W[0]), W[1]).sum().backward()
    with pytest.raises(ValueError, match=r"'twice'.*\[0, 1\].*engine\.place"):
        t.explain("twice", weight=(0, 0))
    assert t.explain(1, weight=(0, 0)).total == pytest.approx(W[1].grad.numpy()[0, 0])
    with pytest.raises(ValueError, match="no bias"):
        t.explain(1, bias=0)
