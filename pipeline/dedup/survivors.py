"""What finished shards hold of the documents that deduplication looks at: those that kept within all bounds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import shard_tables
from pipeline.dedup.cuts import Spans, without
from pipeline.store import Store


def known(store: Store, shard: str, fates: pa.Table, columns: list[str], signal: str | None) -> pa.Table:
    """What is known of a shard's documents that are kept so far, in their order.

    `doc_id`, `source`, further columns of `schema.RECORDS`, and, as `signal`, one of its signals; null where none is named.
    """
    records = shard_tables.table(store, shard, "records", columns)
    values = pa.nulls(len(fates))
    if signal:
        values = shard_tables.table(store, shard, "signals", [signal])[signal].cast(pa.float64(), safe=False)
    named = {"doc_id": fates["doc_id"], "source": fates["source"], "signal": values}
    return pa.table({**named, **{name: records[name] for name in columns}}).filter(fates["kept"])


def texts_of(store: Store, shard: str, doc_ids: pa.ChunkedArray, cuts: str | None) -> pa.ChunkedArray:
    """The texts of a shard's documents, in the order asked for; without what a file of `schema.CUTS` says, where one is named."""
    measured = shard_tables.table(store, shard, "texts", ["doc_id", "text"])
    texts = measured["text"].take(find_rows(measured["doc_id"], doc_ids))
    if cuts is None:
        return texts
    spans = _spans(store.table(cuts, ["doc_id", "start", "end"]), doc_ids)
    chunks, first = [], 0
    for chunk in texts.chunks:
        begin, end = np.searchsorted(spans.rows, [first, first + len(chunk)])
        rows, starts, ends = (column[begin:end] for column in spans)
        chunks.append(without(chunk, Spans(rows - first, starts, ends)).cast(pa.string()))
        first += len(chunk)
    return pa.chunked_array(chunks, pa.string())


def _spans(cuts: pa.Table, doc_ids: pa.ChunkedArray) -> Spans:
    """The cuts by row of `doc_ids`; those of other documents come first, as of row -1."""
    rows = pc.index_in(storage(cuts["doc_id"]), storage(doc_ids)).fill_null(-1).to_numpy().astype(np.int64)
    starts, ends = (cuts[name].to_numpy() for name in ("start", "end"))
    order = np.lexsort((starts, rows))
    return Spans(rows[order], starts[order], ends[order])


def find_rows(among: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.Array:
    """For each wanted id, its row in `among`; an id that is not there is an error of ours."""
    rows = pc.index_in(storage(wanted), storage(among))
    if rows.null_count:
        raise RuntimeError(f"{rows.null_count} kept documents have no text: their shard is damaged; run `corpusmill check`")
    return rows


def storage(doc_ids: pa.ChunkedArray) -> pa.Array:
    """The 16 bytes of each id, which Arrow can compare and look up."""
    return doc_ids.combine_chunks().storage
