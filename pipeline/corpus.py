"""From measured shards to a corpus: decide, deduplicate, split, and write one fate for every record.

Documents that break a bound take no part in deduplication. First the lines and the runs of bytes that documents share are
cut, where the recipe wants that; then come exact copies, then near ones, then what of the training split is too like something held out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import decide, schema, split
from pipeline.dedup import exact, lines, near, substrings
from pipeline.dedup.cutting import cut_repeats
from pipeline.dedup.stage import deduplicate
from pipeline.dedup.survivors import gather, shard_table, storage, texts_of
from pipeline.recipe import Recipe
from pipeline.step import versions
from pipeline.store import Built, Store, Version

VERSION = 1

# The fate of what deduplication drops, by the kind of duplicate.
RULES = {"exact": "exact.duplicate", "near": "near.duplicate", "overlap": "split.overlap"}


class TooMuchLostError(ValueError):
    """A source that lost more of itself than the recipe allows: the run stops rather than going on with what is left."""


def spec(recipe: Recipe, shards: list[str]) -> dict[str, Any]:
    """All that determines a corpus's bytes: its shards, the bounds, deduplication and the split."""
    # Lists, as their order says which of several broken rules is named; only what is set, as a language's own limits replace others.
    bounds = [
        [use.name, [[signal, bound.model_dump(mode="json", by_alias=True, exclude_unset=True)] for signal, bound in use.bounds.items()]]
        for use in recipe.steps
    ]
    cutting = {name: recipe.dedup.model_dump(mode="json")[name] for name in ("host_lines", "lines")}
    dedup = recipe.dedup.model_dump(mode="json", exclude={*cutting, "substrings"})
    cut = {"lines": {"version": lines.VERSION, "uses": versions(lines.USES), **cutting}} if any(cutting.values()) else {}
    if recipe.dedup.substrings:
        runs = recipe.dedup.substrings.model_dump(mode="json")
        cut["substrings"] = {"version": substrings.VERSION, "uses": versions(substrings.USES), **runs}
    return {
        **cut,
        "version": [VERSION, exact.VERSION, near.VERSION, split.VERSION],
        "uses": versions((*exact.USES, *near.USES)),
        "shards": sorted(set(shards)),
        "bounds": bounds,
        "dedup": dedup,
        "split": recipe.split.model_dump(mode="json"),
        "limits": recipe.limits.model_dump(mode="json"),
    }


def build(store: Store, recipe: Recipe, shards: list[str]) -> Built:
    """The corpus of a recipe over finished shards, and `current` pointing at it.

    Raises TooMuchLostError.
    """
    built = store.build(f"corpora/{recipe.name}", spec(recipe, shards), lambda version: _write(store, recipe, sorted(set(shards)), version))
    store.point(f"corpora/{recipe.name}", built.manifest.fingerprint)
    return built


def _write(store: Store, recipe: Recipe, shards: list[str], version: Version) -> dict[str, int]:
    decided = {shard: _decide(store, recipe, shard) for shard in shards}
    _stop_on_repeats(store, decided)
    _stop_on_errors(recipe, list(decided.values()))
    cutting = cut_repeats(recipe, decided, version)
    left = {shard: _empty(fates, cutting.emptied) for shard, fates in decided.items()}
    lost = deduplicate(gather(store, left, cutting.files), recipe)
    _stop_on_loss(recipe, list(decided.values()), lost, cutting.emptied)
    counts = {"records": 0, "kept": 0}
    for number, (shard, fates) in enumerate(left.items()):
        final = _drop(fates, lost)
        counts["records"] += len(final)
        counts["kept"] += _write_part(recipe, shard, final, version, number, cutting.files.get(shard))
    version.table(
        "duplicates/part-00000.parquet",
        lost.append_column("twin_corpus", pa.repeat(pa.scalar("", pa.string()), len(lost))).cast(schema.DUPLICATES),
    )
    return {**counts, "dropped": counts["records"] - counts["kept"], "duplicates": len(lost), **cutting.counts}


def _decide(store: Store, recipe: Recipe, shard: str) -> pa.Table:
    records = shard_table(store, shard, "records", ["doc_id", "source"])
    return decide.decide(records, shard_table(store, shard, "signals"), recipe.steps)


def _stop_on_repeats(store: Store, decided: dict[str, pa.Table]) -> None:
    """By `doc_id` alone is anything joined: a record that came in twice would be two documents of one name."""
    fates = pa.concat_tables([schema.empty(schema.FATES), *decided.values()])
    ids = storage(fates["doc_id"])
    counts = pc.value_counts(ids)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        source = fates["source"][pc.index(ids, repeated[0]).as_py()].as_py()
        raise ValueError(
            f"source {source!r}: expected record ids that stand once, but {len(repeated)} stand more often, such as the one of "
            f"{' and '.join(_places(store, list(decided), repeated[0]))}"
        )


