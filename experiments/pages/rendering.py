"""`rendered`: a page from its template, in the folder templates; whatever is put in is escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def rendered(template: str, script: str = "", **values: object) -> str:
    """The page as text: one file that loads nothing. Half a surrogate pair becomes "?".

    Its policy lets no script run but `script`, the name of a file beside the templates.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("experiments.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    code = _text(script) if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    page = environment.get_template(template).render(
        style=Markup(_text("page.css")),
        script=Markup(code),
        script_source=Markup(f"'sha256-{digest}'" if script else "'none'"),
        **values,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _text(name: str) -> str:
    place = resources.files("experiments.pages") / "templates" / name
    return place.read_text(encoding="utf-8")
