"""What tests of pages share: a parser that takes nothing for granted, and a browser."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

VOID = {"meta", "br", "link", "img", "input", "hr"}
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Parsed(HTMLParser):
    """What is in a page; a tag that is not closed where it must be is an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.ids, self.words = [], [], [], [], []
        self.headings = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self._seen(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._seen(tag, attrs)

    def _seen(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    @property
    def policy(self):
        """What the page lets a browser load or run, by kind."""
        content = next(v for tag, name, v in self.attributes if (tag, name) == ("meta", "content")
                       and "default-src" in v)  # fmt: skip
        return dict(part.strip().split(" ", 1) for part in content.split(";"))

    def check_whole(self, text):
        """Nothing is loaded from elsewhere, and every link leads to a part of the page."""
        assert re.search("https?://|//[a-z]", re.sub('base64,[^"]*', "", text)) is None
        assert "@import" not in text and not {"link", "iframe", "form", "base"} & set(self.tags)
        assert len(set(self.ids)) == len(self.ids)
        for tag, name, value in self.attributes:
            assert not name.startswith("on")
            if name == "src":
                assert tag == "img" and re.match("data:image/(svg.xml|png);base64,", value)
            if name.endswith("href"):
                assert value.startswith("#") and value[1:] in self.ids, (tag, value)
        assert ("meta", "name", "viewport") in self.attributes
        assert self.policy["default-src"] == self.policy["form-action"] == "'none'"
        assert self.policy["base-uri"] == "'none'" and self.policy["img-src"] == "data:"


@pytest.fixture(scope="session")
def parse():
    """The page parsed, from its text."""
    return Parsed


@pytest.fixture
def dom_of(tmp_path):
    """A page's elements once its scripts have run, and what the browser complained of."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")

    def dom_of(path, fragment="", width=500):
        profile = tmp_path / "profile"
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions"),
                *("--disable-background-networking", "--no-first-run", "--enable-logging=stderr"),
                *(f"--window-size={width},900", f"--user-data-dir={profile}", "--dump-dom"),
                f"file://{path}{fragment}",
            ],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=True,
            env=os.environ | {"HOME": str(profile)},
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return dom_of
