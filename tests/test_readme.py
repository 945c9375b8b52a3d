"""README's example gives the output it shows, and what it points to is there."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_examples_print_what_the_readme_shows():
    pairs = re.findall(r"```python\n(.*?)```\n\n(?:```text\n(.*?)```)?", README, re.S)
    assert len(pairs) >= 3
    names = {}
    for code, shown in pairs:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "README.md", "exec"), names)
        assert out.getvalue() == shown


@pytest.mark.parametrize(
    "page",
    sorted(
        p.relative_to(ROOT).as_posix()
        for p in [
            ROOT / "README.md",
            ROOT / "CONTRIBUTING.md",
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
    assert len(folders) >= 6
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_continuous_integration_runs_the_readmes_own_command():
    line = re.search(r"^python3 -m venv .*pytest$", README, re.M).group()
    assert line == 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest'
    assert "grep -m1 -E '^python3 -m venv .*pytest$' README.md" in (ROOT / ".ci/run").read_text()
