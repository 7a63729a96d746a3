"""The n-grams of an index in texts: one pass over each text's words for each number of words that n-grams have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.contamination.index import Index
from pipeline.dedup.shingles import rolled
from pipeline.dedup.words import Characters, characters, hash_words, room
from pipeline.kernels import kernel
from pipeline.kernels.sets import place_of
from pipeline.kernels.strings import Bytes, Counts, Hashes, strings


class Overlap(NamedTuple):
    """Of each text: its words, those that an n-gram of the index covers, and the places of these n-grams in the index."""

    words: Counts
    covered: Counts
    hit_offsets: Counts  # (rows + 1,)
    hits: Counts


@kernel
def _overlap(
    offsets: Counts, data: Bytes, table: Characters, widths: Counts, powers: Hashes, sieve: Hashes, shift: int, grams: Hashes,
    words: Hashes, covers: npt.NDArray[np.uint8], counts: Counts, covered: Counts, hit_offsets: Counts, hits: Counts,
) -> None:  # fmt: skip
    """Count, where `hits` is empty; else write the hits of those rows that have any, by the counts of an earlier call."""
    writes, found = len(hits) > 0, 0
    for row in range(len(counts)):
        if writes and hit_offsets[row] == hit_offsets[row + 1]:
            continue
        count = hash_words(data, offsets[row], offsets[row + 1], table, words)
        before = found
        for place in range(len(widths)):
            width, value = widths[place], np.uint64(0)
            for i in range(count):
                value = rolled(value, words[i], words[i - width] if i >= width else np.uint64(0), powers[place])
                lead = value >> np.uint64(shift)
                if i + 1 < width or not sieve[lead >> np.uint64(6)] >> (lead & np.uint64(63)) & np.uint64(1):
                    continue
                at = place_of(grams, value)
                if at < 0:
                    continue
                if writes:
                    hits[found] = at
                elif found == before:
                    covers[:count] = 0
                found += 1
                covers[i - width + 1 : i + 1] = 1
        if not writes:
            counts[row], covered[row], hit_offsets[row + 1] = count, covers[:count].sum() if found > before else 0, found


def overlap(texts: pa.Array, index: Index) -> Overlap:
    """What texts share with an index."""
    offsets, data = strings(texts)
    most = room(offsets)
    counts, covered = np.zeros((2, len(texts)), np.int64)
    out = Overlap(counts, covered, np.zeros(len(texts) + 1, np.int64), np.empty(0, np.int64))
    kept = (characters(), index.widths, index.powers, index.sieve, index.shift, index.grams)
    words, covers = np.empty(most, np.uint64), np.empty(most, np.uint8)
    _overlap(offsets, data, *kept, words, covers, *out)
    hits = np.empty(int(out.hit_offsets[-1]), np.int64)
    if len(hits):
        _overlap(offsets, data, *kept, words, covers, *out[:3], hits)
    return out._replace(hits=hits)
