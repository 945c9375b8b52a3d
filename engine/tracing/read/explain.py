"""`explain`: one weight's gradient as the article's sum, with the numbers of this pass.

    ∂L/∂w_jk = Σ_n ∂L/∂x_k⁽ⁱ⁺¹⁾ · f′(s_k) · x_j        ∂L/∂b_k = Σ_n ∂L/∂x_k⁽ⁱ⁺¹⁾ · f′(s_k)

with n counting the examples, j the layer's inputs and k its units.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.errors import GraphError
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.read.find import calls_of
from engine.tracing.rows import LayerRecord


@printable
@dataclass(frozen=True, eq=False)
class Explanation:
    """∂L/∂w_jk (or ∂L/∂b_k) term by term; `str()`, `.latex()`, and HTML in notebooks.

    Attributes, the arrays with one entry for each example, in the order of the batch (a layer that
    was called several times has the examples of each call, one call after the other):
        layer, f: the names of the layer and its activation.
        j, k: the input and the unit; j is None for a bias.
        dL_dx_next, x: ∂L/∂x_k⁽ⁱ⁺¹⁾ and x_j (1 for a bias).
        df_ds: f′(s_k) as the pass used it: for tanh, sigmoid and others taken from x_k⁽ⁱ⁺¹⁾.
        df_ds_exact: f′(s_k) from s.
        terms: ∂L/∂s_k · x_j, the summands, in float64.
        batches, steps: how many examples each call had, and its time step.
        order: the examples, those of the largest |term| first; the first `shown` are printed.
        total: Σ terms. gradient: what the pass itself added to W.grad[j, k], in its precision; None
            if it was not asked for.
        notes: what a reader must know besides.
    """

    layer: str
    f: str
    j: int | None
    k: int
    dL_dx_next: Array
    df_ds: Array
    df_ds_exact: Array
    x: Array
    terms: Array
    batches: tuple[int, ...]
    steps: tuple[int, ...]
    shown: int
    gradient: float | None
    notes: tuple[str, ...]
    order: Array = field(init=False)
    total: float = field(init=False)

    def __post_init__(self) -> None:
        size = np.where(np.isnan(self.terms), np.inf, np.abs(self.terms))
        object.__setattr__(self, "order", np.argsort(-size, kind="stable"))
        with np.errstate(all="ignore"):  # ∞ − ∞ is NaN, as it is in the pass
            object.__setattr__(self, "total", float(self.terms.sum()))

    @property
    def rest(self) -> float:
        """The sum of the terms that are not printed."""
        with np.errstate(all="ignore"):
            return float(self.terms[self.order[self.shown :]].sum())

    @property
    def variable(self) -> str:
        """W[j, k] or b[k]."""
        return f"b[{self.k}]" if self.j is None else f"W[{self.j}, {self.k}]"

    def _example(self, n: int) -> str:
        """The example's number from 0; "2:17" is example 17 of step 2."""
        if len(self.batches) == 1:
            return str(n)
        starts = np.cumsum((0, *self.batches))
        call = int(np.searchsorted(starts, n, side="right"))
        return f"{self.steps[call - 1]}:{n - starts[call - 1]}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (self._example(n), *(_number(a[n]) for a in self._columns()), _number(self.terms[n]))
            for n in self.order[: self.shown].tolist()
        ]

    def _columns(self) -> tuple[Array, ...]:
        return (self.dL_dx_next, self.df_ds, *(() if self.j is None else (self.x,)))

    def __str__(self) -> str:
        """A table, at most 80 columns wide."""
        bias = self.j is None
        times = "" if bias else " · x_j"
        what = f"∂L/∂b_k, k = {self.k}" if bias else f"∂L/∂w_jk, j = {self.j}, k = {self.k}"
        lines = [
            *_wrapped(f"{self.layer}: {what}, f = {self.f}", ""),
            "",
            f"  ∂L/∂{'b_k ' if bias else 'w_jk'} = Σ_n ∂L/∂x_k⁽ⁱ⁺¹⁾ · f′(s_k){times}",
            "",
            f"  {'example n' if len(self.batches) == 1 else 'step:example':>12}"
            f"  {'∂L/∂x_k⁽ⁱ⁺¹⁾':>13}   {'f′(s_k)':>11}"
            + ("" if bias else f"   {'x_j':>11}")
            + f"   {'term':>12}",
        ]
        for example, *factors, term in self._rows():
            product = f"{factors[0]:>13}" + "".join(f" · {x:>11}" for x in factors[1:])
            lines.append(f"  {example:>12}  {product} = {term:>12}")
        width = 12 + 2 + 13 + (3 + 11) * (1 if bias else 2)
        left = len(self.terms) - len(self._rows())
        if left:
            lines.append(f"  {f'the other {left}':<{width}} = {_number(self.rest):>12}")
        lines.append(f"  {'sum':<{width}} = {_number(self.total):>12}")
        for paragraph in self._paragraphs():
            lines += ["", *_wrapped(paragraph, "  ")]
        return "\n".join(lines)

    def latex(self) -> str:
        """The same as an `align*` environment of LaTeX."""
        bias = self.j is None
        x = "" if bias else r"\, x_j"
        name = r"\frac{\partial L}{\partial b_k}" if bias else r"\frac{\partial L}{\partial w_{jk}}"
        terms = [
            r" \cdot ".join(_latex_number(factor) for factor in row[1:-1]) for row in self._rows()
        ]
        left = len(self.terms) - len(terms)
        if left:
            terms.append(rf"\underbrace{{{_latex_number(_number(self.rest))}}}_{{{left}\ more}}")
        sums = [rf"&{'+' if i else '='} {term} \\" for i, term in enumerate(terms)]
        return "\n".join(
            [
                r"\begin{align*}",
                rf"{name} &= \sum_n \frac{{\partial L}}{{\partial x_k^{{(i+1)}}}}\, f'(s_k){x} \\",
                *sums,
                f"&= {_latex_number(_number(self.total))}",
                r"\end{align*}",
            ]
        )

    def _repr_html_(self) -> str:
        head = ["n", "∂L/∂x<sub>k</sub><sup>(i+1)</sup>", "f′(s<sub>k</sub>)"]
        head += [] if self.j is None else ["x<sub>j</sub>"]
        columns = len(head)
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        left = len(self.terms) - len(self._rows())
        sums = [(f"the other {left}", self.rest)] if left else []
        for label, value in [*sums, ("sum", self.total)]:
            body += f"<tr><td colspan={columns}>{label}</td><td>{_number(value)}</td></tr>"
        sub = f"b<sub>{self.k}</sub>" if self.j is None else f"w<sub>{self.j},{self.k}</sub>"
        return (
            '<table style="font-variant-numeric: tabular-nums; text-align: right">'
            f"<caption>{escape(self.layer)}: ∂L/∂{sub}, f = {escape(self.f)}</caption>"
            "<tr>" + "".join(f"<th>{cell}</th>" for cell in [*head, "term"]) + f"</tr>{body}"
            "</table>" + "".join(f"<p>{escape(line)}</p>" for line in self._paragraphs())
        )

    def _paragraphs(self) -> list[str]:
        given = self.gradient
        first = [] if given is None else [f"The pass gave ∂L/∂{self.variable} = {given:.9g}."]
        return [*first, *self.notes]

    def __repr__(self) -> str:
        return f"Explanation({self.layer}, ∂L/∂{self.variable} = {self.total:.6g})"


