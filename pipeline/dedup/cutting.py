"""Repeated lines cut out of the documents of a corpus, before those are compared: a file of spans for each shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.dedup.lines import Part, cut, find, scopes
from pipeline.dedup.precedence import precedence, priority
from pipeline.dedup.repeated import Documents, Repeated
from pipeline.dedup.survivors import known, shard_table, texts_of
from pipeline.kernels.strings import Hashes, hashes
from pipeline.recipe import Recipe
from pipeline.store import Rows, Store, Version

EMPTIED = pa.schema([schema.CUTS.field("doc_id"), schema.CUTS.field("rule")])

_RANKED = pa.schema([*(schema.RECORDS.field(name) for name in ("doc_id", "source", "fetched_at")), pa.field("text_bytes", pa.int64())])
_ROWS_AT_ONCE = 1024


class Cutting(NamedTuple):
    """What was cut from the documents of a corpus."""

    files: Mapping[str, str]  # of `schema.CUTS`, by shard
    emptied: pa.Table  # EMPTIED: documents that have no letter or digit left, and the rule that did it
    lines: int | None  # how many were cut; None where the recipe asks for no cuts


def cut_lines(recipe: Recipe, decided: Mapping[str, pa.Table], version: Version) -> Cutting:
    """Write which lines go to `cuts/` of the version. `decided` are the fates so far, by shard."""
    wanted = scopes(recipe.dedup)
    if not wanted:
        return Cutting({}, schema.empty(EMPTIED), None)
    store = version.store
    ids = {shard: fates["doc_id"].filter(fates["kept"]) for shard, fates in decided.items()}
    firsts = np.concatenate([[0], np.cumsum([len(each) for each in ids.values()])]).astype(int).tolist()
    parts = {shard: Part(first, partial(_texts, store, shard, ids[shard])) for shard, first in zip(ids, firsts, strict=False)}
    found = find(wanted, list(parts.values()), _documents(store, recipe, decided))
    files, emptied, lines = {}, [schema.empty(EMPTIED)], 0
    for number, (shard, part) in enumerate(parts.items()):
        name = f"cuts/part-{number:05d}.parquet"
        with version.parquet(name, schema.CUTS) as rows:
            emptied += _write(ids[shard], part, found, rows)
        files[shard], lines = f"{version.place}/{name}", lines + rows.count
    return Cutting(files, pa.concat_tables(emptied), lines)


def _texts(store: Store, shard: str, doc_ids: pa.ChunkedArray) -> Iterator[pa.Array]:
    table = pa.table({"text": texts_of(store, shard, doc_ids, None)})
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield batch["text"]


def _documents(store: Store, recipe: Recipe, decided: Mapping[str, pa.Table]) -> Documents:
    """Ranked as deduplication ranks them, by their texts as they were measured."""
    parts, hosts, urls = [schema.empty(_RANKED)], [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for shard, fates in decided.items():
        measured = shard_table(store, shard, "signals", ["text_bytes"])["text_bytes"].filter(fates["kept"])
        part = known(store, shard, fates, ["host", "url", "fetched_at"])
        hosts.append(_hashes(part["host"]))
        urls.append(_hashes(part["url"]))
        parts.append(part.drop_columns(["host", "url"]).append_column("text_bytes", measured).cast(_RANKED))
    table = pa.concat_tables(parts)
    order = precedence(table["doc_id"], priority(recipe.dedup, table["source"], table["fetched_at"], table["text_bytes"].to_numpy()))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return Documents(np.concatenate(hosts), np.concatenate(urls), ranks)


def _hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash of each string; 0 of one that is null or empty."""
    some = pc.greater(pc.fill_null(pc.binary_length(column), 0), 0).to_numpy()
    return np.where(some, np.maximum(hashes(column.combine_chunks()), 1), 0).astype(np.uint64)


def _write(doc_ids: pa.ChunkedArray, part: Part, found: Sequence[Repeated], out: Rows) -> list[pa.Table]:
    """Write what is cut from a shard's documents, and say which are emptied by it."""
    names = pa.array([each.scope.name for each in found], pa.string())
    emptied, first = [schema.empty(EMPTIED)], 0
    for texts in part.read():
        ids = doc_ids.slice(first, len(texts))
        made = cut(texts, part.first + first, found)
        columns = [
            ids.take(pa.array(made.spans.rows)),
            pc.binary_join_element_wise(names.take(pa.array(made.by)), "repeated", "."),
            made.spans.starts,
            made.spans.ends,
            made.keys.view(np.int64),
            made.pages,
        ]
        out.write(pa.table(columns, schema=schema.CUTS))
        rows = np.flatnonzero(made.emptied_by >= 0)
        rules = pc.binary_join_element_wise(names.take(pa.array(made.emptied_by[rows])), "empty", ".")
        emptied.append(pa.table([ids.take(pa.array(rows)), rules], schema=EMPTIED))
        first += len(texts)
    return emptied
