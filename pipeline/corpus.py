"""From measured shards to a corpus: decide, deduplicate, split, and write one fate for every record.

Documents that break a bound take no part in deduplication. First the lines and the runs of bytes that documents share are
cut, where the recipe wants that; then come exact copies, then near ones, then what of the training split is too like something held out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import alarms, decide, schema, shard_tables, split
from pipeline.dedup import earlier, exact, index, lines, near, same, signed, substrings
from pipeline.dedup.cutting import cut_repeats
from pipeline.dedup.gathered import gather
from pipeline.dedup.signed import Signing
from pipeline.dedup.stage import deduplicate
from pipeline.dedup.survivors import storage, texts_of
from pipeline.each import Each, one_by_one
from pipeline.recipe import Recipe
from pipeline.step import versions
from pipeline.store import Built, Store, Version

VERSION = 4
_GROUPS = 200  # of shards to sign, at most: an orchestrator shows each
_ROWS_AT_ONCE = 4096  # in a row group: a later corpus reads those that it finds something in

# The fate of what deduplication drops, by the kind of duplicate.
RULES = {
    "url": "exact.url",
    "bytes": "exact.bytes",
    "exact": "exact.duplicate",
    "near": "near.duplicate",
    "overlap": "split.overlap",
    "contained": "split.overlap",
}


def spec(recipe: Recipe, shards: list[str], against: Sequence[str] = ()) -> dict[str, Any]:
    """All that determines a corpus's bytes: its shards, the bounds, deduplication, earlier corpora by place, and the split."""
    # Lists, as their order says which of several broken rules is named; only what is set, as a language's own limits replace others.
    bounds = [
        [use.name, [[signal, bound.model_dump(mode="json", by_alias=True, exclude_unset=True)] for signal, bound in use.bounds.items()]]
        for use in recipe.steps
    ]
    cutting = {name: recipe.dedup.model_dump(mode="json")[name] for name in ("host_lines", "lines")}
    dedup = recipe.dedup.model_dump(mode="json", exclude={*cutting, "substrings", "against"})
    cut = {"lines": {"version": lines.VERSION, "uses": versions(lines.USES), **cutting}} if any(cutting.values()) else {}
    if recipe.dedup.substrings:
        runs = recipe.dedup.substrings.model_dump(mode="json")
        cut["substrings"] = {"version": substrings.VERSION, "uses": versions(substrings.USES), **runs}
    return {
        **cut,
        "version": [VERSION, exact.VERSION, same.VERSION, near.VERSION, split.VERSION],
        "uses": versions((*exact.USES, *same.USES, *near.USES)),
        "shards": sorted(set(shards)),
        "bounds": bounds,
        "dedup": dedup,
        "against": list(against),
        "split": recipe.split.model_dump(mode="json"),
        "limits": recipe.limits.model_dump(mode="json"),
    }


def build(store: Store, recipe: Recipe, shards: list[str], each: Each = one_by_one) -> Built:
    """The corpus of a recipe over finished shards, and `current` pointing at it; `each` runs what is done shard by shard.

    Raises TooMuchLostError, and ValueError where `dedup.against` names what cannot be compared with.
    """
    against = earlier.places(store, recipe)
    made = spec(recipe, shards, against)
    built = store.build(f"corpora/{recipe.name}", made, lambda version: _write(recipe, sorted(set(shards)), against, version, each))
    store.point(f"corpora/{recipe.name}", built.manifest.fingerprint)
    return built


def _write(recipe: Recipe, shards: list[str], against: Sequence[str], version: Version, each: Each) -> dict[str, int]:
    store = version.store
    decided = {shard: _decide(store, recipe, shard) for shard in shards}
    alarms.on_repeats(store, decided)
    alarms.on_errors(recipe, list(decided.values()))
    cutting = cut_repeats(recipe, decided, version)
    left = {shard: _empty(fates, cutting.emptied) for shard, fates in decided.items()}
    documents = gather(store, recipe.dedup, left, _signed(recipe, store, shards, cutting.files, each), cutting.files)
    with _scratch(version) as scratch:
        found = deduplicate(documents, recipe, [earlier.indexed(store, recipe, place) for place in against], scratch)
        alarms.on_loss(store, recipe, decided, found.lost, cutting.emptied)
        counts = {"records": 0, "kept": 0}
        kept = [pa.array([], pa.binary(16))]
        for number, (shard, fates) in enumerate(left.items()):
            final = _drop(fates, found.lost)
            kept.append(_write_part(recipe, shard, final, version, number, cutting.files.get(shard)))
            counts = {"records": counts["records"] + len(final), "kept": counts["kept"] + len(kept[-1])}
        version.table("duplicates/part-00000.parquet", found.lost)
        rows = pc.index_in(documents.doc_ids.storage, pa.concat_arrays(kept)).fill_null(-1).to_numpy().astype(np.int64)
        index.write(version, documents.marks, found.keys, found.held_out, rows)
    dropped = counts["records"] - counts["kept"]
    return {**counts, "dropped": dropped, "duplicates": len(found.lost), **cutting.counts}


