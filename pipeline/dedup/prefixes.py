"""Prefix filtering, for buckets that hold very many documents which are not duplicates (Bayardo, Ma and Srikant 2007).

Documents made from one template meet in one bucket by the thousand, and to compare each with all grows with the square.
But two sets of sizes a and b that are as similar as asked share `similarity / (1 + similarity) * (a + b)` shingles or more;
so, with all shingles in one order, rarest first, they share one of the first `a - that + 1` of the one and of the first
`b - that + 1` of the other. What a template repeats is frequent, and such documents part here. No pair is lost,
whatever the counts that the order is made from.

How long a prefix must be depends on the other's size. So sets are put in classes of size, a prefix is cut for each class
that could hold a pair, and each of its shingles says up to which size of the other it belongs to the prefix.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.dedup.bands import Meetings, group
from pipeline.dedup.precedence import Rows
from pipeline.dedup.shingles import Flags, Sets
from pipeline.dedup.sorting import TALLIES, sort
from pipeline.dedup.words import mix
from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

Tallies = npt.NDArray[np.uint32]

_COUNTERS = 1 << 22  # shingles that share a counter look more frequent than they are: that costs time, never a pair
_MOST = np.uint64((1 << 20) - 1)
_TWICE = np.uint64(2 << 44)  # what is below stands for a shingle of one document alone
_STEP = np.log(1.05)  # from one class of size to the next, of the logarithm
_ROUNDING = 1e-6  # of a shingle: so that none is asked for by rounding alone


def prefix_meetings(members: Rows, sets: Sets, similarity: float, asking: Flags) -> Meetings:
    """The buckets in which members with a pair as similar as asked meet; `sets` are those of all rows, none of a member empty."""
    counters = np.zeros(_COUNTERS, np.uint32)
    _count(members, *sets, counters)
    total, longest = _extent(members, sets.starts, similarity)
    looked, places = np.empty(total, np.uint64), np.empty(total, np.uint64)
    rows, limits = np.empty(total, np.int64), np.empty(total, np.int64)
    ordered, spare, tallies = np.empty(longest, np.uint64), np.empty(longest, np.uint64), np.empty(TALLIES, np.int64)
    filled = _prefixes(members, *sets, similarity, counters, ordered, spare, tallies, looked, places, rows, limits)
    looked, places, rows, limits = looked[:filled], places[:filled], rows[:filled], limits[:filled]
    # Where both sets are of one class a row looks where it also enters; else there is a side for each of the two classes.
    apart = looked != places
    keys = np.concatenate([looked, places[apart]])
    rows, limits = (np.concatenate([column, column[apart]]) for column in (rows, limits))
    looking = np.arange(len(keys)) < len(looked)
    return group(keys, rows, asking[rows] & looking, ~(looking & np.resize(apart, len(keys))), limits)


@kernel
def _count(members: Rows, starts: Counts, shingles: Hashes, counters: Tallies) -> None:
    for k in range(len(members)):
        for i in range(starts[members[k]], starts[members[k] + 1]):
            counters[shingles[i] & np.uint64(len(counters) - 1)] += np.uint32(1)


@kernel
def _extent(members: Rows, starts: Counts, similarity: float) -> tuple[int, int]:
    """The room for all prefixes, and for the longest set."""
    total, longest = 0, 0
    for k in range(len(members)):
        size = starts[members[k] + 1] - starts[members[k]]
        longest = max(longest, size)
        for other in _classes(size, similarity):
            total += _prefix_size(size, other, similarity)
    return total, longest


@kernel
def _prefixes(
    members: Rows, starts: Counts, shingles: Hashes, similarity: float, counters: Tallies,
    ordered: Hashes, spare: Hashes, tallies: Counts, looked: Hashes, places: Hashes, rows: Rows, limits: Rows,
) -> int:  # fmt: skip
    filled = 0
    for k in range(len(members)):
        first, size = starts[members[k]], starts[members[k] + 1] - starts[members[k]]
        for i in range(size):
            shingle = shingles[first + i]
            count = min(np.uint64(counters[shingle & np.uint64(len(counters) - 1)]), _MOST)
            # Count first, then the shingle: the number stands for it, and gives all documents the same order.
            ordered[i] = (count << np.uint64(44)) | (shingle >> np.uint64(20))
        sort(ordered, 0, size, spare, tallies)
        own = _class_of(size)
        for other in _classes(size, similarity):
            for i in range(_prefix_size(size, other, similarity)):
                if ordered[i] >= _TWICE:
                    looked[filled], places[filled] = _key(ordered[i], other, own), _key(ordered[i], own, other)
                    rows[filled] = members[k]
                    limits[filled] = int(np.floor((size - i + _ROUNDING) * (1 + similarity) / similarity - size))
                    filled += 1
    return filled


@kernel
def _key(shingle: np.uint64, tenant: int, visitor: int) -> np.uint64:
    """The bucket where sets of class `tenant` stay that hold this rare shingle, for those of class `visitor` to find."""
    return mix(shingle ^ mix(np.uint64((tenant << 32) + visitor + 1)))


@kernel
def _class_of(size: float) -> int:
    return int(np.log(size) / _STEP)


@kernel
def _classes(size: int, similarity: float) -> range:
    """The classes of all sizes that a set may have to be as similar as asked to one of `size`."""
    least = max(1.0, np.ceil(size * similarity - _ROUNDING))
    return range(_class_of(least), _class_of(np.floor(size / similarity + _ROUNDING)) + 1)


@kernel
def _prefix_size(size: int, other: int, similarity: float) -> int:
    least = max(np.exp(other * _STEP), size * similarity)
    return size - int(np.ceil((size + least) * similarity / (1 + similarity) - _ROUNDING)) + 1
