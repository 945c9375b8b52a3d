"""`gradtrace report`: a page of whatever results there are, and the table for the docs."""

import json
import re
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.cli.marked import VERDICTS, marks

BEGIN, END = marks(VERDICTS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results(question, questions, made_up):
    """Results of one, and of two on two data sets; three was not run."""
    _, with_data = made_up
    questions(question("one"), question("two", settings=with_data), question("three"))
    names = ["--questions", "one", "two", "--data", "shapeset", "mnist"]
    assert main(["verify", *names]) == 0
    return Path("results")


def test_the_page_and_what_is_missing(results, capfd):
    capfd.readouterr()
    assert main(["report"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "Seen: results of one, two, two, MNIST; 9 claims: 5 hold" in out
    assert "Not run: three" in out and "Open: results/report.html" in out
    text = (results / "report.html").read_text(encoding="utf-8")
    assert text.count('<img src="data:image/svg+xml;base64,') == 3
    assert "gradtrace run one\n" in text or ">gradtrace run one<" in text
    assert ">gradtrace run two --data mnist<" in text
    assert "gradtrace run three" in text


def test_results_that_are_broken_are_named_and_the_others_shown(results, capfd):
    (results / "one/result.json").write_text("{")
    for kind in ("svg", "png"):
        (results / f"two/figure.{kind}").unlink()
    found = json.loads((results / "two/result.json").read_text(encoding="utf-8"))
    (results / "two/result.json").write_text(json.dumps(found | {"figures": {"figure": "it"}}))
    (results / "two-mnist/figure.svg").write_text("no drawing")
    capfd.readouterr()
    assert main(["report"]) == 0
    err = capfd.readouterr().err
    assert err.count("\n") == 3 and "one/result.json" in err
    assert "two/figure.svg can't be read" in err and "two-mnist/figure.svg is no SVG" in err
    text = (results / "report.html").read_text(encoding="utf-8")
    assert "one/result.json" in text and text.count("There is no figure.") == 2


def test_every_figure_is_shown_in_the_order_of_the_results_own_list(results):
    folder = results / "one"
    for name in ("b.svg", "c.svg", "c.png", "a.png"):
        kind = "svg" if name.endswith("svg") else "png"
        (folder / name).write_bytes((folder / f"figure.{kind}").read_bytes())
    result = folder / "result.json"
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found.pop("figures") == {"figure": "It is so"}
    result.write_text(json.dumps(found), encoding="utf-8")  # as an earlier version's
    alts = 'alt="(.*?)"'
    assert main(["report"]) == 0
    page = results / "report.html"
    assert re.findall(alts, page.read_text(encoding="utf-8"))[:4] == [
        *("one, a", "one, b", "one, c", "one, figure"),
    ]
    result.write_text(json.dumps(found | {"figures": {"c": "of c", "a": "of a"}}), encoding="utf-8")
    assert main(["report"]) == 0
    text = page.read_text(encoding="utf-8")
    assert re.findall(alts, text)[:2] == ["of c", "of a"] and text.count("<img") == 4
    kinds = re.findall("data:image/(svg.xml|png);", text)
    assert kinds[:2] == ["svg+xml", "png"]


def test_a_figure_of_any_content_runs_and_sends_nothing(results):
    """Nothing of a file that stands in for a figure becomes a part of the page."""
    evil = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><script>x()</script>'
        '<a href="http://evil"/></svg>'
    )
    (results / "one/figure.svg").write_text(evil)
    refresh = '<svg></svg><meta http-equiv="refresh" content="0;url=http://evil/">'
    (results / "two/figure.svg").write_text(refresh)
    (results / "two-mnist/figure.png").write_bytes(b"<html>")
    (results / "two-mnist/figure.svg").unlink()
    assert main(["report"]) == 0
    text = (results / "report.html").read_text(encoding="utf-8")
    assert "evil" not in text and "<script" not in text and "onload" not in text
    assert text.count("http-equiv") == 1 and text.count("There is no figure.") == 2
    assert "two/figure.svg is no SVG" in text and "two-mnist/figure.png is no PNG" in text


def test_a_question_that_is_no_more(results):
    found = json.loads((results / "one/result.json").read_text(encoding="utf-8"))
    (results / "one/result.json").write_text(json.dumps(found | {"question": "zero"}))
    assert main(["report", "--html", "page.html"]) == 0
    text = Path("page.html").read_text(encoding="utf-8")
    assert '<section id="q-one">' in text and "<h2>zero</h2>" in text
    assert "gradtrace run zero" not in text


def test_the_table_in_a_markdown_file(results, capfd):
    readme = Path("README.md")
    readme.write_text(f"# a\n\n{BEGIN}\nold\n{END}\n\nb\n", encoding="utf-8")
    for _ in range(2):  # twice gives the same
        assert main(["report", "--markdown", "README.md"]) == 0
        text = readme.read_text(encoding="utf-8")
        assert text.startswith(f"# a\n\n{BEGIN}\n\n| ") and text.endswith(f" |\n\n{END}\n\nb\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "on MNIST" in rows[0]
    x2 = next(row for row in rows if "| X2 |" in row and "**does not hold**" in row)
    assert (
        "x and y \\| z" in x2
        and "1 ± 0.01 (x, of 2) | holds | **does not hold**: 9, expected 2" in x2
    )


def test_texts_of_the_results_in_a_markdown_file(results):
    begin, end = marks("one/words.md")
    path = Path("chapter.md")
    path.write_text(f"a\n\n{begin}\nold\n{end}\n\n{BEGIN}{END}\nb\n", encoding="utf-8")
    (results / "one/words.md").write_text("| new | é |\n", encoding="utf-8")
    for _ in range(2):  # twice gives the same
        assert main(["report", "--markdown", "chapter.md"]) == 0
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"a\n\n{begin}\n\n| new | é |\n\n{end}\n\n{BEGIN}\n\n|  | claim")
        assert text.endswith(f"{END}\nb\n")


def test_a_text_that_is_not_among_the_results(results, capfd):
    begin, end = marks("two/words.md")
    Path("chapter.md").write_text(f"{begin}old{end}")
    capfd.readouterr()
    assert main(["report", "--markdown", "chapter.md"]) == 2
    said = capfd.readouterr().err.replace("\\", "/")
    assert "chapter.md names two/words.md, and results/two/words.md can't be read" in said
    assert Path("chapter.md").read_text() == f"{begin}old{end}"
    assert not (results / "report.html").exists()


@pytest.mark.parametrize("text", ["nothing", f"{BEGIN}", f"{END} {BEGIN}", f"{BEGIN}{END}" * 2])
def test_a_markdown_file_without_its_marks_is_left_alone(results, capfd, text):
    Path("README.md").write_text(text)
    assert main(["report", "--markdown", "README.md"]) == 2
    assert BEGIN in capfd.readouterr().err
    assert Path("README.md").read_text() == text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--results", "nowhere"], "nowhere holds no results; `gradtrace verify` makes"),
        (["--html", "."], "--html: . is a folder"),
        (["--markdown", "missing.md"], "--markdown: missing.md can't be read"),
        (["--htm", "x"], "--htm"),
    ],
)
def test_mistakes_are_one_line(results, capfd, flags, said):
    capfd.readouterr()
    assert main(["report", *flags]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err
    assert not (results / "report.html").exists()


def test_after_a_quick_look_it_says_where_the_results_are(question, questions, capfd):
    questions(question("one"))
    assert main(["verify", "--quick"]) == 0
    assert "`gradtrace report --results results/quick`" in " ".join(capfd.readouterr().out.split())
    assert main(["report"]) == 2
    assert "take --results results/quick" in capfd.readouterr().err.replace("\\", "/")
    assert main(["report", "--results", "results/quick"]) == 0
