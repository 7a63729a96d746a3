"""How much of a text is said twice: its parts between line breaks, and its word n-grams.

Equality is of 64-bit hashes: two different parts of one text are taken for equal once in some 10^19 pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import Kinds, kinds
from pipeline.kernels.eight import to_line_feed
from pipeline.kernels.lines import strip_left, strip_right
from pipeline.kernels.sets import clear, set_room, slot_for
from pipeline.kernels.strings import Bytes, Counts, Hashes, combine, count_byte, hash_bytes, strings
from pipeline.kernels.words import Lengths, WordTable

TOP = (2, 3, 4)
REPEATED = (5, 6, 7, 8, 9, 10)

Marks = npt.NDArray[np.uint8]

_MARKS = 8  # for each n-gram, so that few different ones share one
_LONGEST_TOP, _LONGEST = TOP[-1], REPEATED[-1]


class Repeats(NamedTuple):
    """Of the parts of each row's text: how many, how many have stood before, and these ones' characters."""

    parts: Counts
    repeated: Counts
    repeated_chars: Counts


class NgramChars(NamedTuple):
    """The characters of each row's n-grams."""

    top: Counts  # (rows, len(TOP)): of the most frequent n-gram, its words joined with spaces, times its count
    repeated: Counts  # (rows, len(REPEATED)): of n-grams that have stood before, without spaces, none counted twice


@kernel
def _repeats(
    offsets: Counts, data: Bytes, kinds: Kinds, breaks: Counts, least: int, strip: bool, keys: Hashes,
    parts: Counts, repeated: Counts, repeated_chars: Counts,
) -> None:  # fmt: skip
    for row in range(len(breaks)):
        mask = clear(keys, breaks[row] + 1)
        start, end = offsets[row], offsets[row + 1]
        if strip:
            start, end = strip_left(data, start, end, kinds), strip_right(data, start, end, kinds)
        parts[row], repeated[row], repeated_chars[row] = 0, 0, 0
        i = start
        while start <= end:
            chars = 0
            stop = after = end
            while i < end:
                i, before = to_line_feed(data, i, end)
                chars += before
                if i == end:
                    break
                after = i + 1
                while after < end and data[after] == 10:
                    after += 1
                if after - i >= least:
                    stop = i
                    break
                chars += after - i
                i = after
                after = end
            key = hash_bytes(data, start, stop) | np.uint64(1)
            slot = slot_for(keys, mask, key)
            parts[row] += 1
            if keys[slot]:
                repeated[row] += 1
                repeated_chars[row] += chars
            keys[slot] = key
            if stop == end:
                break
            start = i = after


def _part_repeats(array: pa.Array, least: int, strip: bool) -> Repeats:
    offsets, data = strings(array)
    breaks = count_byte(array, ord("\n"))
    keys = np.empty(set_room(int(breaks.max(initial=0)) + 1), np.uint64)
    out = Repeats(*np.empty((3, len(array)), np.int64))
    _repeats(offsets, data, kinds(), breaks, least, strip, keys, *out)
    return out


def repeated_lines(array: pa.Array) -> Repeats:
    """Repeats among what stands between runs of line breaks, an empty start or end included."""
    return _part_repeats(array, 1, strip=False)


def repeated_paragraphs(array: pa.Array) -> Repeats:
    """Repeats among what stands between runs of two line breaks or more, the whole stripped of white space."""
    return _part_repeats(array, 2, strip=True)


@kernel
def _top(
    n: int, words: int, before: Counts, grams: Hashes, keys: Hashes, counts: Lengths,
    where: Lengths, slots: Lengths, found: int,
) -> tuple[int, int]:  # fmt: skip
    """The characters of the top n-gram, and how many positions of `where` are left: those of n-grams that are repeated.

    `where[:found]` are the positions that may begin a repeated n-gram, in order; `grams` has the hash of the n-gram there.
    """
    mask = clear(keys, found)
    most = 1
    for index in range(found):
        slot = slot_for(keys, mask, grams[where[index]])
        counts[slot] = counts[slot] + 1 if keys[slot] else 1
        keys[slot] = grams[where[index]]
        slots[index] = slot
        most = max(most, counts[slot])
    first, kept = -1, 0
    for index in range(found):
        count = counts[slots[index]]
        if first < 0 and count == most:
            first = where[index]
        if count > 1:
            where[kept] = where[index]
            kept += 1
    if most == 1:
        first = 0
    return (before[first + n] - before[first] + n - 1) * most if words >= n else 0, kept


