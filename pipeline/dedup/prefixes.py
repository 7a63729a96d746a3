"""Prefix filtering, for buckets that hold very many documents which are not duplicates (Bayardo, Ma and Srikant 2007).

Documents made from one template meet in one bucket by the thousand, and to compare each with all grows with the square.
But two sets of sizes a and b that are as similar as asked share `similarity / (1 + similarity) * (a + b)` shingles or more;
so, with all shingles in one order, rarest first, they share one of the first `a - that + 1` of the one and of the first
`b - that + 1` of the other. What a template repeats is frequent, and such documents part here. No pair is lost,
whatever the counts that the order is made from.

How long a prefix must be depends on the other's size; so sets are put in classes of size, and a prefix is cut for each
class that could hold a pair.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pipeline.dedup.bands import Meetings, group
from pipeline.dedup.minhash import Values
from pipeline.dedup.precedence import Rows
from pipeline.dedup.words import Flags, Hashes, Offsets, mix

_COUNTERS = 1 << 22  # shingles that share a counter look more frequent than they are: that costs time, never a pair
_MOST = np.uint64((1 << 20) - 1)
_STEP = np.log(1.05)  # from one class of size to the next, of the logarithm
_ROUNDING = 1e-6  # of a shingle: so that none is asked for by rounding alone


def prefix_meetings(members: Rows, starts: Offsets, shingles: Hashes, similarity: float, asking: Flags, kept: Flags) -> Meetings:
    """The buckets of members that share a rare shingle; `starts` and `shingles` hold the sets of all rows, none of a member empty."""
    counters = np.zeros(_COUNTERS, np.uint32)
    _count(members, starts, shingles, counters)
    looked, places, rows = _prefixes(members, starts, shingles, similarity, counters)
    # Where both sets are of one class a row looks where it also enters; else there is a side for each of the two classes.
    apart = looked != places
    keys, rows = np.concatenate([looked, places[apart]]), np.concatenate([rows, rows[apart]])
    looking = np.arange(len(keys)) < len(looked)
    return group(keys, rows, asking[rows] & looking, kept[rows] & ~(looking & np.resize(apart, len(keys))))


@njit(nogil=True, cache=True)
def _count(members: Rows, starts: Offsets, shingles: Hashes, counters: Values) -> None:
    for row in members:
        for i in range(starts[row], starts[row + 1]):
            counters[shingles[i] & np.uint64(counters.shape[0] - 1)] += np.uint32(1)


@njit(nogil=True, cache=True)
def _prefixes(members: Rows, starts: Offsets, shingles: Hashes, similarity: float, counters: Values) -> tuple[Hashes, Hashes, Rows]:
    total, longest = 0, 0
    for row in members:
        size = starts[row + 1] - starts[row]
        longest = max(longest, size)
        for other in _classes(size, similarity):
            total += _prefix_size(size, other, similarity)
    looked, places, rows = np.empty(total, np.uint64), np.empty(total, np.uint64), np.empty(total, np.int64)
    ordered = np.empty(longest, np.uint64)
    filled = 0
    for row in members:
        size = starts[row + 1] - starts[row]
        for i in range(size):
            shingle = shingles[starts[row] + i]
            count = min(np.uint64(counters[shingle & np.uint64(counters.shape[0] - 1)]), _MOST)
            # Count first, then the shingle: the number stands for it, and gives all documents the same order.
            ordered[i] = (count << np.uint64(44)) | (shingle >> np.uint64(20))
        ordered[:size].sort()
        own = _class_of(size)
        for other in _classes(size, similarity):
            for i in range(_prefix_size(size, other, similarity)):
                looked[filled], places[filled], rows[filled] = _key(ordered[i], other, own), _key(ordered[i], own, other), row
                filled += 1
    return looked, places, rows


@njit(nogil=True, cache=True)
def _key(shingle: np.uint64, tenant: int, visitor: int) -> np.uint64:
    """The bucket where sets of class `tenant` stay that hold this rare shingle, for those of class `visitor` to find."""
    return mix(shingle ^ mix(np.uint64((tenant << 32) + visitor + 1)))


@njit(nogil=True, cache=True)
def _class_of(size: float) -> int:
    return np.int64(np.log(size) / _STEP)


@njit(nogil=True, cache=True)
def _classes(size: int, similarity: float) -> range:
    """The classes of all sizes that a set may have to be as similar as asked to one of `size`."""
    least = max(1.0, np.ceil(size * similarity - _ROUNDING))
    return range(_class_of(least), _class_of(np.floor(size / similarity + _ROUNDING)) + 1)


@njit(nogil=True, cache=True)
def _prefix_size(size: int, other: int, similarity: float) -> int:
    least = max(np.exp(other * _STEP), size * similarity)
    return size - np.int64(np.ceil((size + least) * similarity / (1 + similarity) - _ROUNDING)) + 1
