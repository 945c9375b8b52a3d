"""The page of a trace: whole, self-contained, with every layer, and alive in a browser."""

import base64
import hashlib
import re

import numpy as np
import pytest

import engine
import nn
from engine import GraphError, Tensor, dense, place, trace
from experiments.figures.traced import layers_table
from experiments.pages.chart import chart
from experiments.pages.drawings import histogram, power_of_ten, strip
from experiments.pages.pictures import Picture
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


PICTURE = Picture.of("figure", b'<svg xmlns="http://www.w3.org/2000/svg"/>')


def made(t, about="a net", theory=None):
    return page(t, t.diagnose(), about, PICTURE, theory)


@pytest.fixture(scope="module")
def plain(parse):
    t = traced()
    text = made(t, "sigmoid, four layers")
    return t, text, parse(text)


def test_it_is_well_formed_and_loads_nothing(plain):
    _, text, parsed = plain
    parsed.check_whole(text)
    assert parsed.tags.count("script") == 1 and "url(" not in text


def test_only_the_pages_own_script_may_run(plain):
    _, text, parsed = plain
    script = re.search("<script>(.*)</script>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert parsed.policy["script-src"] == f"'sha256-{digest}'"


def test_it_opens_with_what_is_wrong_where_and_what_helps(plain):
    t, _, parsed = plain
    gravest = t.diagnose()[0]
    assert parsed.headings == [
        "Vanishing gradient in layer 1, layer 2, layer 3, layer 4", "The gradient by layer",
        "The layers", "The backward pass, from the loss to the input", "The diagnosis in full",
        "Distributions and profile",
    ]  # fmt: skip
    assert gravest.kind == "vanishing gradient" and gravest.layers[-1] == "layer 4"
    opening = (
        f"{parsed.headings[0]} What is wrong : {gravest.evidence} What helps : {gravest.remedy}"
    )
    assert opening in parsed.text[: parsed.text.index("The gradient by layer")]


def test_further_findings_are_named_after_the_gravest(parse):
    t = traced()
    two = engine.Diagnosis(
        [engine.Finding(kind, (kind[:2],), f"see {kind}", "why", "do") for kind in ("one", "two")],
        "looked",
    )
    text = parse(page(t, two, "a net", PICTURE)).text
    assert "One in on What is wrong : see one What helps : do Also: two in tw." in text


class TestChart:
    def test_each_layer_leads_to_its_step_from_the_loss_to_the_input(self, plain):
        t, text, _ = plain
        steps = {step.place: step.number for step in t.walk() if "dense" in step.rule}
        part = text[text.index('<div class="chart"') :]
        part = part[: part.index("</svg>")]
        assert re.findall('<a class="point" href="#step-(\\d+)" aria-label="([^:]*):', part) == [
            (str(steps[row.name]), row.name) for row in reversed(t.layers)
        ]
        assert part.count("<circle") == len(t.layers)

    def test_points_are_at_the_logarithm_of_the_measured_rms(self):
        t = traced(depth=6)
        drawn = chart(t, {i: i for i in range(7)})
        (left, low), (right, high) = drawn.ticks[0], drawn.ticks[-1]
        per_decade = (right - left) / (high - low)
        for point, row in zip(drawn.points, reversed(t.layers), strict=True):
            rms = np.sqrt(np.mean(np.square(row.dL_ds, dtype=float)))
            assert point.name == row.name and float(point.value) == pytest.approx(rms, rel=0.01)
            assert point.x == pytest.approx(left + per_decade * (np.log10(rms) - low), abs=0.02)
            assert 0 <= point.x <= 100
        assert [p.step for p in drawn.points] == [6, 5, 4, 3, 2, 1, 0]

    def test_theory_is_dotted_where_there_is_one_and_else_the_estimate(self):
        t, net = traced(depth=6, width=60), nn.MLP([7, *[60] * 6, 3], "sigmoid", rng=0)
        theory = nn.theory.predict_profile(net, [1.0])
        for given, count, name in ((theory, 5, "theory"), (None, 6, "mean-field estimate")):
            drawn = chart(t, {}, given)
            assert len(drawn.predicted) == count and drawn.prediction.startswith(name)
        # It meets what is measured in the last layer that it has an entry for.
        assert chart(t, {}, theory).predicted[0][0] == drawn.points[1].x

    def test_a_level_pass_looks_level_and_a_deep_one_has_room(self):
        drawn = chart(traced("tanh", depth=60, width=30), {})
        assert drawn.ticks[-1][1] - drawn.ticks[0][1] >= 2
        assert drawn.height < 600 and 15 < sum(p.labelled for p in drawn.points) < 30

    def test_what_is_no_number_is_said(self, parse):
        W = Tensor(np.zeros((3, 3)), requires_grad=True)
        with trace() as t:
            with place("looked at"):
                dense(np.ones((2, 3)), W)
            with place("dead"):
                dense(np.ones((2, 3)), W, f="relu").sum().backward()
        dead, other = chart(t, {1: 1}).points
        assert (dead.value, dead.x, dead.step) == ("0", None, 1)
        assert (other.value, other.x, other.step) == ("no gradient", None, None)
        assert "no gradient" in parse(made(t)).text
        x = np.full((2, 3), np.nan)
        with np.errstate(all="ignore"), trace() as t:
            dense(x, W, f="tanh").sum().backward()
        assert chart(t, {}).points[0].value == "NaN or Inf"


def test_powers_of_ten_stand_apart():
    for depth in (2, 8, 20):
        t = traced(depth=depth)
        for spread in spreads(t, t.walk())[-1]:
            xs = [x for x, _, _ in histogram(spread).ticks]
            if spread.backward:
                assert np.diff(xs).min(initial=100) > 60
    assert power_of_ten(-12) == "10⁻¹²"


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
    assert parsed.tags.count("img") == 1


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
    tops = [78 - float(y) for y in re.findall(r"V([\d.]+)H", histogram(named["∂L/∂s"]).bars)]
    np.testing.assert_allclose(tops, 70 * named["∂L/∂s"].heights, atol=0.06)
    assert step.number == 5


def test_the_strip_falls_as_the_gradient_does():
    heights = strip(traced(depth=8).walk())
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
    parsed.check_whole(text)


def test_a_name_that_no_file_can_hold(parse):
    text = made(traced(names=["half \ud800"]), "a\udcff")
    assert text.encode("utf-8") and "in half ?" in parse(text).text


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


def test_where_nothing_was_judged_it_does_not_say_healthy(parse):
    class NotJudged(engine.Diagnosis):
        healthy = False

    text = parse(page(traced(), NotJudged([], "no layer"), "a net", PICTURE)).text
    assert "Not judged no layer" in text and "Healthy" not in text


def test_forward_only_has_no_page():
    with trace() as t:
        dense(np.ones((2, 2)), Tensor(np.eye(2), requires_grad=True))
    with pytest.raises(GraphError, match="no backward pass"):
        page(t, engine.Diagnosis([], ""), "a net", PICTURE)


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
          () => click('td a[href="#step-4"]'), () => press("a"), () => click('.strip a:last-child'),
          () => press("ArrowRight"), () => document.querySelector(".point")
            .dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}))]) {
          act(); seen.push(at()); }
        document.body.dataset.seen = seen.join(" ");
        document.body.dataset.shown = [...document.querySelectorAll(".step")]
          .filter((step) => step.offsetHeight > 0).map((step) => step.id).join(" ");
        document.body.dataset.wider = document.documentElement.scrollWidth - innerWidth;
        """
        path = tmp_path / "page.html"
        text = plain[1].replace("</body>", f"<script>{reader}</script></body>")
        text = re.sub("script-src '[^']*'", "script-src 'unsafe-inline'", text)
        path.write_text(text, "utf-8")
        dom, said = dom_of(path, "#step-2")
        assert said == []
        assert 'data-seen="2 3 4 3 2 1 4 4 6 6 2"' in dom
        assert 'data-shown="step-2"' in dom
        assert dom.count('aria-current="step"') == 3  # in the chart, the table and the strip
        # A table may be wider than a telephone, the page may not.
        assert re.search(r'data-wider="(0|-\d+)"', dom)
