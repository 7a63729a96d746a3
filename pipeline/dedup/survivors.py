"""The documents that deduplication looks at: those of finished shards that kept within all bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
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


def gather(store: Store, decided: dict[str, pa.Table]) -> Survivors:
    """The documents of all shards that are within all bounds."""
    parts = pa.concat_tables([schema.empty(_SURVIVORS), *(part.cast(_SURVIVORS) for part in _surviving(store, decided))])
    return Survivors(*(parts[name] for name in ("doc_id", "text", "source", "fetched_at")))


def _surviving(store: Store, decided: dict[str, pa.Table]) -> Iterator[pa.Table]:
    for shard, fates in decided.items():
        records = shard_table(store, shard, "records", ["fetched_at"])
        known = pa.table({"doc_id": fates["doc_id"], "source": fates["source"], "fetched_at": records["fetched_at"]}).filter(fates["kept"])
        texts = shard_table(store, shard, "texts", ["doc_id", "text"])
        rows = find_rows(texts["doc_id"], known["doc_id"])
        yield known.append_column("text", texts["text"].cast(pa.large_string()).take(rows))


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
