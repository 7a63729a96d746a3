"""All documents that deduplication looks at, through all shards: what is known of each, and where its signature and text lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from pipeline import schema, shard_tables
from pipeline.dedup import same, signed
from pipeline.dedup.config import DedupConfig, Same
from pipeline.dedup.minhash import Values
from pipeline.dedup.parts import Part
from pipeline.dedup.precedence import RANKED, Rows
from pipeline.dedup.same import Marks
from pipeline.dedup.survivors import find_rows, known, storage, texts_of
from pipeline.store import Store


@dataclass(frozen=True)
class Gathered:
    """The documents of all shards that are within all bounds, a row each, in the order of the shards."""

    doc_ids: pa.ExtensionArray
    known: pa.Table  # RANKED, but for the ids
    marks: Mapping[Same, Marks]  # of their texts, and of what else the recipe compares them by
    parts: tuple[Part, ...]  # a shard's each

    @property
    def text_bytes(self) -> Rows:
        """Of their texts, as they are after all cuts."""
        return self.known["text_bytes"].to_numpy()


def gather(
    store: Store, config: DedupConfig, decided: Mapping[str, pa.Table], signings: Mapping[str, str], cuts: Mapping[str, str]
) -> Gathered:
    """By shard: the fates so far, where it is signed, and the file of its cuts, where it has one."""
    tables, parts, first = [schema.empty(RANKED)], list[Part](), 0
    marks: dict[Same, list[Marks]] = {kind: [] for kind in ("text", *(config.exact.by if config.exact else ()))}
    for shard, fates in decided.items():
        table, place = known(store, shard, fates, ["host", "fetched_at", "url", "digest"], config.signal), signings[shard]
        measured = signed.read(store, place, ["doc_id", "text_bytes", "digest"])
        rows = find_rows(measured["doc_id"], table["doc_id"])
        tables.append(table.append_column("text_bytes", measured["text_bytes"].take(rows)).select(RANKED.names).cast(RANKED))
        digests = signed.digests(measured["digest"])[rows.to_numpy()]
        for kind, found in marks.items():
            found.append(Marks(digests, np.ones(len(digests), np.bool_)) if kind == "text" else _marks(store, shard, table, kind))
        ids = table["doc_id"]
        parts.append(
            Part(first, len(ids), partial(_signatures, store, place, rows.to_numpy()), partial(_texts, store, shard, ids, cuts.get(shard)))
        )
        first += len(ids)
    table = pa.concat_tables(tables)
    doc_ids = pa.ExtensionArray.from_storage(schema.DOC_ID, storage(table["doc_id"]))
    return Gathered(doc_ids, table.drop_columns("doc_id"), {kind: same.joined(found) for kind, found in marks.items()}, tuple(parts))


def _marks(store: Store, shard: str, table: pa.Table, kind: Same) -> Marks:
    """Of documents by something else than their texts."""
    if kind == "bytes":
        return same.of_digests(table["digest"])
    if same.CANONICAL not in shard_tables.columns(store, shard, "texts"):
        return same.of_addresses(table["url"], None)
    texts = shard_tables.table(store, shard, "texts", ["doc_id", same.CANONICAL])
    return same.of_addresses(table["url"], texts[same.CANONICAL].take(find_rows(texts["doc_id"], table["doc_id"])))


def _signatures(store: Store, place: str, rows: Rows) -> Values:
    return signed.matrix(signed.read(store, place, ["signature"])["signature"])[rows]


def _texts(store: Store, shard: str, doc_ids: pa.ChunkedArray, cuts: str | None, rows: Rows) -> pa.ChunkedArray:
    return texts_of(store, shard, doc_ids.take(pa.array(rows)), cuts)
