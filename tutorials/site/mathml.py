"""Formulas as MathML, which browsers draw by themselves: no script, no network.

What latex2mathml doesn't know it leaves as it stands; here that is a warning, which ends a build
with -W.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)

UNKNOWN = re.compile(r"\\[A-Za-z]+")
# "ln 2": after a function's name, unless a bracket or an index follows.
FUNCTION = re.compile(r"(<mi>(?:ln|log|exp|sin|cos|sinh|cosh|tanh|max|min)</mi>)(?=<m[in])")
SPACE = r'\1<mspace width="0.17em" />'
OVERLINE = '<mo accent="true">&#x02015;</mo>'  # which no font stretches
STRETCHED = '<mo accent="true" stretchy="true">&#x000AF;</mo>'


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
    return FUNCTION.sub(SPACE, formula).replace(OVERLINE, STRETCHED)


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
