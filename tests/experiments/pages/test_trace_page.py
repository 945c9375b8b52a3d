"""The page of a trace: whole, self-contained, with every layer, and alive in a browser."""

import re

import numpy as np
import pytest

import engine
import nn
from engine import GraphError, Tensor, dense, place, trace
from experiments.figures.traced import inline_svg, layers_table
from experiments.pages.drawings import histogram, strip
from experiments.pages.spreads import spreads
from experiments.pages.trace_page import page

HOSTILE = """a<script>alert('1')</script>"&amp;-->b"""


def traced(f="sigmoid", depth=4, width=12, names=None):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 7)), rng.integers(0, 3, 20)
    net = nn.MLP([7, *[width] * depth, 3], f, "xavier_uniform", rng=0)
    for layer, name in zip(net.layers, names or (), strict=False):
        layer.rename(name)
    with trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t


def made(t, about="a net"):
    return page(t, t.diagnose(), about, inline_svg(t.plot()))


@pytest.fixture(scope="module")
def plain(parse):
    t = traced()
    text = made(t, "sigmoid, four layers")
    return t, text, parse(text)


def test_it_is_well_formed_and_loads_nothing(plain):
    _, text, parsed = plain
    assert re.search("https?://", text) is None
    assert "@import" not in text and "<link" not in text
    assert len(set(parsed.ids)) == len(parsed.ids)
    for tag, name, value in parsed.attributes:
        assert name != "src" and not name.startswith("on")
        if name.endswith("href"):
            assert value.startswith("#") and value[1:] in parsed.ids, (tag, value)
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert parsed.tags.count("script") == 1


def test_table_diagnosis_figure_and_every_step_are_there(plain):
    t, text, parsed = plain
    walk = t.walk()
    assert [i for i in parsed.ids if i.startswith("step-")] == [
        f"step-{n}" for n in range(1, len(walk) + 1)
    ]
    for row in t.layers:
        assert parsed.text.count(f"dense ({row.f.name}) in {row.name}") >= 1
        assert f'">{row.name}</a>' in text
    for step in walk:
        assert f"Step {step.number} of {step.of}: {step.rule}" in parsed.text
        assert f"{step.norm:.4g}" in parsed.text
        for sent in step.out:
            assert sent.factor is None or f"× {sent.factor:.4g}" in parsed.text
            assert sent.to in parsed.text
    for finding in t.diagnose():
        for part in (finding.kind, finding.evidence, finding.cause, finding.remedy):
            assert part in parsed.text
    assert parsed.tags.count("svg") == 1 + sum(map(len, spreads(t, walk)))


def test_the_explained_weight_is_the_one_with_the_largest_gradient(plain):
    t, _, parsed = plain
    for row in t.layers:
        j, k = np.unravel_index(np.abs(row.dL_dW).argmax(), row.dL_dW.shape)
        assert f"The weight with the largest |∂L/∂w|: j = {j}, k = {k}" in parsed.text
        assert f"The pass gave ∂L/∂W[{j}, {k}] = {row.dL_dW[j, k]:.9g}." in parsed.text


def test_the_bars_are_the_distributions(plain):
    t, _, _ = plain
    walk = t.walk()
    step, found = next(
        (s, f) for s, f in zip(walk, spreads(t, walk), strict=True) if s.place == "layer 2"
    )
    named = {spread.name: spread for spread in found}
    assert list(named) == ["s", "f′(s)", "∂L/∂x⁽ⁱ⁺¹⁾ = g", "∂L/∂s", "∂L/∂x", "∂L/∂W", "∂L/∂b"]
    row = t["layer 2"]
    for name, array in (("∂L/∂s", row.dL_ds), ("∂L/∂W", row.dL_dW)):
        spread = named[name]
        want = np.histogram(np.abs(array), spread.edges)[0]
        np.testing.assert_allclose(spread.heights, want / want.max())
        assert spread.rms == pytest.approx(np.sqrt(np.mean(np.square(array, dtype=float))))
    want = np.histogram(row.s, named["s"].edges)[0]
    np.testing.assert_allclose(named["s"].heights, want / want.max())
    # All steps share their axes, so that one sees the gradient move.
    assert all(
        np.array_equal(s.edges, named["∂L/∂s"].edges)
        for found in spreads(t, walk)
        for s in found
        if s.backward
    )
    path = re.search(r'class="bars" d="([^"]*)"', histogram(named["∂L/∂s"]))[1]
    tops = [78 - float(y) for y in re.findall(r"V([\d.]+)H", path)]
    np.testing.assert_allclose(tops, 70 * named["∂L/∂s"].heights, atol=0.06)
    assert step.number == 5


