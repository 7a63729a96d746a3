"""All documents that deduplication looks at, through all shards: what is known of each, and where its signature and text lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from pipeline import schema
from pipeline.dedup import signed
from pipeline.dedup.exact import Digests
from pipeline.dedup.minhash import Values
from pipeline.dedup.parts import Part
from pipeline.dedup.precedence import Rows
from pipeline.dedup.survivors import find_rows, known, storage, texts_of
from pipeline.store import Store

_COLUMNS = ("doc_id", "source", "host", "fetched_at")
_KNOWN = pa.schema([*(schema.RECORDS.field(name) for name in _COLUMNS), pa.field("text_bytes", pa.int64())])


@dataclass(frozen=True)
class Gathered:
    """The documents of all shards that are within all bounds, a row each, in the order of the shards."""

    doc_ids: pa.ExtensionArray
    sources: pa.ChunkedArray
    hosts: pa.ChunkedArray
    fetched_at: pa.ChunkedArray
    text_bytes: Rows
    digests: Digests
    parts: tuple[Part, ...]  # a shard's each


def gather(store: Store, decided: Mapping[str, pa.Table], signings: Mapping[str, str], cuts: Mapping[str, str]) -> Gathered:
    """By shard: the fates so far, where it is signed, and the file of its cuts, where it has one."""
    tables, digests, parts, first = [schema.empty(_KNOWN)], [np.empty((0, 2), np.uint64)], list[Part](), 0
    for shard, fates in decided.items():
        table, place = known(store, shard, fates, ["host", "fetched_at"]), signings[shard]
        measured = signed.read(store, place, ["doc_id", "text_bytes", "digest"])
        rows = find_rows(measured["doc_id"], table["doc_id"])
        tables.append(table.append_column("text_bytes", measured["text_bytes"].take(rows)).cast(_KNOWN))
        digests.append(signed.digests(measured["digest"])[rows.to_numpy()])
        ids = table["doc_id"]
        parts.append(
            Part(first, len(ids), partial(_signatures, store, place, rows.to_numpy()), partial(_texts, store, shard, ids, cuts.get(shard)))
        )
        first += len(ids)
    table = pa.concat_tables(tables)
    doc_ids = pa.ExtensionArray.from_storage(schema.DOC_ID, storage(table["doc_id"]))
    sources, hosts, fetched_at = (table[name] for name in ("source", "host", "fetched_at"))
    return Gathered(doc_ids, sources, hosts, fetched_at, table["text_bytes"].to_numpy(), np.concatenate(digests), tuple(parts))


def _signatures(store: Store, place: str, rows: Rows) -> Values:
    return signed.matrix(signed.read(store, place, ["signature"])["signature"])[rows]


def _texts(store: Store, shard: str, doc_ids: pa.ChunkedArray, cuts: str | None, rows: Rows) -> pa.ChunkedArray:
    return texts_of(store, shard, doc_ids.take(pa.array(rows)), cuts)
