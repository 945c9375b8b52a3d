"""The READMEs as pages: the list of all pages, and links to folders and to code.

Where the code is hosted, a link to a folder opens it; here it leads to the folder's README if that
is a page, and otherwise is text. A link to a Python file that isn't a page downloads it. Links to
what isn't there stay as they are, for the check of links to find.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^][]+)\]\(([^()#:]+)\)")

PAGES = """
```{toctree}
:hidden:
:caption: Tutorials
:glob:
tutorials/README
tutorials/[0-9]*
```
```{toctree}
:hidden:
:caption: Reference
:glob:
tutorials/site/engine-*
tutorials/site/nn-*
```
```{toctree}
:hidden:
:caption: More
experiments/README
experiments/data/README
engine/kernels/README
CONTRIBUTING
```
"""


def _read(app: Any, page: str, text: list[str]) -> None:
    if not page.endswith("README"):
        return
    here = Path(app.env.doc2path(page)).parent

    def is_page(path: Path) -> bool:
        return app.project.path2doc(path.resolve()) in app.project.docnames

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        path = here / target
        if path.is_dir():
            readme = path / "README.md"
            return f"[{label}]({target.rstrip('/')}/README.md)" if is_page(readme) else label
        if path.suffix == ".py" and path.is_file() and not is_page(path):
            return f"{{download}}`{label} <{target}>`"
        return found[0]

    text[0] = LINK.sub(link, text[0]) + (PAGES if page == app.config.root_doc else "")


def _home(app: Any, error: Exception | None) -> None:
    """Browsers and web servers look for index.html."""
    home = Path(app.outdir, f"{app.config.root_doc}.html")
    if error is None and home.exists():
        home.with_name("index.html").write_bytes(home.read_bytes())


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _read)
    app.connect("build-finished", _home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
