"""The documents that deduplication looks at: those of finished shards that kept within all bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.dedup.cuts import Spans, without
from pipeline.store import Store

_SURVIVORS = pa.schema([*(schema.RECORDS.field(name) for name in ("doc_id", "source", "fetched_at")), pa.field("text", pa.large_string())])


@dataclass(frozen=True)
class Survivors:
    """What a shard's documents that kept within all bounds bring to deduplication; rows in the shard's order."""

    doc_ids: pa.ChunkedArray
    texts: pa.ChunkedArray
    sources: pa.ChunkedArray
    fetched_at: pa.ChunkedArray

    def where(self, mask: pa.Array) -> Survivors:
        """Those of a mask."""
        return Survivors(*(column.filter(mask) for column in (self.doc_ids, self.texts, self.sources, self.fetched_at)))


def gather(store: Store, decided: Mapping[str, pa.Table], cuts: Mapping[str, str]) -> Survivors:
    """The documents of all shards that are within all bounds; `cuts` names the file of a shard's cuts, where it has one."""
    parts = [schema.empty(_SURVIVORS)]
    for shard, fates in decided.items():
        part = known(store, shard, fates, ["fetched_at"])
        parts.append(part.append_column("text", texts_of(store, shard, part["doc_id"], cuts.get(shard))).cast(_SURVIVORS))
    table = pa.concat_tables(parts)
    return Survivors(*(table[name] for name in ("doc_id", "text", "source", "fetched_at")))


def known(store: Store, shard: str, fates: pa.Table, columns: list[str]) -> pa.Table:
    """`doc_id`, `source` and further columns of `schema.RECORDS` of a shard's documents that are kept so far, in their order."""
    records = shard_table(store, shard, "records", columns)
    table = pa.table({"doc_id": fates["doc_id"], "source": fates["source"], **{name: records[name] for name in columns}})
    return table.filter(fates["kept"])


def texts_of(store: Store, shard: str, doc_ids: pa.ChunkedArray, cuts: str | None) -> pa.ChunkedArray:
    """The texts of a shard's documents, in the order asked for; without what a file of `schema.CUTS` says, where one is named."""
    measured = shard_table(store, shard, "texts", ["doc_id", "text"])
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


def shard_table(store: Store, shard: str, folder: str, columns: list[str] | None = None) -> pa.Table:
    """One of the tables of a finished shard."""
    return store.table(f"shards/{shard}/{folder}/part-00000.parquet", columns)


def find_rows(among: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.Array:
    """For each wanted id, its row in `among`; an id that is not there is an error of ours."""
    rows = pc.index_in(storage(wanted), storage(among))
    if rows.null_count:
        raise RuntimeError(f"{rows.null_count} kept documents have no text: their shard is damaged; run `corpusmill check`")
    return rows


def storage(doc_ids: pa.ChunkedArray) -> pa.Array:
    """The 16 bytes of each id, which Arrow can compare and look up."""
    return doc_ids.combine_chunks().storage
