"""Templates: they escape, they are in an installed package, and their colours can be read."""

import configparser
import re
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from experiments.pages.rendering import rendered

ROOT = Path(__file__).parents[3]
TEMPLATES = resources.files("experiments.pages") / "templates"


def test_every_file_that_code_reads_is_named_in_the_package_data():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    data = {name: files.split() for name, files in setup["options.package_data"].items()}
    others = [
        path
        for top in ("engine", "nn", "experiments")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".md", ".png")
        if "__pycache__" not in path.parts
    ]
    assert {"report.html", "trace.html", "page.css", "walk.js"} <= {path.name for path in others}
    for path in others:
        inside = {
            pattern
            for package, patterns in data.items()
            for pattern in patterns
            if (folder := ROOT.joinpath(*package.split("."))) in path.parents
            and fnmatch(path.relative_to(folder).as_posix(), pattern)
        }
        assert inside, f"{path.relative_to(ROOT)} would not be installed"


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        rendered("report.html")


def test_without_a_script_none_may_run():
    text = rendered("base.html")
    assert "script-src 'none'" in text and "<script" not in text


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_what_is_under_it(mode):
    """4.5 is the least of WCAG 2, level AA."""
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{([^}]*)\}", style)
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", roots[("light", "dark").index(mode)]))
    for text in ("ink", "soft", "forth", "back", "good", "doubt"):
        for under in ("paper", "card"):
            assert contrast(colours[text], colours[under]) >= 4.5, (text, under)
    assert contrast(colours["ink"], colours["here"]) >= 4.5
    assert contrast(colours["forth"], colours["here"]) >= 4.5