def _signed(recipe: Recipe, store: Store, shards: list[str], cuts: Mapping[str, str], each: Each) -> dict[str, str]:
    """Where each shard is signed, which it is after this."""
    tasks = [Signing(store.root, shard, cuts.get(shard), recipe.dedup.signing) for shard in shards]
    places = {task.shard: signed.place(task) for task in tasks}
    missing = [task for task in tasks if store.manifest(places[task.shard]) is None]
    for _ in each("sign", signed.sign, [missing[first::_GROUPS] for first in range(min(_GROUPS, len(missing)))]):
        pass
    return places


@contextmanager
def _scratch(version: Version) -> Iterator[Path]:
    """A folder for what does not fit in memory, empty; what a killed run left there goes first."""
    if not version.store.local:
        with tempfile.TemporaryDirectory(prefix="corpusmill-") as made:
            yield Path(made)
        return
    folder = version.store.folder(f"{version.place}/scratch")
    shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _decide(store: Store, recipe: Recipe, shard: str) -> pa.Table:
    records = shard_tables.table(store, shard, "records", ["doc_id", "source"])
    return decide.decide(records, shard_tables.table(store, shard, "signals"), recipe.steps)


def _empty(fates: pa.Table, emptied: pa.Table) -> pa.Table:
    """The fates of one shard after repeats were cut."""
    gone = emptied.take(pc.index_in(storage(fates["doc_id"]), storage(emptied["doc_id"])))
    rules, hit = gone["rule"], pc.is_valid(gone["rule"])
    steps = pc.list_element(pc.split_pattern(rules, "."), 0)
    return _changed(
        fates,
        kept=pc.and_(fates["kept"], pc.invert(hit)),
        step=pc.coalesce(steps, fates["step"]),
        rule=pc.coalesce(rules, fates["rule"]),
        value=pc.coalesce(gone["value"], fates["value"]),
        bound=pc.coalesce(gone["bound"], fates["bound"]),
    )


def _changed(fates: pa.Table, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    return pa.table([columns.get(name, fates[name]) for name in schema.FATES.names], names=schema.FATES.names).cast(schema.FATES)


def _drop(fates: pa.Table, lost: pa.Table) -> pa.Table:
    """The fates of one shard after deduplication."""
    row = pc.index_in(storage(fates["doc_id"]), storage(lost["doc_id"]))
    hit = pc.is_valid(row)
    taken = lost.take(row).combine_chunks()
    rules = pc.choose(pc.index_in(taken["kind"], pa.array(list(RULES))), *(pa.scalar(rule) for rule in RULES.values()))
    steps = pc.list_element(pc.split_pattern(rules, "."), 0)
    return _changed(
        fates,
        kept=pc.and_(fates["kept"], pc.invert(hit)),
        step=pc.if_else(hit, steps, fates["step"]),
        rule=pc.if_else(hit, rules, fates["rule"]),
        value=pc.if_else(hit, taken["similarity"], fates["value"]),
        duplicate_of=taken["duplicate_of"],
        similarity=taken["similarity"],
        twin_corpus=pc.if_else(pc.equal(taken["twin_corpus"], ""), pa.scalar(None, pa.string()), taken["twin_corpus"]),
    )


def _write_part(recipe: Recipe, shard: str, fates: pa.Table, version: Version, number: int, cuts: str | None) -> pa.Array:
    """One shard's fates, and its kept documents in order of `doc_id`; those ids."""
    version.table(f"fates/part-{number:05d}.parquet", fates)
    records = shard_tables.table(version.store, shard, "records", ["doc_id", "source", "url", "host"]).filter(fates["kept"])
    ids = pa.ExtensionArray.from_storage(schema.DOC_ID, storage(records["doc_id"]))
    documents = pa.table(
        {
            "doc_id": ids,
            "source": records["source"],
            "url": records["url"],
            "split": split.assign(ids, records["host"], recipe.split),
            "text": texts_of(version.store, shard, records["doc_id"], cuts),
        }
    )
    order = pc.sort_indices(ids.storage)
    with version.parquet(f"documents/part-{number:05d}.parquet", schema.DOCUMENTS) as rows:
        for batch in documents.take(order).cast(schema.DOCUMENTS).to_batches(max_chunksize=_ROWS_AT_ONCE):
            rows.write(batch)
    return ids.storage.take(order)
