"""The page of all results: whole, self-contained, every verdict in it, and quiet in a browser."""

import base64
import math
import re
from pathlib import Path

import pytest

from experiments.lab.claims import Measured
from experiments.lab.progress import Silent
from experiments.lab.records import ClaimRecord, Record, read_record
from experiments.lab.results import save_result
from experiments.pages.pictures import Picture
from experiments.pages.report_page import Section, anchor, page
from experiments.questions import QUESTIONS
from experiments.questions.article import Settings, run
from experiments.questions.article_errata import ERRATA
from experiments.questions.article_sentences import SENTENCES

HOSTILE = """<script>alert('1')</script>"&amp;-->"""


def claim(id, verdict, n=1, text="it is so", **given):
    measured = tuple(Measured(1.0 + i, 0.9 + i, 1.1 + i) for i in range(n))
    labels = tuple(f"number {i}" for i in range(n)) if n > 1 else ()
    known = {"recalled": False, "exact": False, "worst": n // 2} | given
    return ClaimRecord(
        id, text, "a source", "± 10 %", verdict, labels=labels,
        expected=(1.0,) * n, measured=measured, **known,
    )  # fmt: skip


def record(name, *claims, question=None, asks="Is it so?", **settings):
    versions = {"numpy": "2.0"}
    return Record(Path(name), question or name, asks, settings, versions, 12.3, claims, {})


def section(*args, pictures=(), command="gradtrace run it", **given):
    return Section(record(*args, **given), pictures, command)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, parse):
    """A page of three results, the real article's among them."""
    folder = tmp_path_factory.mktemp("results")
    article = QUESTIONS["article"]
    settings = Settings(width=60, draws=4, results=folder)
    result = run(settings, Silent())
    drawn = article.figures(settings, result)
    save_result(folder / "article", article, settings, result, drawn, 1.0)
    g = [claim("G12", "does not hold", 2, recalled=True), claim("G1 others", "not shown", 6)]
    sections = [
        section("vanishing", *g, claim("S6", "holds", exact=True), depth=3, names=["a", "b"]),
        section("vanishing-mnist", claim("G12", "holds"), question="vanishing", data="mnist"),
        section("saturation", claim("G17", "not yet measured", 0, needs="--paper")),
        Section(read_record(folder / "article"), [], "gradtrace run article"),
    ]
    svg = (folder / "article/figure.svg").read_bytes()
    pictures = [Picture.of("one", svg), Picture.of("two", svg)]
    sections = [Section(s.record, pictures, s.command) for s in sections]
    missing = {"theory": "What is predicted?"}
    text = page(sections, missing, ["results/x/result.json is broken"])
    return text, parse(text)


def test_it_is_well_formed_and_loads_nothing(whole):
    text, parsed = whole
    parsed.check_whole(text)
    assert "script" not in parsed.tags and parsed.policy["script-src"] == "'none'"
    assert "url(" not in text


def test_contents_come_first_and_verdicts_before_the_rest(whole):
    text, parsed = whole
    assert parsed.headings == [
        "What the article says, and what was measured", "The verdicts",
        "The article, sentence by sentence", "vanishing", "vanishing, MNIST", "saturation",
        "article", "Not run",
    ]  # fmt: skip
    contents = text[text.index("<nav") : text.index("</nav>")]
    assert text.index("<nav") < text.index("<h2>")
    assert re.findall('href="#([^"]*)"', contents) == [
        *("verdicts", "sentences", "q-vanishing", "q-vanishing-mnist", "q-saturation"),
        *("q-article", "missing"),
    ]
    verdicts = parsed.text[parsed.text.index("The verdicts", 200) :]
    count = len(ERRATA) - 5 + 1  # five are about the text alone; R8 is no erratum
    assert re.match(
        rf"The verdicts {count + 5} claims: \d+ hold, 1 does not hold, \d+ not shown, 1 not yet "
        "measured[.] results/x/result.json is broken",
        verdicts,
    )
    row = re.search('<tr>\n<td class="id"><a href="#q-vanishing-G12">.*?</tr>', text, re.S)[0]
    assert ">1<" in row and ">2 ± 0.1 <small>number 1, of 2</small><" in row
    assert ">does not hold<" in row


def test_in_a_section_question_verdicts_and_figures_stand_before_the_rest(whole):
    text, _ = whole
    part = text[text.index('<section id="q-vanishing">') :]
    order = ["Is it so?", "3 claims: 1 holds", ">G12</a>", 'alt="one"', 'alt="two"',
             "<h3>Settings", "gradtrace run it", "<h3>Claims", 'id="q-vanishing-G12"']  # fmt: skip
    assert [part.index(words) for words in order] == sorted(part.index(words) for words in order)


