"""The site of tutorials and reference, built from a small project with the same settings."""

import functools
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import engine
import nn

ROOT = Path(__file__).parents[2]
SITE = ROOT / "tutorials" / "site"
NEEDED = ("sphinx", "myst_nb", "jupytext", "latex2mathml", "furo", "ipykernel")
with_generator = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in NEEDED),
    reason='needs the extra: pip install -e ".[tutorials]"',
)

TUTORIAL = """\
# %% [markdown]
# # 1 · Small
#
# A formula, $s_k = \\sum_j x_j w_{jk}$, and one that stands alone:
#
# $$\\overline{x} = \\ln 2$$

# %%
import sys

import matplotlib.pyplot as plt

print("compiling", file=sys.stderr)
print("6 · 7 =", 6 * 7)
plt.plot([1, 2])
plt.show()
"""

FAULTS = {  # in which file, what it says, and what the build says of it
    "a link to a page": ("README.md", "[a](tutorials/02_none.py)", "tutorials/02_none"),
    "a link to a folder": ("README.md", "[a](nowhere/)", "nowhere/"),
    "a link to a heading": ("README.md", "[a](tutorials/README.md#none)", "'none'"),
    "a picture": ("README.md", "![a](none.png)", "none.png"),
    "a cell": ("tutorials/01_small.py", "# %%\n1 / 0", "ZeroDivisionError"),
    "a formula": ("tutorials/01_small.py", "# %% [markdown]\n# $\\bogus$", "\\bogus is unknown"),
    "half a formula": ("tutorials/01_small.py", "# %% [markdown]\n# $\\frac{a$", "is missing in"),
    "a name": (
        "tutorials/site/engine-.rst",
        ".. autofunction:: engine.nowhere",
        "'nowhere' from module",
    ),
}


def project(folder, reference):
    """The READMEs that the list of pages names, one tutorial, and the settings."""
    for name in ("", "experiments", "experiments/data", "engine/kernels", "tutorials", "tests"):
        path = folder / name / "README.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name or 'Home'}\n\n[up](.)\n", encoding="utf-8")
    (folder / "CONTRIBUTING.md").write_text("# How\n", encoding="utf-8")
    (folder / "engine/code.py").write_text("# not a page\n", encoding="utf-8")
    (folder / "tutorials/01_small.py").write_text(TUTORIAL, encoding="utf-8")
    leave = shutil.ignore_patterns("__pycache__", *([] if reference else ["*.rst"]))
    shutil.copytree(SITE, folder / "tutorials/site", ignore=leave)
    if not reference:
        for name in ("engine-", "nn-"):
            page = folder / f"tutorials/site/{name}.rst"
            page.write_text(f"{name}\n=======\n", encoding="utf-8")
    return folder


def build(folder):
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-c", "tutorials/site", ".", "build/site"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("site"), reference=True)
    with (folder / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("[first](tutorials/01_small.py) [second](tutorials/README.md#tutorials)\n")
        readme.write("[data](experiments/data/) [tests](tests) [code](engine/code.py)\n")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder / "build"


def page(built, name):
    return (built / "site" / name).read_text(encoding="utf-8")


@with_generator
def test_a_tutorial_is_run_and_shown(built):
    text = page(built, "tutorials/01_small.html")
    assert "6 · 7 = 42" in text
    assert text.count("compiling") == 1  # in the code
    (picture,) = re.findall(r'<img [^>]*src="\.\./(_images/[^"]+)"', text)
    assert (built / "site" / picture).read_bytes().startswith(b"\x89PNG")


@with_generator
def test_the_executed_notebook_is_left_beside_the_site(built):
    import nbformat

    notebook = nbformat.read(built / "jupyter_execute/tutorials/01_small.ipynb", 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "6 · 7 = 42" in str(notebook.cells[1].outputs)


@with_generator
def test_formulas_are_mathml(built):
    text = page(built, "tutorials/01_small.html")
    assert re.search(r"<math [^>]*inline.*<munder.*<mi>s</mi>|<msub><mi>s</mi><mi>k</mi>", text)
    assert '<mrow class="overline">' in text
    assert '<mi>ln</mi><mspace width="0.17em" /><mn>2</mn>' in text


@with_generator
def test_nothing_comes_from_the_network(built):
    for path in (built / "site").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|link)\b[^>]* (?:src|href)="(?:https?:)?//', text)


def test_every_public_name_is_on_one_page_of_the_reference():
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted(SITE.glob("*.rst")))
    named, module = [], ""
    for directive, name in re.findall(r"^\.\. (\w+):: ([\w.]+)$", pages, re.M):
        if directive in ("currentmodule", "automodule"):
            module = name
        if directive != "currentmodule":
            named.append(name if directive == "automodule" else f"{module}.{name}")
    assert len(set(named)) == len(named)
    shown_elsewhere = {"nn.Initializer", "nn.Layer", "nn.cross_entropy", "nn.mse"}
    for package in (engine, nn, nn.theory):
        wanted = {f"{package.__name__}.{name}" for name in package.__all__}
        assert not wanted - set(named) - shown_elsewhere
    schemes = {f"nn.init.{name}" for name in nn.init.SCHEMES}
    assert not schemes - set(named)
    for name in shown_elsewhere:
        assert f"``{name}``" in pages


@with_generator
def test_the_reference_shows_signatures_and_docstrings(built):
    text = page(built, "tutorials/site/engine-2-operations.html")
    dense = text[text.index('id="engine.dense"') :][:6000]
    signature = html.unescape(re.sub("<[^>]+>", "", dense[: dense.index("</dt>")]))
    assert "b: Operand | None = None" in " ".join(signature.split())
    assert "∂L/∂b = Σ_batch ∂L/∂s" in dense
    assert 'href="engine-1-tensors.html#engine.Tensor"' in dense


def broken_links(folder):
    @functools.cache
    def ids(path):
        return re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8"))

    for path in folder.rglob("*.html"):
        for link in re.findall(r'\b(?:href|src)="([^"]+)"', path.read_text(encoding="utf-8")):
            url = urlsplit(html.unescape(link))
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists() or (
                url.fragment
                and target.suffix == ".html"
                and unquote(url.fragment) not in ids(target)
            ):
                yield f"{path.relative_to(folder)}: {link}"


@with_generator
def test_every_link_of_the_built_pages_leads_somewhere(built):
    assert list(broken_links(built / "site")) == []


@with_generator
def test_links_to_folders_and_to_code(built):
    text = page(built, "index.html")
    for label, target in (("first", "tutorials/01_small"), ("data", "experiments/data/README")):
        assert re.search(rf'href="{target}\.html"><span[^>]*>{label}</span></a>', text)
    assert re.search(r'href="_downloads/[^"]*/code\.py"', text)
    assert re.search(r"(?<!>)\btests\b(?!</)", text)


@with_generator
def test_what_is_wrong_ends_the_build_and_is_named(tmp_path):
    folder = project(tmp_path, reference=False)
    for name, line, _ in FAULTS.values():
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    done = build(folder)
    assert done.returncode != 0
    assert [fault for fault, (*_, said) in FAULTS.items() if said not in done.stderr] == []
