"""README's example gives the output it shows, and what it points to is there."""

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


VERDICTS = (ROOT / "VERDICTS.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n(?:```text\n(.*?)```)?", README, re.S)


def printed(code, names):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), names)
    return out.getvalue()


def test_the_examples_print_what_the_readme_shows():
    names = {}
    without_data = [pair for pair in EXAMPLES if "load(" not in pair[0]]
    assert len(without_data) >= 4
    for code, shown in without_data:
        assert printed(code, names) == shown


@pytest.mark.skipif("GRADTRACE_DATA" not in os.environ, reason="needs MNIST")
def test_the_training_loop_reaches_the_accuracy_that_the_readme_shows():
    [(code, shown)] = [pair for pair in EXAMPLES if "load(" in pair[0]]
    # The bits of a product depend on the processor, so a training may end a digit or two apart.
    percent = r"^\d+\.\d % of 10,000 test digits are right\n$"
    got = printed(code, {})
    assert re.match(percent, got) and re.match(percent, shown)
    assert float(got.split()[0]) == pytest.approx(float(shown.split()[0]), abs=0.3)


def test_the_readme_is_short_and_names_the_field():
    assert len(README.splitlines()) < 200
    assert "Backpropagation" in README[: README.index("```")]


def verdicts_by_id():
    """The verdicts on Shapeset that VERDICTS.md has for each id; G10 stands in two experiments."""
    found = {}
    for line in VERDICTS.splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split(" | ")]
        if len(cells) >= 7:
            found.setdefault(cells[0], set()).add(cells[4])
    return found


def test_the_verdicts_in_words_are_those_of_the_table():
    known = verdicts_by_id()
    words = re.findall(r"^- \*\*(.+?)\*\* \((.+?)\): ", README, re.M)
    assert len(words) == 8
    assert {"holds", "does not hold", "not shown"} == {verdict for verdict, _ in words}
    for verdict, id in words:
        assert known[id] == {verdict}, id


def test_the_counts_of_verdicts_are_those_of_the_table():
    counts = [re.search(r"<!-- counts -->\s*(.*?)\s*<!--", text)[1] for text in (README, VERDICTS)]
    assert counts[0] == counts[1] and re.match(r"\d+ claims: \d+ hold, ", counts[0])


@pytest.mark.parametrize(
    "page",
    sorted(
        p.relative_to(ROOT).as_posix()
        for p in [
            ROOT / "README.md",
            ROOT / "CONTRIBUTING.md",
            ROOT / "VERDICTS.md",
            *ROOT.glob("*/README.md"),
            *ROOT.glob("*/*/README.md"),
        ]
        if ".venv" not in p.parts
    ),
)
def test_links_and_pictures_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    missing = [
        t for t in targets if "://" not in t and not (ROOT / page).parent.joinpath(t).exists()
    ]
    assert not missing


def test_the_folders_in_the_map_exist():
    folders = re.findall(r"^\| `([a-z/]+)/` \|", README, re.M)
    assert len(folders) >= 4
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_continuous_integration_runs_the_readmes_own_command():
    line = re.search(r"^python3 -m venv .*pytest$", README, re.M).group()
    assert line == 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest'
    assert "grep -m1 -E '^python3 -m venv .*pytest$' README.md" in (ROOT / ".ci/run").read_text()
