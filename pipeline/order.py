"""The packing plan: which tokens of which document stand where in which training sequence, for one epoch.

Written down before training, so that the order of the data can be looked at, joined and resumed. It follows from the
token set, the configuration and the epoch alone. Best-fit packing: Ding et al. 2024, "Fewer Truncations Improve
Language Modeling", in windows.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from pydantic import Field

from pipeline import schema
from pipeline.step import Strict
from pipeline.store import Built, Manifest, Store, Version

VERSION = 1

WINDOW_DOCUMENTS = 65_536  # packed together
PART_ROWS = 2**20  # in a file, about
ROW_GROUP_ROWS = 2**17

Ints = npt.NDArray[np.int64]


class OrderConfig(Strict):
    """How documents become sequences."""

    sequence_tokens: int = Field(default=1024, ge=2, le=2**20)
    seed: int = Field(0, ge=0, lt=2**64)
    packing: Literal["concatenate", "best_fit"] = "best_fit"


class Pieces(NamedTuple):
    """Token ranges of documents, each with the sequence that it goes into: arrays of equal length."""

    document: Ints
    start: Ints  # in the document's tokens
    length: Ints
    sequence: Ints


def build(store: Store, tokens: str, config: OrderConfig, epoch: int) -> Built:
    """The packing plan of a token set's train split for one epoch, at `order/<fingerprint>` (`schema.ORDER`).

    Every token stands in it exactly once. A sequence whose ranges fall short of `sequence_tokens` is padded at its end.
    Counts: `sequences`, `documents`, `tokens`, `padding_tokens`, `documents_cut` (in more than one range). `ValueError` where
    `tokens` is no finished token set, or the epoch is negative.
    """
    manifest = store.manifest(tokens)
    if manifest is None or not manifest.paths("train"):
        raise ValueError(f"{store.uri(tokens)}: a finished token set was expected here")
    if epoch < 0:
        raise ValueError(f"an epoch of 0 or more was expected, not {epoch}")
    spec = {"kind": "order", "version": VERSION, "tokens": manifest.fingerprint, "config": config.model_dump(mode="json"), "epoch": epoch}

    def write(version: Version) -> dict[str, int]:
        ids, lengths = _documents(store, tokens, manifest)
        pieces, position = plan(lengths, config, epoch)
        _write(version, ids, pieces, position)
        sequences = int(pieces.sequence[-1]) + 1
        total = int(lengths.sum())
        return {
            "sequences": sequences,
            "documents": len(lengths),
            "tokens": total,
            "padding_tokens": sequences * config.sequence_tokens - total,
            "documents_cut": int(np.count_nonzero(np.bincount(pieces.document) > 1)),
        }

    return store.build("order", spec, write)


def plan(lengths: Ints, config: OrderConfig, epoch: int) -> tuple[Pieces, Ints]:
    """The plan over documents of these lengths (tokens), sorted by sequence and position; and each piece's position.

    Documents are shuffled before packing and sequences after it, by (seed, epoch).
    """
    # Raw PCG64 output never changes between numpy's versions; what is drawn from it by name may.
    random = np.random.PCG64([config.seed, epoch])
    shuffled = np.argsort(random.random_raw(len(lengths)), kind="stable")
    pack = best_fit if config.packing == "best_fit" else concatenate
    document, start, length, sequence = pack(lengths[shuffled], config.sequence_tokens)
    place = np.argsort(random.random_raw(int(sequence.max()) + 1), kind="stable")
    sequence = place[sequence]
    order = np.lexsort((start, document, sequence))
    pieces = Pieces(shuffled[document[order]], start[order], length[order], sequence[order])
    before = np.cumsum(pieces.length) - pieces.length
    first = np.searchsorted(pieces.sequence, np.arange(len(place)))
    return pieces, before - before[first][pieces.sequence]


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


def _documents(store: Store, tokens: str, manifest: Manifest) -> tuple[npt.NDArray[Any], Ints]:
    """The identities (16 bytes each) and lengths (tokens) of the train split's documents, in the order of its files."""
    ids, lengths = [], []
    for path in manifest.paths("train"):
        for batch in store.batches(f"{tokens}/{path}", ["doc_id", "tokens"], rows=4096):
            storage = batch["doc_id"].storage
            ids.append(np.frombuffer(storage.buffers()[1], "V16", len(storage), 16 * storage.offset).copy())
            lengths.append(pc.list_value_length(batch["tokens"]).to_numpy().astype(np.int64))
    return np.concatenate(ids), np.concatenate(lengths)


def _write(version: Version, ids: npt.NDArray[Any], pieces: Pieces, position: Ints) -> None:
    """Files of about `PART_ROWS` rows; none ends within a sequence."""
    starts = np.unique(np.searchsorted(pieces.sequence, pieces.sequence[::PART_ROWS])).tolist()
    for part, (low, high) in enumerate(zip(starts, [*starts[1:], len(position)], strict=True)):
        with version.parquet(f"part-{part:05}.parquet", schema.ORDER) as writer:
            for first in range(low, high, ROW_GROUP_ROWS):
                rows = slice(first, min(first + ROW_GROUP_ROWS, high))
                writer.write(_table(ids[pieces.document[rows]], Pieces(*(column[rows] for column in pieces)), position[rows]))


def _table(ids: npt.NDArray[Any], pieces: Pieces, position: Ints) -> pa.Table:
    storage = pa.Array.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(ids)])
    return pa.table(
        [
            pa.array(pieces.sequence),
            pa.array(position.astype(np.int32)),
            pa.ExtensionArray.from_storage(schema.DOC_ID, storage),
            pa.array(pieces.start),
            pa.array(pieces.length.astype(np.int32)),
        ],
        schema=schema.ORDER,
    )
