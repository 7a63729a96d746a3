"""Repeated lines and runs of bytes cut out of the documents of a corpus, before those are compared: a file of spans a shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, shard_tables
from pipeline.dedup import substrings
from pipeline.dedup.cuts import Spans, among, without
from pipeline.dedup.lines import Part, cut, find, scopes
from pipeline.dedup.precedence import RANKED, precedence, priority
from pipeline.dedup.repeated import Documents, Repeated
from pipeline.dedup.survivors import known, texts_of
from pipeline.kernels.strings import Counts, Hashes, hashes
from pipeline.recipe import Recipe
from pipeline.store import Rows, Store, Version

EMPTIED = pa.schema([schema.CUTS.field("doc_id"), *(schema.FATES.field(name) for name in ("rule", "value", "bound"))])

_ROWS_AT_ONCE = 1024


class Cutting(NamedTuple):
    """What was cut from the documents of a corpus."""

    files: Mapping[str, str]  # of `schema.CUTS`, by shard
    emptied: pa.Table  # EMPTIED: documents that have too little left, mostly no letter or digit, and the rule that did it
    counts: Mapping[str, int]  # of what was cut and emptied, as far as the recipe asks for it


class _Found(NamedTuple):
    """What is repeated."""

    lines: Sequence[Repeated]
    substrings: substrings.Repeats | None


def cut_repeats(recipe: Recipe, decided: Mapping[str, pa.Table], version: Version) -> Cutting:
    """Write what goes to `cuts/` of the version. `decided` are the fates so far, by shard."""
    wanted, config = scopes(recipe.dedup), recipe.dedup.substrings
    if not wanted and not config:
        return Cutting({}, schema.empty(EMPTIED), {})
    store = version.store
    ids = {shard: fates["doc_id"].filter(fates["kept"]) for shard, fates in decided.items()}
    firsts = np.concatenate([[0], np.cumsum([len(each) for each in ids.values()])]).astype(int).tolist()
    parts = {shard: Part(first, partial(_texts, store, shard, ids[shard])) for shard, first in zip(ids, firsts, strict=False)}
    documents = _documents(store, recipe, decided)
    lines = find(wanted, list(parts.values()), documents)
    files, emptied, counts = {}, [schema.empty(EMPTIED)], Counter[str]()
    with TemporaryDirectory(prefix="corpusmill-substrings-") as folder:
        left = [Part(part.first, partial(_left, part, lines)) for part in parts.values()]
        found = _Found(lines, substrings.find(config, left, documents.ranks, Path(folder)) if config else None)
        for number, (shard, part) in enumerate(parts.items()):
            name = f"cuts/part-{number:05d}.parquet"
            with version.parquet(name, schema.CUTS) as rows:
                emptied += _write(ids[shard], part, found, rows, counts)
            files[shard] = f"{version.place}/{name}"
    gone = pa.concat_tables(emptied)
    asked = {"cut_lines": bool(wanted), "cut_substrings": bool(config)}
    return Cutting(files, gone, {**{name: counts[name] for name, wants in asked.items() if wants}, "emptied": len(gone)})


def _texts(store: Store, shard: str, doc_ids: pa.ChunkedArray) -> Iterator[pa.Array]:
    table = pa.table({"text": texts_of(store, shard, doc_ids, None)})
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield batch["text"]


def _left(part: Part, lines: Sequence[Repeated]) -> Iterator[pa.Array]:
    """The texts of a part without the lines that are cut."""
    first = part.first
    for texts in part.read():
        yield without(texts, cut(texts, first, lines).spans) if lines else texts
        first += len(texts)


def _documents(store: Store, recipe: Recipe, decided: Mapping[str, pa.Table]) -> Documents:
    """Ranked as deduplication ranks them, by their texts as they were measured."""
    parts, hosts, urls = [schema.empty(RANKED)], [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for shard, fates in decided.items():
        measured = shard_tables.table(store, shard, "signals", ["text_bytes"])["text_bytes"].filter(fates["kept"])
        part = known(store, shard, fates, ["host", "url", "fetched_at"], recipe.dedup.signal)
        hosts.append(_hashes(part["host"]))
        urls.append(_hashes(part["url"]))
        parts.append(part.append_column("text_bytes", measured).select(RANKED.names).cast(RANKED))
    table = pa.concat_tables(parts)
    order = precedence(table["doc_id"], priority(recipe.dedup, table))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return Documents(np.concatenate(hosts), np.concatenate(urls), ranks)


def _hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash of each string; 0 of one that is null or empty."""
    some = pc.greater(pc.fill_null(pc.binary_length(column), 0), 0).to_numpy()
    return np.where(some, np.maximum(hashes(column.combine_chunks()), 1), 0).astype(np.uint64)


def _write(doc_ids: pa.ChunkedArray, part: Part, found: _Found, out: Rows, counts: Counter[str]) -> list[pa.Table]:
    """Write what is cut from a shard's documents, count it, and say which are emptied by it."""
    emptied, first = [schema.empty(EMPTIED)], 0
    for texts in part.read():
        ids, number = doc_ids.slice(first, len(texts)), part.first + first
        lines = cut(texts, number, found.lines)
        names = [each.scope.name for each in found.lines]
        rules = np.array([f"{name}.repeated" for name in names], object)[lines.by]
        cuts = [_rows(ids, lines.spans, rules, lines.keys, lines.pages)]
        fates, shares = np.array([*(f"{name}.empty" for name in names), None], object)[lines.emptied_by], np.zeros(len(texts))
        if found.substrings:
            runs = substrings.cut(without(texts, lines.spans), number, found.substrings)
            spans, of = among(lines.spans, runs.spans)
            rules = np.full(len(of), "substrings.repeated", object)
            cuts.append(_rows(ids, spans, rules, runs.keys[of], runs.pages[of]))
            later = np.array([*(f"substrings.{rule}" for rule in substrings.RULES), None], object)[runs.dropped_by]
            fates = np.where(lines.emptied_by >= 0, fates, later)
            shares = runs.shares
            counts["cut_substrings"] += len(runs.keys)
        counts["cut_lines"] += len(lines.keys)
        rows = pa.concat_tables(cuts)
        out.write(rows.take(np.lexsort((rows["start"], rows["row"]))).drop_columns(["row"]))
        emptied.append(_emptied(ids, fates, shares, found))
        first += len(texts)
    return emptied


def _emptied(ids: pa.ChunkedArray, fates: npt.NDArray[np.object_], shares: npt.NDArray[np.float64], found: _Found) -> pa.Table:
    """Rows of EMPTIED. What was measured against a bound is the share of a text that is cut."""
    rules = pa.array(fates, pa.string())
    other = pc.not_equal(rules, "substrings.share").fill_null(True).to_numpy(zero_copy_only=False)
    bounds = np.full(len(ids), found.substrings.config.drop_share if found.substrings else np.nan)
    measured = (pa.array(values, pa.float64(), mask=other) for values in (shares, bounds))
    return pa.table([ids, rules, *measured], schema=EMPTIED).filter(rules.is_valid())


def _rows(ids: pa.ChunkedArray, spans: Spans, rules: npt.NDArray[np.object_], keys: Hashes, pages: Counts) -> pa.Table:
    """Rows of `schema.CUTS`, and by which row of the texts they are in order."""
    columns = [ids.take(pa.array(spans.rows)), pa.array(rules, pa.string()), spans.starts, spans.ends, keys.view(np.int64), pages]
    return pa.table(columns, schema=schema.CUTS).append_column("row", pa.array(spans.rows))
