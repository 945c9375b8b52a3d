"""The exercises of tutorial 3."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .verdict import NotYet, agree, call, exercise, numbers, parts


@exercise
def multiply_adds(answer: Any) -> str:
    """Multiply-adds in the products of a layer, forward and backward."""
    for batch, n_in, n_out in ((10, 1000, 1000), (7, 30, 11)):
        one = batch * n_in * n_out
        agree(
            f"the number for a batch of {batch}, {n_in} inputs and {n_out} units",
            call(answer, batch, n_in, n_out),
            3 * one,
            [
                (one, "that is one product; count the products that a layer takes, both ways"),
                (2 * one, "one product is missing: forward has one, and backward more than one"),
                (4 * one, "one product too many: tutorial 2 has the equations of a layer"),
                (6 * one, "a multiplication with its addition counts as one multiply-add here"),
                (n_in * n_out, "and the batch? Each of its examples takes as many"),
                (3 * n_in * n_out, "and the batch? Each of its examples takes as many"),
                (3 * one + batch * n_out, "adding b is no multiply-add; the products alone count"),
            ],
        )
    return "for two layers"


@exercise
def split_exponent(answer: Any) -> str:
    """(n, r) with x = n ln 2 + r, n whole and |r| at most ln 2 / 2."""
    ln2 = math.log(2)
    for x in (0.0, 0.3, 1.0, -1.0, 10.0, -10.3, 87.0, 0.6):
        n, r = parts(call(answer, x), ("n", "r"))
        n, r = float(numbers("n", n, ())), float(numbers("r", r, ()))
        if n != round(n):
            raise NotYet(f"for x = {x:g}: n is {n:.6g}; it should be a whole number")
        agree(f"for x = {x:g}: n · ln 2 + r", n * ln2 + r + 1, x + 1, rtol=1e-12)
        if abs(r) > ln2 / 2 * (1 + 1e-12):
            more = "; the whole number below is not always the nearest" if 0 <= r < ln2 else ""
            raise NotYet(
                f"for x = {x:g}: r is {r:.4f}; another n makes it at most half of ln 2{more}"
            )
    return "for eight numbers of either sign"


@exercise
def stable_sigmoid(answer: Any) -> str:
    """1 / (1 + e⁻ˢ) of a float32 array, right at ±1000, ±∞ and NaN, without a warning."""
    s = np.array([-1000, -80, -20, -1, 0, 1, 20, 80, 1000, np.inf, -np.inf], np.float32)
    e = np.exp(-np.abs(s.astype(np.float64)))
    right = np.where(s >= 0, 1, e) / (1 + e)
    right[right < 1e-38] = 0  # float32 knows no such number
    try:
        found = call(answer, s)
    except NotYet as why:
        if "overflow" not in str(why):
            raise
        raise NotYet(
            f"{why}. The result lies between 0 and 1, so nothing on the way to it needs to be "
            "large: which sign of the exponent can't overflow? (np.where computes both sides.)"
        ) from None
    found = numbers("its result", found, s.shape)
    for value, f, wanted in zip(s, found, right, strict=True):
        if not np.isfinite(f):
            raise NotYet(f"at s = {value:g} it is {f:g}")
        if abs(f - wanted) > 1e-6 * wanted:
            raise NotYet(f"at s = {value:g} it is {f:.7g}, which is {_why_wrong(value, f)}")
    if not np.isnan(numbers("f(NaN)", call(answer, np.full(1, np.nan, np.float32)), (1,))).all():
        raise NotYet("at s = NaN it is a number: what went wrong before would be hidden")
    return "from −1000 to 1000, at ±∞ and NaN, to float32's precision"


def _why_wrong(s: float, f: float) -> str:
    if s < -15 and f == 0:
        return "less than it should be (1 − f, of an f next to 1, has no digits left)"
    if s < -15 and 0 < f < 1e-6:
        return "more than it should be (an s that is cut off stays at the value of the limit)"
    if s < 0 and 0.5 < f <= 1:
        return "wrong: below s = 0 f is less than ½ (e^−|s| is e^s there)"
    return "wrong"
