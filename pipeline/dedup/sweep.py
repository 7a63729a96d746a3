"""The one visit, in a total order, that decides which documents are near-duplicates.

A document is a duplicate if and only if it is as similar as asked to one that is kept and came before it, among those
that it meets in a band. Its twin is the most similar of them, the first where several are. Meeting, and similarity, are
matters of the two documents alone; so the result depends on nothing but the order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.dedup.bands import Meetings
from pipeline.dedup.minhash import Values
from pipeline.dedup.precedence import Rows
from pipeline.dedup.words import Flags, Hashes, Offsets

Found = tuple[Rows, npt.NDArray[np.float64], Flags]


class Likeness(NamedTuple):
    """What makes two documents a pair: they agree in `matches` signature values or more, in a whole band of the layout
    (`bands` of `rows` values), and have this Jaccard similarity or more."""

    similarity: float
    matches: int
    bands: int
    rows: int


def sweep(order: Rows, met: Meetings, signed: Values, starts: Offsets, shingles: Hashes, alike: Likeness, room: int) -> Found:
    """Visit rows in `order`: the twin's row for each row (-1: none), their similarity, and which buckets were overfull.

    Row `i` has signature `signed[i]` and the set `shingles[starts[i]:starts[i + 1]]`. A bucket takes in `room` kept
    documents at most; where one is overfull the result says nothing but that.
    """
    buckets = int(met.buckets.max(initial=-1)) + 1
    asked, entered = (_by_row(met.rows[chosen], met.buckets[chosen], len(signed)) for chosen in (met.asks, met.enters))
    bounds = _starts(np.minimum(np.bincount(met.buckets[met.enters], minlength=buckets), room))
    ranks = np.empty(len(signed), np.int64)
    ranks[order] = np.arange(len(order))
    return _visit(order, ranks, asked, entered, bounds, signed, starts, shingles, alike)


def _by_row(rows: Rows, buckets: Rows, count: int) -> tuple[Rows, Rows]:
    """The buckets of row 0, of row 1 …, and where each row's begin."""
    return buckets[np.argsort(rows)], _starts(np.bincount(rows, minlength=count))


def _starts(sizes: Rows) -> Rows:
    return np.concatenate([[0], np.cumsum(sizes)])


@njit(nogil=True, cache=True)
def _visit(
    order: Rows,
    ranks: Rows,
    asked: tuple[Rows, Rows],
    entered: tuple[Rows, Rows],
    bounds: Rows,
    signed: Values,
    starts: Offsets,
    shingles: Hashes,
    alike: Likeness,
) -> Found:
    count = signed.shape[0]
    twins, similarities, seen_by = np.full(count, -1, np.int64), np.zeros(count, np.float64), np.full(count, -1, np.int64)
    overfull = np.zeros(bounds.shape[0] - 1, np.bool_)
    tenants, ends = np.empty(bounds[-1], np.int64), bounds[:-1].copy()
    for this in order:
        for bucket in asked[0][asked[1][this] : asked[1][this + 1]]:
            if overfull[bucket]:
                continue
            for other in tenants[bounds[bucket] : ends[bucket]]:
                if seen_by[other] == this:
                    continue
                seen_by[other] = this
                if not _may_pair(signed[this], signed[other], alike):
                    continue
                found = _jaccard(shingles[starts[this] : starts[this + 1]], shingles[starts[other] : starts[other + 1]], alike.similarity)
                closer = found > similarities[this] or (found == similarities[this] and ranks[other] < ranks[twins[this]])
                if found >= alike.similarity and closer:
                    twins[this], similarities[this] = other, found
        if twins[this] >= 0:
            continue
        for bucket in entered[0][entered[1][this] : entered[1][this + 1]]:
            if ends[bucket] < bounds[bucket + 1]:
                tenants[ends[bucket]] = this
                ends[bucket] += 1
            else:
                overfull[bucket] = True
    return twins, similarities, overfull


@njit(nogil=True, cache=True)
def _may_pair(this: Values, other: Values, alike: Likeness) -> bool:
    agreeing = 0
    for k in range(this.shape[0]):
        agreeing += np.int64(this[k] == other[k])
    if agreeing < alike.matches:
        return False
    for first in range(0, alike.bands * alike.rows, alike.rows):
        whole = True
        for k in range(first, first + alike.rows):
            whole = whole and this[k] == other[k]
        if whole:
            return True
    return False


@njit(nogil=True, cache=True)
def _jaccard(this: Hashes, other: Hashes, similarity: float) -> float:
    """Jaccard similarity of two ascending sets; 0 for a pair whose sizes alone, or what is left of them, say less than asked."""
    sizes = this.shape[0] + other.shape[0]
    if min(this.shape[0], other.shape[0]) < similarity * max(this.shape[0], other.shape[0]) - 1e-6:
        return 0.0
    # At this many shingles that only one of the two has, the similarity cannot be reached any more.
    spare = sizes * (1 - similarity) / (1 + similarity) + 1e-6
    i = j = shared = apart = 0
    while i < this.shape[0] and j < other.shape[0]:
        if this[i] == other[j]:
            i, j, shared = i + 1, j + 1, shared + 1
            continue
        apart += 1
        if apart > spare:
            return 0.0
        if this[i] < other[j]:
            i += 1
        else:
            j += 1
    return shared / (sizes - shared) if shared > 0 else 0.0
