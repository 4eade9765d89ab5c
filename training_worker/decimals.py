"""Floats as decimal text: signed files hold no floats (DESIGN.md section 4).

Here: one function. Not here: reading such text back, for which `decimal` and `float` do.
"""

from __future__ import annotations

import math

from datasigil.errors import DatasigilError


def decimal_text(value: float, places: int | None = None) -> str:
    """Return a float as decimal text without exponent: the shortest that reads back equal, or rounded to `places`.

    Raises:
        DatasigilError: NOT_FINITE, for NaN and infinities.
    """
    if not math.isfinite(value):
        raise DatasigilError("NOT_FINITE", "a figure is not a finite number", found=repr(value))
    if places is not None:
        return f"{value + 0.0:.{places}f}"
    text = repr(value)
    if "e" in text or "E" in text:
        text = f"{value:.20f}".rstrip("0").rstrip(".")
    return text.removesuffix(".0")


__all__ = ["decimal_text"]
