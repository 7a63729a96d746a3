"""Where two texts can be equal for many bytes: anchors, which equal windows share, and the windows around them.

A window is a run of as many bytes as a repeat must have. Each has an anchor: of all runs of half its length in it, the one whose
hash is least, the last of several (winnowing: Schleimer et al. 2003). Which one that is depends on the window's bytes alone,
so equal windows have equal anchors at the same place. Of one text, windows that follow each other mostly have the same
anchor: some half a hundred in a text of no great regularity, where a window has 200 bytes. They are one segment.
Text that repeats itself at once has an anchor at each byte, but segments that are equal in turn: a row of them is noted as one.

Hashes are polynomials modulo the prime 2^61 - 1 (Karp and Rabin 1987), rolled byte by byte: one of an anchor and one of a window,
to different bases. All takes time in proportion to a text's bytes, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes, Strings, combine

_PRIME = np.uint64(2**61 - 1)
_ANCHOR_BASE = np.uint64(1_540_483_477)
_WINDOW_BASE = np.uint64(1_821_285_635)
_BITS = np.uint64(61)
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)
_CARRIED = np.uint64(29)  # 61 - 32
_LOW_CARRIED = np.uint64(2**29 - 1)

_WINDOWS_AT_ONCE = 1 << 20  # of a text, and of several; each may be a segment, 32 bytes

_ROWS_OF_SEGMENTS = 256  # in each text, that are looked after at a time; a power of two

PLACE_BITS = np.uint64(32)  # of a place, which is a document's rank and a byte of its text

# The last number of a segment: its windows, and in a row of equal ones how many bytes one is behind the other, and how many follow.
COUNT = np.uint64(2**21 - 1)
STRIDE_BIT = np.uint64(21)
REPEATS_BIT = np.uint64(42)


class Window(NamedTuple):
    """The length of windows and anchors, in bytes, and what a byte that leaves one adds to its hash."""

    size: int
    anchor: int
    leaving_window: Hashes
    leaving_anchor: Hashes


@cache
def window(size: int) -> Window:
    """What there is to know of windows of a size, 2 or more."""
    return Window(size, size // 2, _leaving(int(_WINDOW_BASE), size), _leaving(int(_ANCHOR_BASE), size // 2))


def _leaving(base: int, size: int) -> Hashes:
    prime = int(_PRIME)
    return np.array([-byte * pow(base, size, prime) % prime for byte in range(256)], np.uint64)


@kernel
def _rolled(state: np.uint64, base: np.uint64, added: np.uint64) -> np.uint64:
    """`state * base + added` modulo the prime; `base` has 31 bits, and `added` is below 2^62."""
    low = (state & _LOW_HALF) * base
    high = (state >> _HALF) * base
    total = (low & _PRIME) + (low >> _BITS) + (high >> _CARRIED) + ((high & _LOW_CARRIED) << _HALF) + added
    total = (total & _PRIME) + (total >> _BITS)
    return total - _PRIME if total >= _PRIME else total


@kernel
def _fill_segments(
    data: Bytes, begins: Counts, ends: Counts, places: Hashes, size: int, anchor: int, leaving_window: Hashes, leaving_anchor: Hashes,
    hashes: Hashes, grams: Counts, latest: Counts, out: Hashes,
) -> int:  # fmt: skip
    """Write the segments of some texts to `out`; how many there are. `hashes` and `grams` are a ring of anchors that may be least."""
    ring = len(grams) - 1  # a power of two, less one
    count = 0
    for text in range(len(begins)):
        begin, length = begins[text], ends[text] - begins[text]
        of_anchor, of_window, first = np.uint64(0), np.uint64(0), np.uint64(0)
        head, tail, current, opened = 0, 0, -1, 0
        latest[:] = -1
        for i in range(length):
            byte = np.uint64(data[begin + i])
            left = leaving_anchor[data[begin + i - anchor]] if i >= anchor else np.uint64(0)
            gone = leaving_window[data[begin + i - size]] if i >= size else np.uint64(0)
            before = of_window
            of_anchor = _rolled(of_anchor, _ANCHOR_BASE, byte + left)
            of_window = _rolled(of_window, _WINDOW_BASE, byte + gone)
            if i < anchor - 1:
                continue
            while tail > head and hashes[(tail - 1) & ring] >= of_anchor:
                tail -= 1
            hashes[tail & ring], grams[tail & ring] = of_anchor, i - anchor + 1
            tail += 1
            start = i - size + 1
            if start < 0:
                continue
            while grams[head & ring] < start:
                head += 1
            if grams[head & ring] != current:
                if current >= 0:
                    _close(out, count, first, before, opened, start, current)
                    count += not _continues(out, count, latest, size)
                current, opened, first = grams[head & ring], start, of_window
                out[0, count] = combine(np.uint64(0), hashes[head & ring])
                out[2, count] = places[text] + np.uint64(start)
        _close(out, count, first, of_window, opened, length - size + 1, current)
        count += not _continues(out, count, latest, size)
    return count


@kernel
def _close(out: Hashes, at: int, first: np.uint64, last: np.uint64, opened: int, end: int, gram: int) -> None:
    """Write what remains of a segment. Its first and last window overlap: where both are equal, all bytes of two segments are."""
    shape = np.uint64(end - opened) << _HALF | np.uint64(gram - opened)
    out[1, at] = combine(combine(first, last), shape)
    out[3, at] = np.uint64(end - opened)


@kernel
def _continues(out: Hashes, at: int, latest: Counts, size: int) -> bool:
    """Whether a segment is one more in a row of equal ones, as in text that repeats itself at once: then it is noted with the first."""
    slot = int(out[1, at] & np.uint64(len(latest) - 1))
    first = latest[slot]
    if first >= 0 and out[0, first] == out[0, at] and out[1, first] == out[1, at]:
        stride, repeats = out[3, first] >> STRIDE_BIT & COUNT, out[3, first] >> REPEATS_BIT
        apart = out[2, at] - out[2, first] - stride * repeats
        if apart <= np.uint64(size) and (repeats == np.uint64(0) or apart == stride) and repeats < COUNT:
            out[3, first] = (out[3, first] & COUNT) | apart << STRIDE_BIT | (repeats + np.uint64(1)) << REPEATS_BIT
            return True
    latest[slot] = at
    return False


def segments(texts: Strings, ranks: Hashes, of: Window) -> Iterator[Hashes]:
    """The segments of some texts: (4, segments), of each its anchor's hash, the hash of all of it, its place, and its windows (`COUNT`).

    Each text has a rank below 2^31, and fewer than 2^32 bytes. Long texts are looked at in parts, where segments end too.
    """
    offsets, data = texts
    windows = np.maximum(np.diff(offsets) - of.size + 1, 0)
    parts = -(-windows // _WINDOWS_AT_ONCE)
    rows = np.repeat(np.arange(len(windows)), parts)
    starts = (np.arange(len(rows)) - np.repeat(np.cumsum(parts) - parts, parts)) * _WINDOWS_AT_ONCE
    counts = np.minimum(windows[rows] - starts, _WINDOWS_AT_ONCE)
    begins, places = offsets[rows] + starts, ranks[rows] << PLACE_BITS | starts.astype(np.uint64)
    ring = 1 << (of.size - of.anchor + 2).bit_length()
    hashes, grams, latest = np.empty(ring, np.uint64), np.empty(ring, np.int64), np.empty(_ROWS_OF_SEGMENTS, np.int64)
    for some in _bounded(counts):
        out = np.empty((4, int(counts[some].sum())), np.uint64)
        ends = begins[some] + counts[some] + of.size - 1
        count = _fill_segments(data, begins[some], ends, places[some], *of, hashes, grams, latest, out)
        yield out[:, :count].copy()


def _bounded(counts: Counts) -> Iterator[slice]:
    """Runs of rows of a bounded sum, or of one row."""
    runs = np.cumsum(counts) // _WINDOWS_AT_ONCE
    edges = np.flatnonzero(np.diff(runs, prepend=-1, append=-1)).tolist()
    yield from map(slice, edges, edges[1:])


@kernel
def _fill_windows(
    offsets: Counts, data: Bytes, rows: Counts, starts: Counts, counts: Counts, keys: Hashes, ranks: Hashes, size: int,
    leaving: Hashes, out: Hashes,
) -> None:  # fmt: skip
    at, row, start, state = 0, -1, 0, np.uint64(0)
    for segment in range(len(rows)):
        begin = offsets[rows[segment]]
        if rows[segment] != row or not 0 <= starts[segment] - start < size:
            row, start, state = rows[segment], starts[segment], np.uint64(0)
            for i in range(start, start + size):
                state = _rolled(state, _WINDOW_BASE, np.uint64(data[begin + i]))
        for wanted in range(starts[segment], starts[segment] + counts[segment]):
            while start < wanted:
                state = _rolled(state, _WINDOW_BASE, np.uint64(data[begin + start + size]) + leaving[data[begin + start]])
                start += 1
            out[0, at] = combine(keys[segment], state)
            out[1, at] = state
            out[2, at] = ranks[row] << PLACE_BITS | np.uint64(wanted)
            out[3, at] = np.uint64(1)
            at += 1


def windows(texts: Strings, ranks: Hashes, rows: Counts, starts: Counts, counts: Counts, keys: Hashes, of: Window) -> Iterator[Hashes]:
    """The windows of some segments, which are in order of row and start: as `segments`, each of them one by itself.

    `keys` are the hashes of the segments' anchors.
    """
    offsets, data = texts
    for some in _bounded(counts):
        out = np.empty((4, int(counts[some].sum())), np.uint64)
        _fill_windows(offsets, data, rows[some], starts[some], counts[some], keys[some], ranks, of.size, of.leaving_window, out)
        yield out
