"""`article`: each erratum's number by hand, the verdicts it reads, and that it repeats itself."""

import importlib
import json
import math
import pkgutil
import re
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments import questions
from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.records import ClaimRecord, Record
from experiments.lab.results import save_result
from experiments.questions import QUESTIONS, article_measures
from experiments.questions.article import PRESETS, Settings, run
from experiments.questions.article_errata import ERRATA, Erratum, Judged
from experiments.questions.article_measures import Quantity
from experiments.questions.article_sentences import ORDER, SENTENCES, Sentence, lines

TINY = Settings(width=100, draws=150)
TEXT_ALONE = {"E2", "E4", "E5", "E13", "E15"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return run(replace(TINY, results=tmp_path_factory.mktemp("empty")), Silent())


def measured(name, seed=0, width=200, draws=30):
    found = getattr(article_measures, name)(width, draws, np.random.default_rng(seed))
    return {q.label: q for q in found}


def record(question, *claims, data="shapeset", folder=None):
    made = tuple(
        ClaimRecord(id, "", "", "", verdict, False, False, (), (), (), 0) for id, verdict in claims
    )
    settings = {"data": data}
    return Record(Path(folder or question), question, "", settings, {}, 1.0, made, {})


class TestErrata:
    def test_all_sixteen_and_the_papers_two(self):
        assert [e.id for e in ERRATA] == [f"E{n}" for n in range(1, 17)] + ["P6", "P13"]
        assert {e.id for e in ERRATA if e.measure is None} == TEXT_ALONE
        for erratum in ERRATA:
            assert erratum.quote and erratum.statement.source
            assert erratum.statement.exact == (erratum.measure is not None)
        assert [e.id for e in ERRATA if e.statement.recalled] == ["E13"]

    def test_what_it_should_say_holds_and_what_it_says_does_not(self, tiny):
        verdicts = {e["id"]: (e["article"], e["correction"]) for e in tiny.measurements["errata"]}
        for id, (article, correction) in verdicts.items():
            if id in TEXT_ALONE:
                assert (article, correction) == (None, None)
            elif id in ("E14", "E16"):  # it says nothing that has a number
                assert (article, correction) == (None, "holds")
            else:
                assert (article, correction) == ("does not hold", "holds"), id

    @pytest.mark.parametrize("preset", ["quick", "default"])
    def test_the_corrections_hold_in_the_presets(self, preset, tmp_path):
        settings = replace(QUESTIONS["article"].preset(preset), results=tmp_path, seed=1)
        assert {c.verdict for c in run(settings, Silent()).claims} == {"holds"}

    def test_a_wrong_correction_would_not_hold(self):
        exactly = Measured(0.25, 0.25, 0.25)
        statement = Statement("E0", "", "", Tolerance("relative", 0.05))
        judged = Judged(Erratum("", statement), (Quantity("σ′(0)", exactly, 0.5, says=0.25),))
        assert (judged.claim.verdict, judged.article) == ("does not hold", "holds")


class TestMeasures:
    """The numbers that the errata should have, written down apart from the code."""

    def test_the_weights_derivative_by_the_chain_rule(self):
        found = measured("weight_derivative")
        assert len(found) == 3
        rng = np.random.default_rng(0)
        x, W = rng.normal(size=3), rng.normal(size=(3, 3))
        for label, q in found.items():
            j, k = (int(d) - 1 for d in re.fullmatch(r"∂x_(\d)/∂w_(\d)\1", label).group(2, 1))
            s = [sum(x[i] * W[i, unit] for i in range(3)) for unit in range(3)]
            assert q.should == pytest.approx((1 - math.tanh(s[k]) ** 2) * x[j], rel=1e-12)
            assert q.says == pytest.approx((1 - math.tanh(s[j]) ** 2) * x[j], rel=1e-12)
            assert q.measured.value == pytest.approx(q.should, rel=1e-7)
            assert q.says != pytest.approx(q.should, rel=0.01)

    @pytest.mark.parametrize(
        ("name", "numbers"),
        [
            ("slopes_at_zero", {"σ′(0)": 0.25, "σ′ where σ(s) = .01": 0.0099, "tanh′(0)": 1}),
            (
                "slopes_far_out",
                {"tanh′(3)": 0.00986604, "tanh′(10)": 8.244614e-9, "σ′(-10)": 4.5395808e-5},
            ),
            ("equation_6", {"Var ∂Cost/∂s⁽ⁱ⁾ with W⁽ⁱ⁾ doubled": 1}),
            ("equation_13", {"Var ∂Cost/∂s⁽ⁱ⁾, cost × 10": 100}),
        ],
    )
    def test_numbers_that_are_no_draws(self, name, numbers):
        found = measured(name)
        assert {label: q.measured.value for label, q in found.items()} == pytest.approx(
            numbers, rel=1e-6
        )
        assert all(
            q.should == pytest.approx(numbers[label], rel=1e-6) for label, q in found.items()
        )

    @pytest.mark.parametrize(
        ("name", "numbers"),
        [
            ("xavier_both_ways", {"Var ∂L/∂x over Var ∂L/∂s": 0.496, "Var s over Var x": 1.504}),
            ("variance_of_s", {"Var s / (n Var w)": 0.5}),
            (
                "relu_moments",
                {
                    "Var x / Var s": 0.34085,
                    "E[x²] / Var s": 0.5,
                    "growth of E[s²] at Var w = 2.93/n": 1.46693,
                },
            ),
            (
                "kaiming_std",
                {"√n · std, uniform": 1.4142, "√n · bound, uniform": 2.4495,
                 "√n · std, normal": 1.4142},
            ),
            (
                "pytorch_beside_keras",
                {"PyTorch's bound over Keras's √(6/n)": 1,
                 "its std over nn.Linear's default": 2.4495,
                 "nn.Linear's bound, times √n": 1},
            ),
            ("graded", {"std / mean of active units": 0.75551}),
            ("exact_zeros", {"share of zeros": 0.5}),
            ("half_negated", {"Var x / E[x²], ReLU": 0.68169, "Var x / E[x²], half negated": 1}),
        ],
    )  # fmt: skip
    def test_numbers_of_draws(self, name, numbers):
        found = measured(name)
        assert list(found) == list(numbers)
        for label, q in found.items():
            assert q.should == pytest.approx(numbers[label], rel=1e-3)
            assert q.measured.value == pytest.approx(numbers[label], rel=0.04)
            assert q.measured.low < q.measured.high

    def test_the_posterior_factorises(self):
        found = measured("factorised_posterior")
        assert 0 <= found["max |p(h|v) − Π p(h_j|v)|"].measured.value < 1e-14


class TestSentences:
    def test_every_erratum_about_the_article_has_its_sentence(self):
        named = [s.erratum for s in SENTENCES if s.erratum]
        assert sorted(named) == sorted(e.id for e in ERRATA if e.id.startswith("E"))

    def test_they_are_in_the_articles_order_and_each_is_measured_by_something(self):
        sections = [s.section for s in SENTENCES]
        changes = sum(a != b for a, b in pairwise(sections))
        assert changes == len(set(sections)) - 1 == 6  # none comes twice
        assert all(s.claims or s.erratum for s in SENTENCES)
        named = {name.split(" ")[0] for s in SENTENCES for name in s.claims}
        assert named & set(QUESTIONS) <= set(ORDER) <= set(QUESTIONS)

    def test_the_claims_that_they_show_exist(self):
        """Those of other experiments are to come, and appear nowhere until then."""
        ids = set()
        for found in pkgutil.iter_modules(questions.__path__, "experiments.questions."):
            things = vars(importlib.import_module(found.name)).values()
            ids |= {thing.id for thing in things if isinstance(thing, Statement)}
        for question, id in (claim for sentence in SENTENCES for claim in sentence.existing):
            assert question in QUESTIONS and id in ids, f"{question} {id}"

    def test_verdicts_are_those_of_the_results(self):
        sentence = Sentence("", "", ("saturation G1", "saturation G3", "rbm B3"))
        found = [
            record("saturation", ("G1", "holds"), ("G1 others", "not shown"), ("G10", "holds")),
            record("saturation", ("G1", "does not hold"), data="mnist", folder="saturation-mnist"),
            record("vanishing", ("G3", "holds")),
        ]
        assert [
            (n.question, n.id, n.verdict, n.data, n.result, n.command)
            for n in lines(sentence, found)
        ] == [
            ("saturation", "G1", "holds", "shapeset", "saturation", ""),
            ("saturation", "G1 others", "not shown", "shapeset", "saturation", ""),
            ("saturation", "G1", "does not hold", "mnist", "saturation-mnist", ""),
            ("saturation", "G3", "not yet measured", None, None, "gradtrace run saturation"),
        ]

    def test_a_sentence_is_unmeasured_without_erratum_and_without_an_existing_experiment(self):
        assert Sentence("", "", ("rbm B3", "policy L1")).unmeasured
        assert not Sentence("", "", ("rbm B3", "saturation G1")).unmeasured
        assert not Sentence("", "", ("rbm B3",), "E16").unmeasured


class TestRun:
    def test_it_reads_the_results_beside_it(self, tmp_path, tiny):
        g12 = Statement("G12", "a sentence", "a source", Tolerance("at most", 1))
        vanishing = QUESTIONS["vanishing"]
        result = replace(tiny, claims=[g12.measured([1], [Measured(2, 2, 2)]), Claim(g12)])
        drawn = QUESTIONS["article"].figures(TINY, tiny)
        save_result(tmp_path / "vanishing", vanishing, vanishing.settings(), result, drawn, 1.0)
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken/result.json").write_text("[")
        found = run(replace(TINY, results=tmp_path), Silent()).measurements
        assert len(found["unreadable"]) == 1 and "broken" in found["unreadable"][0]
        named = [line for s in found["sentences"] for line in s["claims"]]
        g12s = [n for n in named if (n["question"], n["id"]) == ("vanishing", "G12")]
        assert {n["verdict"] for n in g12s} == {"does not hold"}
        r8 = [n for n in named if n["id"] == "R8"]
        assert [n["verdict"] for n in r8] == ["holds"]

    def test_the_same_seed_gives_the_same_bits(self, tiny):
        again = run(TINY, Silent())
        other = run(replace(TINY, seed=5), Silent())
        for name in tiny.arrays:
            assert again.arrays[name].tobytes() == tiny.arrays[name].tobytes()
        assert other.arrays["measured"].tobytes() != tiny.arrays["measured"].tobytes()

    def test_measurements_are_json(self, tiny):
        json.dumps(tiny.measurements, allow_nan=False)

    def test_what_can_be_shown(self, tiny):
        article = QUESTIONS["article"]
        for width in (80, 100):
            out = StringIO()
            for table in article.tables(TINY, tiny):
                Console(file=out, width=width).print(table)
            text = out.getvalue()
            assert max(map(len, text.splitlines())) <= width and "…" not in text.replace("[…]", "")
            assert "σ′(0): says 0, measured 0.25, should be 0.25" in " ".join(text.split())
        written = article.texts(TINY, tiny)["article.md"]
        rows = [line for line in written.splitlines() if line.startswith("|")]
        unmeasured = [sentence for sentence in SENTENCES if sentence.unmeasured]
        assert len(rows) == len(SENTENCES) - len(unmeasured) + len(ERRATA) + 4
        for said in (" ".join(text.split()), written):
            assert "No experiment measures these sentences yet" in said
            assert "`gradtrace run initialization` measures what is not yet measured" in said
            assert all(said.count(f"“{sentence.quote}”") == 1 for sentence in unmeasured)
            assert re.search(r"(rbm|rectifier|alexnet|recurrent|policy) [A-Z]\d", said) is None
        given = [
            n for e in tiny.measurements["errata"] for n in e["numbers"] if n["says"] is not None
        ]
        ax = article.figures(TINY, tiny)["figure"].axes[0]
        assert len(ax.get_yticks()) == len(given) >= 15

    def test_the_figure_is_legible_and_its_title_counts_what_is_wrong(self, tiny, legible):
        article = QUESTIONS["article"]
        figure = article.figures(TINY, tiny)["figure"]
        legible(figure)
        numbers = [n for e in tiny.measurements["errata"] for n in e["numbers"]]
        given = [n for n in numbers if n["says"] is not None]
        wrong = sum(n["says"] != pytest.approx(n["should"], rel=1e-6, abs=0) for n in given)
        title = "{} of the {} numbers in the article's errata are wrong"
        assert figure.get_label() == title.format(wrong, len(given))
        assert 0 < wrong < len(given)
        errata = [dict(e) for e in tiny.measurements["errata"]]
        for erratum in errata[1:]:
            erratum["numbers"] = [n | {"says": n["should"]} for n in erratum["numbers"]]
        result = replace(tiny, measurements=dict(tiny.measurements) | {"errata": errata})
        wrong = len([n for n in errata[0]["numbers"] if n["says"] is not None])
        every = sum(len(e["numbers"]) for e in errata[1:]) + wrong
        label = article.figures(TINY, result)["figure"].get_label()
        assert label == title.format(wrong, every)

    def test_presets_and_limits(self):
        for preset in PRESETS:
            QUESTIONS["article"].preset(preset)
        for wrong in ({"width": 9}, {"draws": 1}, {"seed": -1}):
            with pytest.raises(SettingsError, match=f"--{next(iter(wrong))} must be"):
                Settings(**wrong)