@kernel
def _clear_marks(marks: Marks, needed: int) -> np.uint64:
    size = 16
    while size < _MARKS * needed:
        size *= 2
    for place in range(size):
        marks[place] = 0
    return np.uint64(size - 1)


@kernel
def _longer_grams(n: int, hashes: Hashes, grams: Hashes, where: Lengths, marks: Marks, found: int) -> int:
    """Keep the positions that may begin a repeated n-gram, given those for n - 1, and hash the n-gram there.

    Some n-grams that are not repeated pass too: those that share a mark, of which there are few in a quick memory.
    """
    mask = _clear_marks(marks, found)
    longer = 0
    for index in range(found - 1):
        position = where[index]
        if where[index + 1] == position + 1:
            gram = combine(grams[position], hashes[position + n - 1])
            grams[position] = gram
            marks[gram & mask] = 1 + (marks[gram & mask] > 0)
            where[longer] = position
            longer += 1
    kept = 0
    for index in range(longer):
        position = where[index]
        where[kept] = position
        kept += marks[grams[position] & mask] > 1
    return kept


@kernel
def _repeated(n: int, before: Counts, grams: Hashes, keys: Hashes, where: Lengths, found: int) -> int:
    mask = clear(keys, found)
    chars, free = 0, 0
    for index in range(found):
        position = where[index]
        if position < free:
            continue
        slot = slot_for(keys, mask, grams[position])
        if keys[slot]:
            chars += before[position + n] - before[position]
            free = position + n
        keys[slot] = grams[position]
    return chars


@kernel
def _ngram_chars(
    row_offsets: Counts, all_hashes: Hashes, chars: Lengths, before: Counts, grams: Hashes, keys: Hashes, counts: Lengths,
    where: Lengths, slots: Lengths, marks: Marks, top: Counts, repeated: Counts,
) -> None:  # fmt: skip
    for row in range(len(row_offsets) - 1):
        begin, words = row_offsets[row], row_offsets[row + 1] - row_offsets[row]
        hashes = all_hashes[begin : begin + words]
        before[0] = 0
        for i in range(words):
            before[i + 1] = before[i] + chars[begin + i]
            grams[i], where[i] = hashes[i] | np.uint64(1), i
        found = words
        for n in range(2, _LONGEST + 1):
            found = _longer_grams(n, hashes, grams, where, marks, found)
            if n <= _LONGEST_TOP:
                top[row, n - 2], found = _top(n, words, before, grams, keys, counts, where, slots, found)
            else:
                repeated[row, n - _LONGEST_TOP - 1] = _repeated(n, before, grams, keys, where, found)


def ngram_chars(words: WordTable) -> NgramChars:
    """The characters in the most frequent and in the repeated n-grams of each row's words.

    A position begins a repeated n-gram only if it and the next begin repeated (n - 1)-grams, so each length looks at
    those that the one before has left. A repeat is found from left to right, and what it covers is passed over.
    """
    most = int(np.diff(words.row_offsets).max(initial=0))
    rows, room = len(words.row_offsets) - 1, set_room(most)
    before, grams, keys = np.empty(most + 1, np.int64), np.empty(most, np.uint64), np.empty(room, np.uint64)
    counts, where, slots = np.empty(room, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    out = NgramChars(np.empty((rows, len(TOP)), np.int64), np.empty((rows, len(REPEATED)), np.int64))
    _ngram_chars(
        words.row_offsets, words.hashes, words.chars, before, grams, keys, counts, where, slots, np.empty(_MARKS * room, np.uint8), *out
    )
    return out
