"""Training sequences by number, as batches: from tokens and packing plans that are mapped into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numba import njit

from training.mapped import Array, Pieces, Tokens
from training.model import IGNORED
from training.settings import TrainConfig

Key = TypeVar("Key")
Made = TypeVar("Made")


class Batch(NamedTuple):
    """Sequences as arrays (B, T) of int64. Padding has document -1 and is never a target."""

    tokens: Array
    targets: Array  # the next token of the document, `IGNORED` where none is counted
    documents: Array  # index of the token's document in `present`
    present: Array  # the documents, as rows of `Tokens`, each once


def batch(tokens: Tokens, pieces: Pieces, first: int, count: int, sequence_tokens: int, *, endings: bool) -> Batch:
    """Sequences `first` to `first + count`; what lies beyond the last is padding.

    A target is the next token of the same document, also where the range ends before it: so over a plan each token is a
    target once. After a document's last token the target is the beginning of another if `endings`, else none.
    """
    last = min(first + count, pieces.sequences)
    bounds = np.full(count + 1, pieces.first[last])
    bounds[: last - first + 1] = pieces.first[first : last + 1]
    own = slice(int(bounds[0]), int(bounds[-1]))
    document, position, start, length = (
        column[own].astype(np.int64) for column in (pieces.document, pieces.position, pieces.start, pieces.length)
    )
    present, local = np.unique(document, return_inverse=True)
    begin = tokens.bounds[document] + start
    read, wanted, documents = (np.empty((count, sequence_tokens), np.int64) for _ in range(3))
    ending = tokens.beginning if endings else IGNORED
    _fill(
        tokens.values, bounds - bounds[0], begin, tokens.bounds[document + 1], position, length, local,
        tokens.beginning, ending, IGNORED, read, wanted, documents,
    )  # fmt: skip
    return Batch(read, wanted, documents, present)


@njit(cache=True, nogil=True)
def _fill(
    values: Array, bounds: Array, begin: Array, limit: Array, position: Array, length: Array, local: Array,
    beginning: int, ending: int, ignored: int, tokens: Array, targets: Array, documents: Array,
) -> None:  # fmt: skip
    for row in range(len(tokens)):
        at = 0
        for piece in range(bounds[row], bounds[row + 1]):
            at = _pad(row, at, position[piece], beginning, ignored, tokens, targets, documents)
            source, stop = begin[piece], at + length[piece]
            for place in range(at, stop):
                tokens[row, place] = values[source]
                documents[row, place] = local[piece]
                source += 1
                targets[row, place] = values[source] if source < limit[piece] else ending
            at = stop
        _pad(row, at, tokens.shape[1], beginning, ignored, tokens, targets, documents)


@njit(cache=True, nogil=True)
def _pad(row: int, at: int, stop: int, beginning: int, ignored: int, tokens: Array, targets: Array, documents: Array) -> int:
    for place in range(at, stop):
        tokens[row, place], targets[row, place], documents[row, place] = beginning, ignored, -1
    return stop


def passes(tokens: Tokens, pieces: Pieces, first: int, count: int, config: TrainConfig) -> list[Batch]:
    """The sequences of a training step, as many at a time as the configuration lets be in memory together."""
    size = config.sequences_per_pass or max(count, 1)
    starts = range(first, first + count, size)
    return [batch(tokens, pieces, start, min(size, first + count - start), config.sequence_tokens, endings=True) for start in starts]


def ahead(make: Callable[[Key], Made], keys: Iterable[Key]) -> Iterator[tuple[Key, Made]]:
    """What `make` makes of each key, in order; the next one is made by a thread while the last one is used."""
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for key in keys:
            following = key, thread.submit(make, key)
            if waiting:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting:
            yield waiting[0], waiting[1].result()


def padding(tokens: Tokens, sequence_tokens: int) -> Batch:
    """A sequence in which nothing is to be learnt."""
    shape = (1, sequence_tokens)
    nothing = np.full(shape, -1, np.int64)
    return Batch(np.full(shape, tokens.beginning, np.int64), np.full(shape, IGNORED, np.int64), nothing, np.empty(0, np.int64))


def documents(pieces: Pieces, first: int, count: int) -> Array:
    """The documents in `count` sequences from `first` on, as rows of `Tokens`, each once."""
    return np.unique(pieces.document[pieces.first[first] : pieces.first[min(first + count, pieces.sequences)]])


def by_document(nats: Array, found: Batch) -> tuple[Array, Array]:
    """Summed nats and counted targets of each document in `found.present`, from nats (B, T)."""
    real = found.documents >= 0
    numbers, size = found.documents[real], len(found.present)
    total = np.bincount(numbers, nats[real].astype(np.float64), size)
    return total, np.bincount(numbers, found.targets[real] != IGNORED, size).astype(np.int64)
