"""The total order in which documents are visited: by rank, which a recipe sets, then by `doc_id`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup.config import DedupConfig

Rows = npt.NDArray[np.int64]
DocIds: TypeAlias = pa.Array | pa.ChunkedArray


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


def priority(config: DedupConfig, sources: pa.ChunkedArray, fetched_at: pa.ChunkedArray, text_bytes: Rows) -> Rows:
    """Ranks, the smaller the rather kept: preferred sources first, then by the recipe's preference."""
    place = pc.fill_null(pc.index_in(sources, pa.array(config.prefer_sources, pa.string())), len(config.prefer_sources))
    if config.prefer == "longest":
        key = -text_bytes
    else:
        sign = 1 if config.prefer == "oldest" else -1
        key = sign * fetched_at.cast(pa.int64()).fill_null(sign * np.iinfo(np.int64).max).to_numpy()  # unknown times last
    keys = np.stack([place.to_numpy(), key], axis=1)
    _, ranks = np.unique(keys, axis=0, return_inverse=True)
    return ranks.reshape(-1).astype(np.int64)


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
