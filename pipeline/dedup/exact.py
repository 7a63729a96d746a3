"""Exact duplicates: documents of the same text, but for how its characters are composed and spaced."""

from __future__ import annotations

from itertools import pairwise
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_128_digest

from pipeline.dedup.found import found
from pipeline.dedup.precedence import DocIds, Rows, precedence
from pipeline.dedup.words import Texts
from pipeline.kernels import kernel
from pipeline.kernels.characters import SPACE, Kinds, kinds
from pipeline.kernels.strings import Bytes, Counts, decode, strings
from pipeline.kernels.whitespace import may_be_uncomposed

VERSION = 1
USES = ()
Digests = npt.NDArray[np.uint64]
Room = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
_LAST_ASCII_SPACE, _FIRST_WIDE = np.uint8(0x20), np.uint8(0x80)

_ROWS_AT_ONCE = 4096  # that are Python strings at a time


def text_digest(text: str) -> bytes:
    """128 bits that stand for a text: XXH3 of the UTF-8 of its NFC, with each run of whitespace made one space and none at the ends."""
    return xxh3_128_digest(" ".join(normalize("NFC", text).split()).encode())


def text_digests(texts: Texts) -> Digests:
    """The digest of each text, a row of two numbers; what that of a null text is means nothing."""
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    parts = (chunk.slice(start, _ROWS_AT_ONCE) for chunk in chunks for start in range(0, len(chunk), _ROWS_AT_ONCE))
    return np.concatenate([np.empty((0, 2), np.uint64), *(_digests(part) for part in parts)])


def _digests(texts: pa.Array) -> Digests:
    offsets, data = strings(texts)
    spaced, ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(texts) + 1, np.int64)
    uncomposed = np.zeros(len(texts), np.bool_)
    _space(offsets, data, kinds(), may_be_uncomposed(), spaced, ends, uncomposed)
    digests = [xxh3_128_digest(spaced[start:end].data) for start, end in pairwise(ends.tolist())]
    for row in np.flatnonzero(uncomposed):
        digests[row] = text_digest(texts[row].as_py())
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


@kernel
def _space(
    offsets: Counts, data: Bytes, kinds: Kinds, composable: Flags, spaced: Room, ends: Counts, uncomposed: Flags
) -> None:  # fmt: skip
    """Copy texts with each run of whitespace made one space, and none at their ends; say which may not be in NFC."""
    at = 0
    ends[0] = 0
    for row in range(len(offsets) - 1):
        i, gap, begun = offsets[row], False, False
        while i < offsets[row + 1]:
            width = 1
            if data[i] <= _LAST_ASCII_SPACE or data[i] >= _FIRST_WIDE:
                point, width = decode(data, i)
                uncomposed[row] |= composable[point]
                if kinds[point] & SPACE:
                    gap = begun
                    i += width
                    continue
            if gap:
                spaced[at] = _LAST_ASCII_SPACE
                at, gap = at + 1, False
            begun = True
            for _ in range(width):
                spaced[at] = data[i]
                at, i = at + 1, i + 1
        ends[row + 1] = at


def exact_duplicates(doc_ids: DocIds, texts: Texts, priority: npt.ArrayLike) -> pa.Table:
    """Which documents to drop, and for which kept ones: a row of `FOUND` for each dropped, in the order of priority.

    Of each text the first document is kept, by `priority` (int64, smaller first), then by `doc_id`. Texts that are null
    are like no other; those without a character besides whitespace are like each other.
    """
    order = precedence(doc_ids, priority)
    if len(texts) != len(order):
        raise ValueError(f"expected as many texts as the {len(order)} documents, not {len(texts)}")
    order = order[texts.is_valid().to_numpy(zero_copy_only=False)[order]]
    later, firsts = copies(text_digests(texts), order)
    return found(doc_ids, later, firsts, np.ones(len(later)))


def copies(digests: Digests, order: Rows) -> tuple[Rows, Rows]:
    """Of the rows in `order`, those whose digest a row before them has; and the first of those."""
    ordered = digests[order]
    together = np.lexsort((ordered[:, 1], ordered[:, 0]))  # stable: of one text the first document stays first
    ordered = ordered[together]
    first = np.ones(len(order), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    firsts: Rows = np.empty(len(order), np.int64)
    firsts[together] = together[np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    later = firsts != np.arange(len(order))
    return order[later], order[firsts[later]]
