"""Which documents share most of what they have with one of a few others: a training set beside its held-out documents.

A pair counts where its Jaccard similarity, or its containment (the shared shingles over those of the smaller of the two), is as
high as asked. Every such pair is found: candidates come from an inverted index of the held-out documents, by prefix filtering
(Chaudhuri, Ganti and Kaushik 2006), and are then compared in full. Of each document only its rarest shingles are looked up, so
many that a pair cannot share enough without one of them; so text that all documents have costs nothing. Time is linear in the
training text, and memory bounded by the held-out documents and one run of the others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.parts import Part
from pipeline.dedup.precedence import Rows
from pipeline.dedup.shingles import Flags, Sets, shingle_sets, unpacked
from pipeline.dedup.sorting import TALLIES, sort
from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

Places = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]

_BYTES_AT_ONCE = 16_000_000  # of text
_ENOUGH = 64  # twins compared for the most similar one; decides which is named of so many, not what is found
_ROUNDING = 1e-9


class Alike(NamedTuple):
    """When two documents share too much."""

    similarity: float  # Jaccard
    containment: float  # of the smaller in the larger


class HeldOut(NamedTuple):
    """Documents that are held out: their rows, and the set of shingles of each."""

    rows: Rows
    sets: pa.LargeListArray


class Index(NamedTuple):
    """The held-out documents by shingle. `keys` are ascending; `slots[h]` is where those begin whose first bits are h."""

    sets: Sets
    keys: Hashes
    slots: Counts
    starts: Counts  # the documents of key k are `documents[starts[k]:starts[k + 1]]`
    documents: Counts
    rare_starts: Counts  # the same, of those documents only for which the key is among their rarest
    rare_documents: Counts
    shift: int


class Twins(NamedTuple):
    """Of each set, the held-out one that it shares most with, -1 for none; their similarity and containment."""

    twins: Counts
    similarities: Shares
    containments: Shares


class Shared(NamedTuple):
    """Rows that share too much with a held-out one, ascending; that one's row, and how much the two share."""

    rows: Rows
    twins: Rows
    similarities: Shares
    containments: Shares


_NONE = Shared(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


def held_out(parts: Sequence[Part], rows: Rows, words: int) -> HeldOut:
    """Some rows of the parts, in the order given, with their sets of shingles of so many words."""
    ascending, sets = np.sort(rows), [pa.array([], pa.large_list(pa.uint64()))]
    for part in parts:
        start, end = np.searchsorted(ascending, [part.first, part.first + part.size])
        if start < end:
            sets.append(shingle_sets(part.texts(ascending[start:end] - part.first), words))
    return HeldOut(rows, pa.concat_arrays(sets).take(pa.array(np.searchsorted(ascending, rows))))


def find(parts: Sequence[Part], text_bytes: Rows, training: Flags, held_out: HeldOut, words: int, alike: Alike) -> Shared:
    """Which training rows of the parts share too much with which held-out ones, by shingles of so many words.

    Of several that a document shares as much with, the first is named.
    """
    if not len(held_out.rows) or not training.any():
        return _NONE
    index = indexed(unpacked(held_out.sets), alike)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = [_NONE]
        for part in parts:
            rows = np.flatnonzero(training[part.first : part.first + part.size])
            runs = list(_runs(part, rows, text_bytes)) if len(rows) else []
            for (own, _), each in zip(runs, threads.map(partial(_look, index, words, alike), runs), strict=True):
                hit = np.flatnonzero(each.twins >= 0)
                found.append(Shared(own[hit], held_out.rows[each.twins[hit]], each.similarities[hit], each.containments[hit]))
    return Shared(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def _runs(part: Part, rows: Rows, text_bytes: Rows) -> Iterator[tuple[Rows, pa.ChunkedArray]]:
    """Rows of a part with their texts, some megabytes at a time."""
    texts = part.texts(rows)
    ends = np.cumsum(text_bytes[part.first + rows])
    first = 0
    while first < len(rows):
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + _BYTES_AT_ONCE, "right")))
        yield part.first + rows[first:end], texts.slice(first, end - first)
        first = end


def _look(index: Index, words: int, alike: Alike, run: tuple[Rows, pa.ChunkedArray]) -> Twins:
    return twins(unpacked(shingle_sets(run[1], words)), index, alike)


def indexed(sets: Sets, alike: Alike) -> Index:
    """The index of held-out documents, by their sets of shingles."""
    sizes = np.diff(sets.starts)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((owner, sets.shingles))
    shingles, documents = sets.shingles[order], owner[order]
    starts = np.flatnonzero(np.concatenate([[True], shingles[1:] != shingles[:-1]])) if len(shingles) else np.empty(0, np.int64)
    counts = np.diff(starts, append=len(shingles))
    rare = _rare(documents, np.repeat(np.arange(len(starts)), counts), counts, sizes, alike.containment)
    bits = min(max(len(starts), 1).bit_length(), 28)
    slots = np.searchsorted(shingles[starts] >> np.uint64(64 - bits), np.arange(2**bits + 1, dtype=np.uint64))
    rare_counts = np.add.reduceat(rare, starts, dtype=np.int64) if len(starts) else counts
    return Index(
        sets, shingles[starts], slots, np.append(starts, len(shingles)), documents,
        np.concatenate([[0], np.cumsum(rare_counts)]).astype(np.int64), documents[rare], 64 - bits,
    )  # fmt: skip


