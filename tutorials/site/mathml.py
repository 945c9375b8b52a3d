"""Formulas as MathML, which browsers draw by themselves: no script, no network.

docutils translates the LaTeX. What it can't translate is a warning, which stops a build with -W.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def _write(translator: Any, node: nodes.Element, as_block: bool) -> None:
    try:
        formula = tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("no MathML for %r: %s", node.astext(), error, location=node)
        formula = translator.encode(node.astext())
    tag = "div" if as_block else "span"
    translator.body.append(f'<{tag} class="math notranslate">{formula}</{tag}>')
    raise nodes.SkipNode


def _inline(translator: Any, node: nodes.math) -> None:
    _write(translator, node, as_block=False)


def _display(translator: Any, node: nodes.math_block) -> None:
    _write(translator, node, as_block=True)


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
