"""The one comparison of a signal with a bound: used by gates, decisions and what-if alike.

`min` and `max` are inclusive and compared as 64-bit floats. A null value is out of bounds unless the bound says otherwise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.step import Bound

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
LANGUAGE_COLUMN = "language_code"  # the signal that says which of a bound's `by_language` holds for a row
KINDS = ("min", "max", "in", "not_in")


def kinds(bound: Bound) -> list[str]:
    """Which of KINDS a bound limits, for any language."""
    every = (bound, *bound.by_language.values())
    limits = {"min": lambda b: b.min, "max": lambda b: b.max, "in": lambda b: b.in_, "not_in": lambda b: b.not_in}
    return [kind for kind in KINDS if any(limits[kind](each) is not None for each in every)]


def broken(bound: Bound, values: pa.Array, languages: pa.Array | None) -> dict[str, tuple[Mask, Floats]]:
    """For each kind that the bound limits: which rows break it, and the limit that applied to each row (NaN: none, or a text)."""
    found = {kind: (np.zeros(len(values), bool), np.full(len(values), np.nan)) for kind in kinds(bound)}
    for rows, own in _by_language(bound, languages, len(values)):
        for kind, (mask, limits) in found.items():
            out, limit = _breaks(kind, own, values)
            mask[rows] = out[rows]
            limits[rows] = limit
    return found


def _by_language(bound: Bound, languages: pa.Array | None, count: int) -> list[tuple[Mask, Bound]]:
    if not bound.by_language or languages is None:
        return [(np.ones(count, bool), bound.model_copy(update={"by_language": {}}))]
    known = pc.fill_null(languages, "")
    own = {language: pc.equal(known, language).to_numpy(zero_copy_only=False) for language in bound.by_language}
    rest = ~np.logical_or.reduce(list(own.values()))
    return [(rest, bound), *((mask, bound.for_language(language)) for language, mask in own.items())]


def _breaks(kind: str, bound: Bound, values: pa.Array) -> tuple[Mask, float]:
    null = values.is_null().to_numpy(zero_copy_only=False)
    if kind in ("in", "not_in"):
        texts = bound.in_ if kind == "in" else bound.not_in
        if texts is None:
            return np.zeros(len(values), bool), np.nan
        member = pc.is_in(values, pa.array(texts, values.type)).to_numpy(zero_copy_only=False)
        out = ~member if kind == "in" else member
        limit = np.nan
    else:
        given = bound.min if kind == "min" else bound.max
        if given is None:
            return np.zeros(len(values), bool), np.nan
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        # written so that a NaN, which is within nothing, is out of bounds
        out = ~(numbers >= given) if kind == "min" else ~(numbers <= given)
        limit = given
    return np.where(null, not bound.null, out), limit


def describe(bound: Bound) -> str:
    """A bound in words: what is kept."""
    limits = [
        f">= {bound.min:g}" if bound.min is not None else "",
        f"<= {bound.max:g}" if bound.max is not None else "",
        f"in {', '.join(bound.in_)}" if bound.in_ else "none" if bound.in_ is not None else "",
        f"not in {', '.join(bound.not_in)}" if bound.not_in is not None else "",
    ]
    own = [f"{language}: {describe(each)}" for language, each in bound.by_language.items()]
    return " and ".join(limit for limit in limits if limit) + (f" ({'; '.join(own)})" if own else "")
