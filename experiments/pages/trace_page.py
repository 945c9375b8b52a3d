"""The page of a trace: table, diagnosis, figure, and the backward pass to walk through.

One file that loads nothing; without its script the walk is a plain list of all steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from html import escape

import numpy as np

from engine import Diagnosis, Finding, LayerRecord, Trace, Walk
from engine.tracing.table import HEADER, LEGEND, cells, notes, title
from engine.tracing.walk import Sent, Step
from experiments.pages.drawings import histogram, strip
from experiments.pages.spreads import Spread, spreads
from experiments.pages.style import SCRIPT, STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_INDEX, _LOWERED = re.compile(r"\b([aegxyΣ])_([a-z])\b"), r"\1<sub>\2</sub>"


def page(trace: Trace, diagnosis: Diagnosis, about: str, figure_svg: str) -> str:
    """The page as text.

    Args:
        trace: of one forward and backward pass, with arrays.
        diagnosis: of it.
        about: which net on which data, a line.
        figure_svg: the figure as an `<svg>`; it goes into the page as it is.

    Raises: GraphError if the trace saw no backward pass or keeps no arrays.
    """
    walk = trace.walk()
    numbers = {id(step.node): step.number for step in walk}
    rows = {id(row.node): (i, row) for i, row in enumerate(trace.layers)}
    steps = "\n".join(
        _step(step, found, trace, rows.get(id(step.node)))
        for step, found in zip(walk, spreads(trace, walk), strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(about)}: a backward pass</title>
<style>{STYLE}</style>
</head>
<body>
<h1>One backward pass, layer by layer</h1>
<p class="soft">{escape(about)}</p>
<h2>Layers</h2>
{_layers(trace, numbers)}
<h2>Diagnosis</h2>
{_diagnosis(diagnosis)}
<h2>Distributions and profile</h2>
<div class="wide drawn">{figure_svg}</div>
{_walk(walk, steps)}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _layers(trace: Trace, numbers: dict[int, int]) -> str:
    head = "".join(_cell("th", name, c) for c, name in enumerate(HEADER))
    body = ""
    for row, values in zip(trace.layers, cells(trace), strict=True):
        step = numbers.get(id(row.node))
        name, *rest = values
        link = escape(name) if step is None else f'<a href="#step-{step}">{escape(name)}</a>'
        others = "".join(_cell("td", value, c) for c, value in enumerate(rest, start=1))
        body += f'<tr><td class="name">{link}</td>{others}</tr>'
    below = "<br>".join(escape(note) for note in (LEGEND, *notes(trace)))
    return (
        f"<p>{escape(title(trace))}</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div><p><small>{below}</small></p>"
    )


def _cell(tag: str, text: str, column: int, left: Iterable[int] = (0, 2)) -> str:
    style = ' class="left"' if column in left else ""
    return f"<{tag}{style}>{escape(text)}</{tag}>"


def _diagnosis(diagnosis: Diagnosis) -> str:
    if diagnosis.healthy:
        return (
            '<div class="finding healthy"><p><b>Healthy: nothing found.</b> '
            f"{escape(diagnosis.summary)}</p></div>"
        )
    return f"<p>{escape(diagnosis.summary)}</p>" + "".join(map(_finding, diagnosis))


def _finding(finding: Finding) -> str:
    made = f"<p><b>{escape(finding.kind)}</b>: {escape(finding.evidence)}</p>"
    if finding.table:
        header = ("layer", "E[f′²]", "n Var W", "factor", "off")
        head = "".join(_cell("th", name, c, (0, 4)) for c, name in enumerate(header))
        body = "".join(
            "<tr>"
            + f'<td class="name">{escape(name)}</td>'
            + "".join(_cell("td", f"{value:.3g}", 1) for value in values)
            + _cell("td", off, 4, (4,))
            + "</tr>"
            for name, *values, off in finding.table
        )
        made += f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
    for word, text in (("Cause", finding.cause), ("Remedy", finding.remedy)):
        made += f"<p><b>{word}</b>: {escape(text)}</p>"
    return f'<div class="finding">{made}</div>'


def _walk(walk: Walk, steps: str) -> str:
    return f"""<section id="walk">
