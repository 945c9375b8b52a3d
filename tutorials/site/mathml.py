"""Formulas as MathML, which browsers draw by themselves: no script, no network.

What latex2mathml doesn't know it leaves as it stands; here that is a warning, which ends a build
with -W.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)

UNKNOWN = re.compile(r"\\[A-Za-z]+")
FUNCTIONS = ("ln", "log", "exp", "sin", "cos", "sinh", "cosh", "tanh")
PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
BAR = "\N{HORIZONTAL BAR}"  # latex2mathml's line of \overline, which no font stretches
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)


def as_mathml(latex: str, display: str = "inline") -> str:
    """The formula as a `<math>` element, `display` being "inline" or "block".

    Raises: ValueError for what can't be translated.
    """
    try:
        formula = convert(latex, display=display)
    except Exception as error:  # latex2mathml has some dozen kinds, and IndexErrors besides
        raise ValueError(f"{type(error).__name__} {error} in {latex!r}") from error
    unknown = UNKNOWN.search(formula)
    if unknown:
        raise ValueError(f"{unknown[0]} is unknown in {latex!r}; write it in another way")
    tree = ElementTree.fromstring(formula)
    for element in tree.iter():
        kind = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        if len(element) != PARTS.get(kind, len(element)):
            raise ValueError(f"something is missing in {latex!r}, or a brace is")
        _mend(element, kind)
    return ElementTree.tostring(tree, encoding="unicode")


def _mend(element: ElementTree.Element, kind: str) -> None:
    """A bar that is as long as what it stands over; a space between "ln" and its argument."""
    parts = list(element)
    if kind == "mover" and parts[1].text == BAR:
        element.tag = f"{{{NAMESPACE}}}mrow"
        element.set("class", "overline")
        element.remove(parts[1])
    elif kind == "mrow":
        for i, (part, following) in reversed([*enumerate(pairwise(parts))]):
            if part.text in FUNCTIONS and not following.tag.endswith(("}mo", "}mspace")):
                element.insert(i + 1, ElementTree.Element(f"{{{NAMESPACE}}}mspace", width="0.17em"))


def _write(translator: Any, node: nodes.Element, tag: str, display: str) -> None:
    try:
        formula = as_mathml(node.astext(), display)
    except ValueError as error:
        logger.warning("no MathML: %s", error, location=node)
        formula = translator.encode(node.astext())
    translator.body.append(f'<{tag} class="math notranslate">{formula}</{tag}>')
    raise nodes.SkipNode


def _inline(translator: Any, node: nodes.math) -> None:
    _write(translator, node, "span", "inline")


def _display(translator: Any, node: nodes.math_block) -> None:
    _write(translator, node, "div", "block")


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
