"""Documents into sequences: best-fit packing in windows, or one stream that is cut.

Best-fit packing: Ding et al. 2024, "Fewer Truncations Improve Language Modeling". Both place every token exactly once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

WINDOW_DOCUMENTS = 65_536  # packed together

Ints = npt.NDArray[np.int64]


class Pieces(NamedTuple):
    """Token ranges of documents, each with the sequence that it goes into: arrays of equal length."""

    document: Ints
    start: Ints  # in the document's tokens
    length: Ints
    sequence: Ints


def concatenate(lengths: Ints, capacity: int) -> Pieces:
    """One stream of all documents, cut every `capacity` tokens: the last sequence alone may fall short."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first = starts // capacity
    document, ordinal = _repeated((ends - 1) // capacity - first + 1)
    sequence = first[document] + ordinal
    begin = np.maximum(starts[document], sequence * capacity)
    end = np.minimum(ends[document], (sequence + 1) * capacity)
    return Pieces(document, begin - starts[document], end - begin, sequence)


def best_fit(lengths: Ints, capacity: int) -> Pieces:
    """A document longer than a sequence fills whole ones first; what is left of it is packed, uncut, with others of its window."""
    whole = lengths // capacity
    document, ordinal = _repeated(whole)
    full = Pieces(document, ordinal * capacity, np.full_like(document, capacity), np.arange(len(document)))
    rest = lengths % capacity
    sequence = np.empty_like(rest)
    used = len(document)
    for low in range(0, len(rest), WINDOW_DOCUMENTS):
        window = rest[low : low + WINDOW_DOCUMENTS]
        longest_first = np.argsort(-window, kind="stable")[: np.count_nonzero(window)]
        bins, opened = fit(window[longest_first], capacity)
        sequence[low + longest_first] = used + bins
        used += opened
    left = np.flatnonzero(rest)
    packed = Pieces(left, (whole * capacity)[left], rest[left], sequence[left])
    return Pieces(*(np.concatenate(columns) for columns in zip(full, packed, strict=True)))


def _repeated(counts: Ints) -> tuple[Ints, Ints]:
    """Each index as many times as its count says, and which time it is, from 0."""
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)


@njit(cache=True)
def fit(lengths: Ints, capacity: int) -> tuple[Ints, int]:
    """Best-fit decreasing: each of `lengths` (descending, 1 to `capacity`) goes into the fullest bin that has room for it.

    Returns the bin of each, and how many bins there are. Bins of equal room form a stack; a binary tree over rooms tells the
    least one with a bin on its stack: its leaf r is node `leaves + r`, node n's children are 2n and 2n + 1.
    """
    leaves = 1
    while leaves <= capacity:
        leaves *= 2
    occupied = np.zeros(2 * leaves, np.bool_)
    top = np.full(capacity + 1, -1, np.int64)
    below = np.empty(len(lengths), np.int64)
    bins = np.empty(len(lengths), np.int64)
    opened = 0
    for i, length in enumerate(lengths):
        node = leaves + length
        while node > 0 and not occupied[node]:
            while node & 1:
                node >>= 1
            if node > 0:
                node += 1
        if node == 0:
            chosen, room = opened, capacity
            opened += 1
        else:
            while node < leaves:
                node = 2 * node if occupied[2 * node] else 2 * node + 1
            room = node - leaves
            chosen = top[room]
            top[room] = below[chosen]
            if top[room] < 0:
                occupied[node] = False
                while node > 1 and not occupied[node ^ 1]:
                    node >>= 1
                    occupied[node] = False
        room -= length
        below[chosen] = top[room]
        top[room] = chosen
        node = leaves + room
        while node > 0 and not occupied[node]:
            occupied[node] = True
            node >>= 1
        bins[i] = chosen
    return bins, opened
