"""Exact duplicates: documents of the same text, but for how its characters are composed and spaced."""

from __future__ import annotations

from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_128_digest

from pipeline.dedup.found import found
from pipeline.dedup.precedence import DocIds, Rows, precedence
from pipeline.dedup.words import Texts

VERSION = 1
USES = ()
Digests = npt.NDArray[np.uint64]

_ROWS_AT_ONCE = 4096  # that are Python strings at a time


def text_digest(text: str) -> bytes:
    """128 bits that stand for a text: XXH3 of the UTF-8 of its NFC, with each run of whitespace made one space and none at the ends."""
    return xxh3_128_digest(" ".join(normalize("NFC", text).split()).encode())


def text_digests(texts: Texts) -> Digests:
    """The digest of each text, a row of two numbers; what that of a null text is means nothing."""
    digests = np.zeros((len(texts), 2), np.uint64)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        rows = texts.slice(start, _ROWS_AT_ONCE).to_pylist()
        joined = b"".join(text_digest(text or "") for text in rows)
        digests[start : start + len(rows)] = np.frombuffer(joined, np.uint64).reshape(-1, 2)
    return digests


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
