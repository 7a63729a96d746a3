"""The total order in which documents are visited: by rank, which a recipe sets, then by `doc_id`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.dedup.config import DedupConfig

Rows = npt.NDArray[np.int64]
DocIds: TypeAlias = pa.Array | pa.ChunkedArray

# What is known of documents that are ranked; `signal` is the one that a recipe prefers by, null where it names none.
RANKED = pa.schema(
    [
        *(schema.RECORDS.field(name) for name in ("doc_id", "source", "host", "fetched_at")),
        pa.field("signal", pa.float64()),
        pa.field("text_bytes", pa.int64()),
    ]
)
_DIRECTIONS = {
    "longest": "descending", "oldest": "ascending", "newest": "descending", "highest": "descending", "lowest": "ascending"
}  # fmt: skip


def precedence(doc_ids: DocIds, priority: npt.ArrayLike) -> Rows:
    """Row numbers, first to last: smaller `priority` (int64, one a row) first, and of equal ones smaller `doc_id` bytes.

    Raises ValueError where a `doc_id` is null or stands twice, or where the lengths differ.
    """
    high, low = halves(doc_ids)
    ranks = np.asarray(priority)
    if ranks.shape != high.shape or ranks.dtype.kind not in "iu":
        raise ValueError(f"expected a whole number of priority for each of {len(high)} documents, not {ranks.dtype} of shape {ranks.shape}")
    by_id = np.lexsort((low, high))
    if np.any((high[by_id][1:] == high[by_id][:-1]) & (low[by_id][1:] == low[by_id][:-1])):
        raise ValueError("expected each doc_id once; one stands twice")
    return np.lexsort((low, high, ranks))


def priority(config: DedupConfig, documents: pa.Table) -> Rows:
    """Ranks of a table of RANKED, the smaller the rather kept: preferred sources first, then by the recipe's preference."""
    place = pc.fill_null(pc.index_in(documents["source"], pa.array(config.prefer_sources, pa.string())), len(config.prefer_sources))
    first_word = config.prefer.partition(" ")[0]
    column = {"longest": "text_bytes", "oldest": "fetched_at", "newest": "fetched_at"}.get(first_word, "signal")
    ranks = _ranked(documents[column], _DIRECTIONS[first_word])
    return place.to_numpy().astype(np.int64) * (ranks.max(initial=0) + 1) + ranks


def newest_first(documents: pa.Table, order: Rows) -> Rows:
    """Row numbers by when documents were fetched, the last first, and those of one time as in `order`."""
    return order[np.argsort(_ranked(documents["fetched_at"], "descending")[order], kind="stable")]


def _ranked(values: pa.ChunkedArray, direction: str) -> Rows:
    """Dense ranks from 1 on; nulls, and what is no number, come last."""
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    return pc.rank(values, sort_keys=direction, tiebreaker="dense").to_numpy().astype(np.int64)


def halves(doc_ids: DocIds) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Each id as two numbers that compare as its bytes do."""
    if doc_ids.null_count:
        raise ValueError("expected a doc_id in each row; one is null")
    chunks = doc_ids.chunks if isinstance(doc_ids, pa.ChunkedArray) else [doc_ids]
    parts = [np.empty((0, 2), ">u8")]
    for chunk in chunks:
        storage = chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk
        if storage.type != pa.binary(16):
            raise ValueError(f"expected doc_id of 16 bytes, not {chunk.type}")
        if len(storage):
            parts.append(np.frombuffer(storage.buffers()[1], ">u8").reshape(-1, 2)[storage.offset : storage.offset + len(storage)])
    halves = np.concatenate(parts).astype(np.uint64)
    return halves[:, 0], halves[:, 1]