def explain(
    t: TraceData,
    layer: str | int,
    *,
    weight: tuple[int, int] | None = None,
    bias: int | None = None,
    examples: int = 5,
    link: int = 0,
) -> Explanation:
    """∂L/∂w_jk of one weight, or ∂L/∂b_k of one bias, as the sum that the pass computed.

    Args:
        layer: its name, then all its calls in the pass are summed, as in W.grad; or the position of
            one call in `t.layers`.
        weight: (j, k), input and unit; bias: k. One of the two.
        examples: how many terms are printed, the largest first.
        link: which product, of a layer with several: 0 is x W in s = x W + h U + b, 1 is h U.

    Raises: GraphError if the trace saw no backward pass of the layer, IndexError for j, k or a
        position that is out of range, KeyError for an unknown layer, ValueError for a name that
        several layers share, or unless one of `weight` and `bias` is given.
    """
    rows, notes = calls_of(t, layer, link)
    name, f = rows[0].name, rows[0].f
    if (weight is None) == (bias is None):
        raise ValueError(f"explain {name}: give weight=(j, k) or bias=k, one of the two")
    if examples < 0:
        raise ValueError(f"explain {name}: examples={examples}; it must be 0 or more")
    if all(row.dL_dx_next is None for row in rows):
        raise GraphError(
            f"explain {name}: the trace saw no backward pass of this layer; call loss.backward() "
            "inside the trace() block, on a loss that depends on the layer"
        )
    rows = [row for row in rows if row.dL_dx_next is not None]
    fan_in, fan_out = rows[0].W.shape
    if weight is not None:
        try:
            j, k = weight
        except (TypeError, ValueError):
            raise ValueError(f"explain {name}: weight={weight!r}; give (j, k)") from None
        j, k = _index(j, fan_in, f"{name}.W", "input j"), _index(k, fan_out, f"{name}.W", "unit k")
        gradients = [None if row.dL_dW is None else row.dL_dW[j, k] for row in rows]
    else:
        if rows[0].b is None:
            raise ValueError(f"explain {name}: this layer has no bias; give weight=(j, k)")
        j, k = None, _index(bias, fan_out, f"{name}.b", "unit k")
        gradients = [None if row.dL_db is None else row.dL_db[k] for row in rows]
    used, exact = (_joined(a) for a in zip(*(_slopes(row, k) for row in rows), strict=True))
    x = _joined([np.ones(len(row.x)) if j is None else row.x[:, j] for row in rows])
    dL_ds = _joined([np.asarray(row.dL_ds)[:, k] for row in rows])
    with np.errstate(all="ignore"):
        terms = dL_ds * x
    known = [float(g) for g in gradients if g is not None]
    return Explanation(
        layer=name,
        f=f.name,
        j=j,
        k=k,
        dL_dx_next=_joined([np.asarray(row.dL_dx_next)[:, k] for row in rows]),
        df_ds=used,
        df_ds_exact=exact,
        x=x,
        terms=terms,
        batches=tuple(len(row.x) for row in rows),
        steps=tuple(i if row.step is None else row.step for i, row in enumerate(rows)),
        shown=min(examples, len(terms)),
        gradient=float(np.sum(known, dtype=rows[0].W.dtype)) if len(known) == len(rows) else None,
        notes=(*notes, *_differences(used, exact)),
    )


