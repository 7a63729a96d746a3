"""Shingles: the runs of n words of a text, each hashed to 64 bits.

A text of fewer words has one shingle of what it has, so that no text but one without words is beyond comparison.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.dedup.words import Bytes, Characters, Flags, Hashes, Offsets, characters, hash_words, mix, text_buffers

_BASE = np.uint64(0xD1342543DE82EF95)  # of the polynomial in a shingle's words, modulo 2^64; odd


def shingle_sets(texts: pa.Array | pa.ChunkedArray, shingle_words: int, wanted: Flags | None = None) -> pa.LargeListArray:
    """The set of shingles of each text: a list of distinct hashes, ascending, as uint64.

    Rows that are not `wanted`, where that is given, get an empty list.
    """
    rows = np.ones(len(texts), np.bool_) if wanted is None else wanted
    values, sizes, done = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)], 0
    for content, starts in text_buffers(texts):
        chunk = rows[done : done + len(starts) - 1]
        hashes, lengths = _sets(content, starts, chunk, characters(), shingle_words)
        values.append(hashes)
        sizes.append(lengths)
        done += len(chunk)
    return pa.LargeListArray.from_arrays(pa.array(np.cumsum(np.concatenate(sizes))), pa.array(np.concatenate(values)))


@njit(nogil=True, cache=True)
def scratch_words(starts: Offsets) -> int:
    """Room for the words of any one text."""
    longest = 0
    for row in range(starts.shape[0] - 1):
        longest = max(longest, starts[row + 1] - starts[row])
    return longest // 2 + 2


@njit(nogil=True, cache=True)
def hash_shingles(
    content: Bytes, start: int, end: int, table: Characters, shingle_words: int, power: np.uint64, words: Hashes, shingles: Hashes
) -> int:
    """Hash the shingles of `content[start:end]` into `shingles`, in the text's order and with repeats; how many there are.

    `power` is `base_power(shingle_words)`; `words` and `shingles` have room for `scratch_words`.
    """
    count = hash_words(content, start, end, table, words)
    if count == 0:
        return 0
    width = min(count, shingle_words)
    value = np.uint64(0)
    for i in range(width):
        value = value * _BASE + words[i]
    shingles[0] = value
    for i in range(width, count):
        value = value * _BASE + words[i] - words[i - width] * power
        shingles[i - width + 1] = value
    distinct = count - width + 1
    for i in range(distinct):
        shingles[i] = mix(shingles[i])
    return distinct


@njit(nogil=True, cache=True)
def base_power(exponent: int) -> np.uint64:
    """The polynomial's base to that power, modulo 2^64: what a word weighs as it leaves a shingle."""
    power = np.uint64(1)
    for _ in range(exponent):
        power *= _BASE
    return power


@njit(nogil=True, cache=True)
def _sets(content: Bytes, starts: Offsets, wanted: Flags, table: Characters, shingle_words: int) -> tuple[Hashes, Offsets]:
    rows = starts.shape[0] - 1
    room = scratch_words(starts)
    words, shingles = np.empty(room, np.uint64), np.empty(room, np.uint64)
    power = base_power(shingle_words)
    values = np.empty(room, np.uint64)
    lengths = np.zeros(rows, np.int64)
    total = 0
    for row in range(rows):
        if not wanted[row]:
            continue
        count = hash_shingles(content, starts[row], starts[row + 1], table, shingle_words, power, words, shingles)
        if total + count > values.shape[0]:
            grown = np.empty(max(2 * values.shape[0], total + count), np.uint64)
            grown[:total] = values[:total]
            values = grown
        shingles[:count].sort()
        kept = 0
        for i in range(count):
            if i == 0 or shingles[i] != shingles[i - 1]:
                values[total + kept] = shingles[i]
                kept += 1
        lengths[row] = kept
        total += kept
    return values[:total].copy(), lengths