def _rare(documents: Counts, keys: Counts, counts: Counts, sizes: Counts, containment: float) -> Flags:
    """Of each document's keys, its rarest: without all of them it has less than the share that must be contained."""
    needed = np.ceil(containment * sizes - _ROUNDING).astype(np.int64)
    by_rarity = np.lexsort((keys, counts[keys], documents))
    ends = np.cumsum(sizes)
    place = np.arange(len(documents)) - np.repeat(ends - sizes, sizes)
    rare = np.zeros(len(documents), np.bool_)
    rare[by_rarity] = place <= (sizes - needed)[documents[by_rarity]]
    return rare


def twins(sets: Sets, held_out: Index, alike: Alike) -> Twins:
    """Of each of some sets of shingles, the held-out document that it is too like, if there is one: the most similar, or the first."""
    count = len(sets.starts) - 1
    found = Twins(np.full(count, -1, np.int64), np.zeros(count), np.zeros(count))
    room = int(np.diff(sets.starts).max(initial=0))
    known = len(held_out.sets.starts) - 1
    if len(held_out.keys) and room:
        least = min(alike.similarity, alike.containment)
        _find(
            *sets, *held_out.sets, held_out.keys, held_out.slots, held_out.starts, held_out.documents, held_out.rare_starts,
            held_out.rare_documents, held_out.shift, least, alike, np.full(known, -1, np.int64), np.empty(known, np.int64),
            np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(TALLIES, np.int64),
            found.twins, found.similarities, found.containments,
        )  # fmt: skip
    return found


@kernel
def _find(
    first: Counts, shingles: Hashes, own_first: Counts, own_shingles: Hashes, keys: Hashes, slots: Counts, starts: Counts,
    documents: Counts, rare_starts: Counts, rare_documents: Counts, shift: int, least: float, alike: Alike,
    seen: Counts, candidates: Counts, present: Hashes, spare: Hashes, tallies: Counts,
    found: Counts, similarities: Shares, containments: Shares,
) -> None:  # fmt: skip
    for row in range(len(found)):
        size = first[row + 1] - first[row]
        met, known = 0, 0
        for i in range(first[row], first[row + 1]):
            key = _place(shingles[i], keys, slots, shift)
            if key < 0:
                continue
            present[known] = np.uint64(starts[key + 1] - starts[key]) << np.uint64(32) | np.uint64(key)
            known += 1
            met = _meet(row, rare_documents, rare_starts[key], rare_starts[key + 1], seen, candidates, met)
        needed = math.ceil(least * size - _ROUNDING)
        if 0 < needed <= known:
            sort(present, 0, known, spare, tallies)
            for i in range(known - needed + 1):
                key = int(present[i] & np.uint64(0xFFFFFFFF))
                met = _meet(row, documents, starts[key], starts[key + 1], seen, candidates, met)
        alikes = 0
        for i in range(met):
            other = candidates[i]
            others = own_first[other + 1] - own_first[other]
            shared = _shared(shingles, first[row], first[row + 1], own_shingles, own_first[other], own_first[other + 1])
            similarity, containment = shared / (size + others - shared), shared / min(size, others)
            if similarity < alike.similarity and containment < alike.containment:
                continue
            before = similarities[row]
            if found[row] < 0 or similarity > before or (similarity == before and other < found[row]):
                found[row], similarities[row], containments[row] = other, similarity, containment
            alikes += 1
            if alikes == _ENOUGH:
                break


@kernel
def _place(shingle: np.uint64, keys: Hashes, slots: Counts, shift: int) -> int:
    slot = shingle >> np.uint64(shift)
    for key in range(slots[slot], slots[slot + np.uint64(1)]):
        if keys[key] == shingle:
            return key
    return -1


@kernel
def _meet(row: int, documents: Counts, start: int, end: int, seen: Counts, candidates: Counts, met: int) -> int:
    for i in range(start, end):
        if seen[documents[i]] != row:
            seen[documents[i]] = row
            candidates[met] = documents[i]
            met += 1
    return met


@kernel
def _shared(one: Hashes, i: int, i_end: int, other: Hashes, j: int, j_end: int) -> int:
    shared = 0
    while i < i_end and j < j_end:
        a, b = one[i], other[j]
        shared += a == b
        i += a <= b
        j += b <= a
    return shared
