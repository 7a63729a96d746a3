"""The n-grams of evaluation records, and which records each is of.

A record has its n-grams of `ngram_words` words; a shorter one has itself as a whole, if it has `shortest_words`. Records of the
same words count as the first of them. What stands in more than `most_records` records (an instruction, a licence) is a common
phrase: a run of at least half as many words as an n-gram has. An n-gram of which common phrases make more than half proves
nothing, and is left out: so neither such a phrase is found, nor one with a word or two behind it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.contamination.records import records
from pipeline.dedup.shingles import base_power, rolled, shingle_sets, unpacked
from pipeline.dedup.words import Characters, characters, hash_words, mix, room
from pipeline.kernels import kernel
from pipeline.kernels.sets import place_of
from pipeline.kernels.strings import Bytes, Counts, Hashes, combine, strings

_BITS_A_GRAM = 32  # one n-gram in so many that are none passes the sieve


class Index(NamedTuple):
    """N-gram `i` is of the records `records[starts[i] : starts[i + 1]]`."""

    names: tuple[str, ...]  # of each record: benchmark:line
    sizes: Counts  # distinct n-grams of each record
    widths: Counts  # words in n-grams, each number that occurs
    powers: Hashes  # `base_power` of each width
    sieve: npt.NDArray[np.uint64]  # a bit is set where an n-gram's highest bits lead
    shift: int  # what leaves these highest bits
    grams: Hashes  # ascending; `rolled` over the words
    starts: Counts
    records: Counts


def index(benchmarks: dict[str, str], text_keys: tuple[str, ...], ngram_words: int, shortest_words: int, most_records: int) -> Index:
    """The index of files by their benchmarks' names; those of the last two calls are kept as long as the files stay as they are."""
    states = [(path, Path(path).stat()) for path in benchmarks.values()]
    files = tuple((name, path, state.st_mtime_ns, state.st_size) for name, (path, state) in zip(benchmarks, states, strict=True))
    return _index(files, text_keys, ngram_words, shortest_words, most_records)


@lru_cache(maxsize=2)
def _index(
    files: tuple[tuple[str, str, int, int], ...], text_keys: tuple[str, ...], ngram_words: int, shortest_words: int, most_records: int
) -> Index:
    read = [(name, path, line, text) for name, path, *_ in files for line, text in records(path, text_keys)]
    texts = pa.array([text for *_, text in read], pa.large_string())
    counts, first = _measured(texts)
    used = {path for (_, path, *_), count in zip(read, counts, strict=True) if count >= shortest_words}
    for _, path, *_ in files:
        if path not in used:
            raise ValueError(f"{path}: expected a text of at least {shortest_words} words")
    widths = np.where(first & (counts >= shortest_words), np.minimum(counts, ngram_words), 0)
    common = _common(texts, (ngram_words + 1) // 2, widths > 0, most_records)
    grams, owners = _grams(texts, widths, common, (ngram_words + 1) // 2)
    return _built(tuple(f"{name}:{line}" for name, _, line, _ in read), np.unique(widths[widths > 0]), grams, owners)


def of_texts(texts: pa.Array, ngram_words: int) -> Index:
    """The index of all n-grams of texts, common ones among them; a text of fewer words has none. Records are named by their number."""
    counts, _ = _measured(texts)
    widths = np.where(counts >= ngram_words, ngram_words, 0)
    grams, owners = _grams(texts, widths, np.empty(0, np.uint64), ngram_words)
    return _built(tuple(map(str, range(len(texts)))), np.array([ngram_words]), grams, owners)


def _measured(texts: pa.Array) -> tuple[Counts, npt.NDArray[np.bool_]]:
    """The words of each text, and whether it is the first of these words."""
    offsets, data = strings(texts)
    counts, identities = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.uint64)
    _measure(offsets, data, characters(), np.empty(room(offsets), np.uint64), counts, identities)
    first = np.zeros(len(texts), np.bool_)
    first[np.unique(identities, return_index=True)[1]] = True
    return counts, first


@kernel
def _measure(offsets: Counts, data: Bytes, table: Characters, words: Hashes, counts: Counts, identities: Hashes) -> None:
    for row in range(len(counts)):
        counts[row] = hash_words(data, offsets[row], offsets[row + 1], table, words)
        identity = np.uint64(counts[row])
        for k in range(counts[row]):
            identity = combine(identity, words[k])
        identities[row] = identity


def _common(texts: pa.Array, width: int, wanted: npt.NDArray[np.bool_], most_records: int) -> Hashes:
    """The runs of so many words that more texts have, hashed and ascending."""
    runs, held_by = np.unique(unpacked(shingle_sets(texts, width, wanted)).shingles, return_counts=True)
    return runs[held_by > most_records]


def _grams(texts: pa.Array, widths: Counts, common: Hashes, common_width: int) -> tuple[Hashes, Counts]:
    """The n-grams that prove something, with repeats, and the text that each is of."""
    offsets, data = strings(texts)
    most = room(offsets)
    powers = np.array([base_power(width) for width in range(int(widths.max(initial=0)) + 1)], np.uint64)
    words, known = np.empty(most, np.uint64), np.empty(most, np.uint8)
    total = int(np.diff(offsets).sum()) // 2 + 2 * len(texts)  # the system gives what is written, not all of it
    grams, owners = np.empty(total, np.uint64), np.empty(total, np.int64)
    found = _prove(offsets, data, characters(), widths, powers, common, common_width, base_power(common_width), words, known, grams, owners)
    return grams[:found].copy(), owners[:found].copy()


@kernel
def _prove(
    offsets: Counts, data: Bytes, table: Characters, widths: Counts, powers: Hashes, common: Hashes, common_width: int,
    common_power: np.uint64, words: Hashes, known: npt.NDArray[np.uint8], grams: Hashes, owners: Counts,
) -> int:  # fmt: skip
    found, none = 0, np.uint64(0)
    for row in range(len(widths)):
        width = widths[row]
        if width == 0:
            continue
        count = hash_words(data, offsets[row], offsets[row + 1], table, words)
        known[:count] = 0
        value = none
        for i in range(count):
            value = rolled(value, words[i], words[i - common_width] if i >= common_width else none, common_power)
            if i + 1 >= common_width and place_of(common, mix(value)) >= 0:
                known[i + 1 - common_width : i + 1] = 1
        value, familiar = none, np.int64(0)
        for i in range(count):
            value = rolled(value, words[i], words[i - width] if i >= width else none, powers[width])
            familiar += np.int64(known[i]) - (np.int64(known[i - width]) if i >= width else 0)
            if i + 1 >= width and 2 * familiar <= width:
                grams[found], owners[found] = value, row
                found += 1
    return found


def _built(names: tuple[str, ...], widths: Counts, grams: Hashes, owners: Counts) -> Index:
    order = np.lexsort((owners, grams))
    grams, owners = grams[order], owners[order]
    new = np.ones(len(grams), np.bool_)
    new[1:] = (grams[1:] != grams[:-1]) | (owners[1:] != owners[:-1])
    owners = owners[new]
    distinct, held_by = np.unique(grams[new], return_counts=True)
    bits = max(6, (len(distinct) * _BITS_A_GRAM).bit_length())
    places = distinct >> np.uint64(64 - bits)
    sieve = np.zeros(1 << (bits - 6), np.uint64)
    np.bitwise_or.at(sieve, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
    powers = np.array([base_power(int(width)) for width in widths], np.uint64)
    starts = np.concatenate([[0], np.cumsum(held_by)])
    return Index(names, np.bincount(owners, minlength=len(names)), widths, powers, sieve, 64 - bits, distinct, starts, owners)