def test_the_strip_falls_as_the_gradient_does():
    heights = [float(h) for h in re.findall(r"height:(\d+)%", strip(traced(depth=8).walk()))]
    assert len(heights) == 10
    assert heights[2:] == sorted(heights[2:], reverse=True) and heights[-1] < 20


def test_a_hostile_name_is_only_text(parse):
    t = traced(names=[r"$\frac$", HOSTILE])
    text = made(t, HOSTILE)
    parsed = parse(text)
    assert parsed.tags.count("script") == 1
    assert "<script>alert" not in text
    assert r"in $\frac$ " in parsed.text
    assert parsed.text.count(HOSTILE) >= 4  # title, line above, table, its step


def test_zeros_not_finite_numbers_and_frozen_weights_have_a_page(parse):
    x = np.ones((4, 3))
    x[0, 0] = np.nan
    frozen = Tensor(np.eye(3))
    W = Tensor(np.zeros((3, 3)), requires_grad=True)
    with np.errstate(all="ignore"), trace() as t:
        with place("first"):
            s = dense(x, W, f="relu")
        with place("frozen"):
            s = dense(s, frozen, f="tanh")
        (s * s).sum().backward()
    parsed = parse(made(t))
    assert "non-finite" in parsed.text and "NaN or Inf" in parsed.text
    assert "not wanted" in parsed.text
    assert parsed.text.count("The weight with the largest") == 1
    with trace() as t:
        dense(np.ones((4, 3)), W, f="relu").sum().backward()
    assert "nothing but zeros" in parse(made(t)).text


def test_a_healthy_net_is_called_healthy(parse):
    t = traced("tanh", width=64)
    assert t.diagnose().healthy
    assert "Healthy: nothing found." in parse(made(t)).text


def test_forward_only_has_no_page():
    with trace() as t:
        dense(np.ones((2, 2)), Tensor(np.eye(2), requires_grad=True))
    with pytest.raises(GraphError, match="no backward pass"):
        page(t, engine.Diagnosis([], ""), "a net", "")


def test_the_terminal_table_takes_names_as_they_are():
    from io import StringIO

    from rich.console import Console

    t = traced(names=["[red]one", "an encoder of a very long name / block 7 / projection"])
    out = StringIO()
    Console(file=out, width=80).print(layers_table(t))
    text = out.getvalue()
    assert "[red]one" in text and "an encoder o…" in text
    assert max(map(len, text.splitlines())) <= 80


class TestInABrowser:
    def test_the_script_runs_and_nothing_complains(self, plain, tmp_path, dom_of):
        path = tmp_path / "page.html"
        path.write_text(plain[1], encoding="utf-8")
        dom, said = dom_of(path)
        assert said == []
        assert re.search(r'<html[^>]*class="walking"', dom)
        assert re.search(r'<html[^>]*data-step="1"', dom)
        assert dom.count('class="step current"') == 1
        assert re.search(r'<button id="previous"[^>]*disabled', dom)

    def test_one_walks_with_buttons_keys_and_links(self, plain, tmp_path, dom_of):
        # What a reader would do, as a second script after the page's own; it notes each step.
        reader = """
        const at = () => document.documentElement.dataset.step, seen = [at()];
        const press = (key) => document.body.dispatchEvent(
          new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
        const click = (what) => document.querySelector(what).click();
        for (const act of [() => click("#next"), () => press("ArrowRight"),
          () => press("ArrowLeft"), () => click("#previous"), () => click("#previous"),
          () => click('a[href="#step-4"]'), () => press("a"), () => click('.strip a:last-child'),
          () => press("ArrowRight")]) { act(); seen.push(at()); }
        document.body.dataset.seen = seen.join(" ");
        document.body.dataset.shown = [...document.querySelectorAll(".step")]
          .filter((step) => step.offsetHeight > 0).map((step) => step.id).join(" ");
        document.body.dataset.wider = document.documentElement.scrollWidth - innerWidth;
        """
        path = tmp_path / "page.html"
        path.write_text(plain[1].replace("</body>", f"<script>{reader}</script></body>"), "utf-8")
        dom, said = dom_of(path, "#step-2")
        assert said == []
        assert 'data-seen="2 3 4 3 2 1 4 4 6 6"' in dom
        assert 'data-shown="step-6"' in dom
        # A table may be wider than a telephone, the page may not.
        assert re.search(r'data-wider="(0|-\d+)"', dom)
