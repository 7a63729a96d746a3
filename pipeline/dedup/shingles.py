"""Shingles: the runs of n words of a text, each hashed to 64 bits.

A text of fewer words has one shingle of what it has, so that no text but one without words is beyond comparison.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.sorting import TALLIES, sort
from pipeline.dedup.words import Characters, Texts, batches, characters, hash_words, mix, room
from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes

Flags = npt.NDArray[np.bool_]


class Sets(NamedTuple):
    """Row `i` has the shingles from `starts[i]` to `starts[i + 1]`: distinct, ascending."""

    starts: Counts
    shingles: Hashes


_BASE = np.uint64(0xD1342543DE82EF95)  # of the polynomial in a shingle's words, modulo 2^64; odd


def shingle_sets(texts: Texts, shingle_words: int, wanted: Flags | None = None) -> pa.LargeListArray:
    """The set of shingles of each text: a list of distinct hashes, ascending, as uint64.

    Rows that are not `wanted`, where that is given, get an empty list.
    """
    wanted = np.ones(len(texts), np.bool_) if wanted is None else wanted
    sizes, parts = np.zeros(len(texts) + 1, np.int64), [np.empty(0, np.uint64)]
    for first, (offsets, data) in batches(texts):
        rows = slice(first, first + len(offsets) - 1)
        words, shingles = np.empty(room(offsets), np.uint64), np.empty(room(offsets), np.uint64)
        sets = np.empty((offsets[-1] - offsets[0]) // 2 + len(offsets), np.uint64)  # the system gives what is written, not all of it
        power = base_power(shingle_words)
        tallies = np.empty(TALLIES, np.int64)
        total = _sets(offsets, data, wanted[rows], characters(), shingle_words, power, words, shingles, tallies, sizes[1:][rows], sets)
        parts.append(sets[:total].copy())
    return pa.LargeListArray.from_arrays(pa.array(np.cumsum(sizes)), pa.array(np.concatenate(parts)))


def unpacked(sets: pa.LargeListArray) -> Sets:
    """Sets as the kernels see them, not copied."""
    return Sets(sets.offsets.to_numpy(), sets.values.to_numpy())


def base_power(shingle_words: int) -> np.uint64:
    """What a word weighs in the polynomial as it leaves a shingle."""
    return np.uint64(pow(int(_BASE), shingle_words, 2**64))


@kernel
def rolled(value: np.uint64, entering: np.uint64, leaving: np.uint64, power: np.uint64) -> np.uint64:
    """The polynomial of a shingle's words as it moves on by one; `mix` of it is the shingle's hash."""
    return value * _BASE + entering - leaving * power


@kernel
def hash_shingles(
    data: Bytes, start: int, end: int, table: Characters, shingle_words: int, power: np.uint64, words: Hashes, shingles: Hashes
) -> int:
    """Hash the shingles of `data[start:end]` into `shingles`, in the text's order and with repeats; how many there are.

    `power` is `base_power(shingle_words)`; `words` and `shingles` have `room`.
    """
    count = hash_words(data, start, end, table, words)
    if count == 0:
        return 0
    width = min(count, shingle_words)
    value = np.uint64(0)
    for i in range(width):
        value = value * _BASE + words[i]
    shingles[0] = mix(value)
    for i in range(width, count):
        value = rolled(value, words[i], words[i - width], power)
        shingles[i - width + 1] = mix(value)
    return count - width + 1


@kernel
def _sets(
    offsets: Counts, data: Bytes, wanted: Flags, table: Characters, shingle_words: int, power: np.uint64,
    words: Hashes, shingles: Hashes, tallies: Counts, sizes: Counts, sets: Hashes,
) -> int:  # fmt: skip
    total = 0
    for row in range(len(sizes)):
        if not wanted[row]:
            continue
        count = hash_shingles(data, offsets[row], offsets[row + 1], table, shingle_words, power, words, shingles)
        sort(shingles, 0, count, words, tallies)
        before = total
        for i in range(count):
            if i == 0 or shingles[i] != shingles[i - 1]:
                sets[total] = shingles[i]
                total += 1
        sizes[row] = total - before
    return total