def _places(store: Store, shards: list[str], doc_id: pa.Scalar) -> list[str]:
    """The file and offset of each record that has an id."""
    tables = [shard_table(store, shard, "records", ["doc_id", "file", "offset"]) for shard in shards]
    found = [table.filter(pc.equal(storage(table["doc_id"]), doc_id)) for table in tables]
    return [f"{row['file']} at {row['offset']}" for table in found for row in table.to_pylist()]


def _stop_on_errors(recipe: Recipe, decided: list[pa.Table]) -> None:
    """More failures than a recipe expects are no fate but a fault."""
    failures = [f"{use.name}." for use in recipe.steps]
    bounded = {f"{use.name}.{signal}" for use in recipe.steps for signal in use.bounds}
    for source in recipe.sources:
        rows = [fates.filter(pc.equal(fates["source"], source.name)) for fates in decided]
        total = sum(map(len, rows))
        failed = sum(_is_failure(rule, failures, bounded) for fates in rows for rule in fates["rule"].to_pylist())
        if total and failed / total > recipe.limits.max_error_share:
            raise TooMuchLostError(
                f"source {source.name!r}: {failed} of {total} records failed, more than limits.max_error_share = "
                f"{recipe.limits.max_error_share:g} allows: {_reasons(rows, failures, bounded)}"
            )


def _reasons(parts: list[pa.Table], steps: list[str], bounded: set[str]) -> str:
    """The most frequent failures, each with a detail."""
    pairs = [pair for fates in parts for pair in zip(fates["rule"].to_pylist(), fates["detail"].to_pylist(), strict=True)]
    failed = [(rule, detail) for rule, detail in pairs if _is_failure(rule, steps, bounded)]
    counts = Counter(rule for rule, _ in failed)
    return "; ".join(f"{count} {rule} ({dict(reversed(failed))[rule]})" for rule, count in counts.most_common(3))


def _is_failure(rule: str | None, steps: list[str], bounded: set[str]) -> bool:
    return rule is not None and rule.rpartition(".")[0] not in bounded and any(rule.startswith(step) for step in ("ingest.", *steps))


def _stop_on_loss(recipe: Recipe, decided: list[pa.Table], lost: pa.Table, emptied: pa.Table) -> None:
    """The alarm on a source that deduplication all but empties: rather a fault than a finding."""
    for source in recipe.sources:
        if source.name in recipe.dedup.allow_loss:
            continue
        kept = [fates["doc_id"].filter(pc.and_(fates["kept"], pc.equal(fates["source"], source.name))) for fates in decided]
        ids = pa.concat_arrays([storage(chunk) for chunk in kept]) if kept else pa.array([], pa.binary(16))
        copies, empty = (pc.sum(pc.is_in(ids, storage(table["doc_id"]))).as_py() or 0 for table in (lost, emptied))
        gone = copies + empty
        if len(ids) and gone / len(ids) > recipe.dedup.max_duplicate_share:
            what = "duplicates or little but repeated text" if empty else "duplicates"
            raise TooMuchLostError(
                f"source {source.name!r}: {gone} of {len(ids)} documents are {what}, more than dedup.max_duplicate_share = "
                f"{recipe.dedup.max_duplicate_share:g} allows; name it in dedup.allow_loss if that is right"
            )


def _empty(fates: pa.Table, emptied: pa.Table) -> pa.Table:
    """The fates of one shard after repeats were cut."""
    rules = emptied["rule"].take(pc.index_in(storage(fates["doc_id"]), storage(emptied["doc_id"])))
    hit = pc.is_valid(rules)
    steps = pc.list_element(pc.split_pattern(rules, "."), 0)
    return _changed(
        fates,
        kept=pc.and_(fates["kept"], pc.invert(hit)),
        step=pc.coalesce(steps, fates["step"]),
        rule=pc.coalesce(rules, fates["rule"]),
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
    )


def _write_part(recipe: Recipe, shard: str, fates: pa.Table, version: Version, number: int, cuts: str | None) -> int:
    """One shard's fates, and its kept documents in order of `doc_id`; how many those are."""
    version.table(f"fates/part-{number:05d}.parquet", fates)
    records = shard_table(version.store, shard, "records", ["doc_id", "source", "url"]).filter(fates["kept"])
    ids = pa.ExtensionArray.from_storage(schema.DOC_ID, storage(records["doc_id"]))
    documents = pa.table(
        {
            "doc_id": ids,
            "source": records["source"],
            "url": records["url"],
            "split": split.assign(ids, recipe.split),
            "text": texts_of(version.store, shard, records["doc_id"], cuts),
        }
    )
    order = pc.sort_indices(ids.storage)
    version.table(f"documents/part-{number:05d}.parquet", documents.take(order).cast(schema.DOCUMENTS))
    return len(documents)