def _slopes(row: LayerRecord, k: int) -> tuple[Array, Array]:
    """f′(s_k) as the backward pass used it, and f′(s_k) from s."""
    return row.slopes_used()[:, k], row.df_ds[:, k]


def _differences(used: Array, exact: Array) -> tuple[str, ...]:
    """Whether f′ from x⁽ⁱ⁺¹⁾ and from s differ in the digits that are printed."""
    apart = np.abs(used - exact) > 1e-5 * np.abs(exact)
    if not apart.any():
        return ()
    n = int(np.argmax(np.where(apart, np.abs(used - exact), -1)))
    return (
        f"f′(s_k) is as the pass used it, from x_k⁽ⁱ⁺¹⁾; from s_k itself it differs for "
        f"{int(apart.sum())} of {len(used)} examples, most where it is {used[n]:.6g} here and "
        f"{exact[n]:.6g} exactly.",
    )


def _index(i: Any, size: int, name: str, what: str) -> int:
    if isinstance(i, bool) or not isinstance(i, int | np.integer):
        raise TypeError(f"explain {name}: {what} = {i!r}; it must be an integer")
    if not -size <= i < size:
        raise IndexError(f"explain {name}: {what} = {i} is out of range; it is 0 … {size - 1}")
    return int(i) % size


def _joined(parts: Any) -> Array:
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _number(value: Any) -> str:
    return f"{float(value):.5g}"


def _latex_number(text: str) -> str:
    mantissa, e, power = text.partition("e")
    value = rf"{mantissa} \times 10^{{{int(power)}}}" if e else mantissa
    value = value.replace("inf", r"\infty").replace("nan", r"\mathrm{NaN}")
    return f"({value})" if value.startswith("-") else value


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent=indent, subsequent_indent=indent)