def test_every_question_with_its_verdicts_settings_and_command(whole):
    _, parsed = whole
    for name in ("q-vanishing", "q-vanishing-mnist", "q-saturation", "q-article"):
        assert name in parsed.ids
    for id in ("q-vanishing-G12", "q-vanishing-mnist-G12", "q-vanishing-G1-others"):
        assert id in parsed.ids
    for part in (
        "vanishing, MNIST", "1 holds, 1 does not hold, 1 not shown", "a source, recalled; ± 10 %",
        "a source; ± 10 %; exact", "all 6 numbers", "12.3 s; numpy 2.0", "a, b",
        "gradtrace run it", "theory : What is predicted?", "results/x/result.json is broken",
    ):  # fmt: skip
        assert part in parsed.text, part
    # Of six numbers, the one that decides stands before the others.
    assert re.search(r"number 3 1 4 ± 0\.1 all 6 numbers", parsed.text)


def test_what_does_not_hold_is_linked_from_the_top(whole):
    text, _ = whole
    top = text[: text.index('<table class="verdicts">')]
    assert '<a href="#q-vanishing-G12">vanishing G12</a>' in top
    assert '<a href="#q-vanishing-G1-others">vanishing G1 others</a>' in top
    assert "q-vanishing-S6" not in top


def test_what_a_run_could_not_measure_says_which_command_does(whole, parse):
    _, parsed = whole
    assert parsed.text.count("gradtrace run saturation --paper measures it") == 2
    # An earlier version's result does not say what its claim needs.
    earlier = section("speed", claim("K3", "not yet measured", 0))
    assert "gradtrace run speed" not in parse(page([earlier], {})).text


def test_every_sentence_with_what_measures_it(whole):
    text, parsed = whole
    for sentence in SENTENCES:
        assert f"“{sentence.quote}”" in parsed.text
    for erratum in ERRATA[:16]:
        assert f"It should say: {erratum.statement.text}." in parsed.text
    assert "σ′(0): says 0, measured 0.25, should be 0.25" in parsed.text
    assert '<a href="#q-vanishing-mnist-G12">vanishing, MNIST G12</a>' in text
    assert "table1 G4: gradtrace run table1 measures it" in parsed.text


def test_sentences_of_experiments_that_do_not_exist_are_listed_once_and_shortly(whole):
    _, parsed = whole
    unmeasured = [sentence.quote for sentence in SENTENCES if sentence.unmeasured]
    assert len(unmeasured) == 8
    place = parsed.text.index("No experiment measures these sentences yet")
    for quote in unmeasured:
        assert parsed.text.count(f"“{quote}”") == 1 and parsed.text.index(f"“{quote}”") > place
    for name in ("rbm", "rectifier", "alexnet", "recurrent", "policy"):
        assert re.search(rf"\b{name} \w+\d", parsed.text) is None


def test_text_from_results_is_only_text(parse):
    one = section(
        "one", claim("X1", "holds", text=HOSTILE), asks=HOSTILE, command=HOSTILE, path=HOSTILE
    )
    text = page([one], {HOSTILE: HOSTILE}, [HOSTILE])
    parsed = parse(text)
    assert "script" not in parsed.tags and "<script" not in text
    assert parsed.text.count(HOSTILE) >= 6
    parsed.check_whole(text)


def test_a_picture_of_any_content_is_a_picture_and_nothing_else(parse):
    svg = """<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script>
    <foreignObject><form action="http://evil"/></foreignObject></svg>"""
    text = page(
        [section("one", claim("X1", "holds"), pictures=[Picture.of("a", svg.encode())])], {}
    )
    parsed = parse(text)
    parsed.check_whole(text)
    uri = next(value for tag, name, value in parsed.attributes if (tag, name) == ("img", "src"))
    assert base64.b64decode(uri.split(",")[1]).decode() == svg
    assert ("img", "alt", "a") in parsed.attributes


def test_without_any_result_it_still_has_the_sentences(parse):
    parsed = parse(page([], {"vanishing": "How?"}))
    assert "0 claims: no claims." in parsed.text and "not yet measured" not in parsed.text
    assert "erratum E1: gradtrace run article measures it" in parsed.text


def test_numbers_that_are_not_there(parse):
    nothing = Measured(math.nan, -math.inf, math.inf)
    odd = ClaimRecord("X1", "", "", "", "not shown", False, False, (), (math.nan,), (nothing,), 0)
    text = parse(page([section("one", odd)], {})).text
    assert "–" in text and "inf" not in text


def test_anchors():
    assert anchor("a b/c", "G5 p(1−p)") == "q-a-b-c-G5-p-1-p-"
    assert anchor("theory", "S2 ξ") != anchor("theory", "S2 χ")


@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser_nothing_complains_and_nothing_is_too_wide(whole, tmp_path, dom_of, width):
    # The page has no script, so one of the test's own looks at it; its policy has to let it.
    look = """<script>
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    document.body.dataset.wider = wide;
    document.body.dataset.hidden = [...document.querySelectorAll("section")]
      .filter((part) => part.offsetHeight === 0).length;
    </script></body>"""
    text = whole[0].replace("</body>", look)
    text = text.replace("script-src 'none'", "script-src 'unsafe-inline'")
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    dom, said = dom_of(path, width=width)
    assert said == []
    assert re.search(r'data-wider="(0|-\d+)"', dom) and 'data-hidden="0"' in dom


def test_the_page_itself_raises_no_complaint(whole, tmp_path, dom_of):
    path = tmp_path / "report.html"
    path.write_text(whole[0], encoding="utf-8")
    assert dom_of(path)[1] == []