<h2>The backward pass, from the loss to the input</h2>
<p class="soft">Each bar is a step, as high as the logarithm of ‖g‖, the norm of the gradient that
comes in there. The distributions have the same axes in every step.</p>
<div class="bar">
<div class="buttons"><button id="previous" type="button">← Previous</button>
<span class="count" id="count" aria-live="polite"></span>
<button id="next" type="button">Next →</button></div>
{strip(walk)}
</div>
<ol class="steps">
{steps}
</ol>
</section>"""


def _step(
    step: Step, found: list[Spread], trace: Trace, layer: tuple[int, LayerRecord] | None
) -> str:
    where = f" in {step.place}" if step.place else ""
    parts = re.split(r"; |, (?=∂L)", step.formula)
    formulas = "".join(f"<li>{_INDEX.sub(_LOWERED, escape(part))}</li>" for part in parts)
    drawings = "".join(map(histogram, found))
    return (
        f'<li class="step" id="step-{step.number}">'
        f"<h3>Step {step.number} of {step.of}: {escape(step.rule)}{escape(where)}</h3>"
        f'<ul class="formulas">{formulas}</ul>{_norms(step)}'
        f'<div class="spreads">{drawings}</div>{_largest(trace, layer)}</li>'
    )


# What came in or was sent: which side, its name, shape, norm, factor, and to whom.
_Line = tuple[str, str, tuple[int, ...], float | None, float | None, str]


def _norms(step: Step) -> str:
    rows: list[_Line] = [("in", "g = ∂L/∂y", step.shape, step.norm, None, "")]
    if step.dL_ds_norm is not None:
        factor = step.dL_ds_norm / step.norm if step.norm else None
        rows.append(("", "∂L/∂s", step.shape, step.dL_ds_norm, factor, ""))
    rows += [_sent(sent, "" if i else "out") for i, sent in enumerate(step.out)]
    head = "".join(
        _cell("th", name, c, (0, 1, 5))
        for c, name in enumerate(("", "gradient", "shape", "norm", "factor", "to"))
    )
    body = ""
    for side, name, shape, norm, factor, to in rows:
        texts = (
            *(side, name, "×".join(map(str, shape)) or "scalar"),
            "not wanted" if norm is None else f"{norm:.4g}",
            "" if factor is None or math.isnan(factor) else f"× {factor:.4g}",
        )
        line = "".join(_cell("td", text, c, (0, 1)) for c, text in enumerate(texts))
        body += f'<tr>{line}<td class="left name">{escape(to)}</td></tr>'
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _sent(sent: Sent, side: str) -> _Line:
    return side, f"∂L/∂{sent.letter}", sent.shape, sent.norm, sent.factor, sent.to


def _largest(trace: Trace, layer: tuple[int, LayerRecord] | None) -> str:
    """The article's equation for the weight with the largest |∂L/∂w| of a layer."""
    if layer is None or layer[1].dL_dW is None:
        return ""
    i, row = layer
    size = np.abs(np.asarray(row.dL_dW))
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(size), np.inf, size))), size.shape)
    j, k = int(at[0]), int(at[1])
    made = trace.explain(i, weight=(j, k))
    return (
        f"<h4>The weight with the largest |∂L/∂w|: j = {j}, k = {k}</h4>"
        "<p>∂L/∂w<sub>jk</sub> = Σ<sub>n</sub> ∂L/∂x<sub>k</sub><sup>(i+1)</sup> · "
        "f′(s<sub>k</sub>) · x<sub>j</sub>, over the examples n of the batch:</p>"
        f'<div class="wide">{made._repr_html_()}</div>'
    )
