"""The one visit, in a total order, that decides which documents are near-duplicates.

A document is a duplicate if and only if it is as similar as asked to one that is kept and came before it, among those
that it meets in a band. Its twin is the most similar of them, the first where several are. Meeting, and similarity, are
matters of the two documents alone; so the result depends on nothing but the order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.dedup.bands import Meetings, Similarities
from pipeline.dedup.minhash import Values, fewest_matches
from pipeline.dedup.precedence import Rows
from pipeline.dedup.shingles import Flags, Sets
from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

_ROUNDING = 1e-6  # of a shingle
Found = tuple[Rows, Similarities, Flags]


class Likeness(NamedTuple):
    """What makes two documents a pair: they agree in a whole band of the layout (`bands` of `rows` values), and have this
    Jaccard similarity or more."""

    similarity: float
    bands: int
    rows: int


def sweep(order: Rows, met: Meetings, signed: Values, sets: Sets, alike: Likeness, *, places: int) -> Found:
    """Visit rows in `order`: the twin's row for each row (-1: none), their similarity, and which buckets were overfull.

    A bucket has `places` for kept documents; where one is overfull the result says nothing but that.
    """
    buckets, count = int(met.buckets.max(initial=-1)) + 1, len(signed)
    asked, entered = (_by_row(met.where(chosen), count) for chosen in (met.asks, met.enters))
    bounds = _ends(np.minimum(np.bincount(met.buckets[met.enters], minlength=buckets), places))
    ranks = np.empty(count, np.int64)
    ranks[order] = np.arange(len(order))
    floors = np.array([fewest_matches(percent / 100, signed.shape[1]) for percent in range(101)])
    tenants, tenant_limits = np.empty(bounds[-1], np.int64), np.empty(bounds[-1], np.int64)
    twins, seen_by = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    similarities, overfull = np.zeros(count, np.float64), np.zeros(buckets, np.bool_)
    _visit(
        order, ranks, *asked, *entered, bounds, bounds[:-1].copy(), tenants, tenant_limits, seen_by,
        signed, *sets, alike, floors, twins, similarities, overfull,
    )  # fmt: skip
    return twins, similarities, overfull


def _by_row(met: Meetings, count: int) -> tuple[Rows, Rows, Rows]:
    """Where the buckets of each row begin and end; the buckets, and the limits there."""
    ends = _ends(np.bincount(met.rows, minlength=count))
    by_row = np.empty(len(met.rows), np.int64)
    _sort_by_row(met.rows, ends[:-1].copy(), by_row)
    return ends, met.buckets[by_row], met.limits[by_row]


def _ends(sizes: Rows) -> Rows:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


@kernel
def _sort_by_row(rows: Rows, places: Rows, by_row: Rows) -> None:
    for i in range(len(rows)):
        by_row[places[rows[i]]] = i
        places[rows[i]] += 1


@kernel
def _visit(
    order: Rows, ranks: Rows, asked_from: Rows, asked: Rows, ask_limits: Rows,
    entered_from: Rows, entered: Rows, enter_limits: Rows, bounds: Rows, ends: Rows,
    tenants: Rows, tenant_limits: Rows, seen_by: Rows, signed: Values, starts: Counts, shingles: Hashes, alike: Likeness, floors: Rows,
    twins: Rows, similarities: Similarities, overfull: Flags,
) -> None:  # fmt: skip
    for visit in range(len(order)):
        this = order[visit]
        size = starts[this + 1] - starts[this]
        for i in range(asked_from[this], asked_from[this + 1]):
            if overfull[asked[i]]:
                continue
            for place in range(bounds[asked[i]], ends[asked[i]]):
                other = tenants[place]
                if size > tenant_limits[place] or seen_by[other] == this or starts[other + 1] - starts[other] > ask_limits[i]:
                    continue
                seen_by[other] = this
                asked_for = max(alike.similarity, similarities[this])
                if not _may_pair(signed, this, other, alike, floors[int(100 * asked_for)]):
                    continue
                found = _jaccard(shingles, starts[this], starts[this + 1], starts[other], starts[other + 1], asked_for)
                if found > similarities[this] or (found == similarities[this] > 0 and ranks[other] < ranks[twins[this]]):
                    twins[this], similarities[this] = other, found
        if twins[this] >= 0:
            continue
        for i in range(entered_from[this], entered_from[this + 1]):
            bucket = entered[i]
            if ends[bucket] < bounds[bucket + 1]:
                tenants[ends[bucket]], tenant_limits[ends[bucket]] = this, enter_limits[i]
                ends[bucket] += 1
            else:
                overfull[bucket] = True


@kernel
def _may_pair(signed: Values, this: int, other: int, alike: Likeness, fewest: int) -> bool:
    agreeing = 0
    for k in range(signed.shape[1]):
        agreeing += signed[this, k] == signed[other, k]
    if agreeing < fewest:
        return False
    for first in range(0, alike.bands * alike.rows, alike.rows):
        whole = True
        for k in range(first, first + alike.rows):
            whole = whole and signed[this, k] == signed[other, k]
        if whole:
            return True
    return False


@kernel
def _jaccard(shingles: Hashes, i: int, i_end: int, j: int, j_end: int, similarity: float) -> float:
    """Jaccard similarity of the ascending sets `shingles[i:i_end]` and `shingles[j:j_end]`, or 0 as soon as it is below `similarity`."""
    sizes = (i_end - i) + (j_end - j)
    # With this many shingles that only one of the two has, the similarity is just reached.
    spare = sizes * (1 - similarity) / (1 + similarity) + _ROUNDING
    if abs((i_end - i) - (j_end - j)) > spare:
        return 0.0
    shared, apart = 0, 0
    while i < i_end and j < j_end:
        if shingles[i] == shingles[j]:
            i, j, shared = i + 1, j + 1, shared + 1
            continue
        apart += 1
        if apart > spare:
            return 0.0
        if shingles[i] < shingles[j]:
            i += 1
        else:
            j += 1
    jaccard = shared / (sizes - shared)
    return jaccard if jaccard >= similarity else 0.0
