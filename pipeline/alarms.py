"""What stops a run rather than going on with what is left: records that stand twice, too many failures, too many duplicates."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, shard_tables
from pipeline.bounds import LANGUAGE_COLUMN
from pipeline.dedup.survivors import storage
from pipeline.recipe import Recipe
from pipeline.store import Store

_LARGEST = 3  # clusters of duplicates that an alarm names
_FEW_OF_LANGUAGE = 100  # documents: of fewer, most may be of another language in truth


class TooMuchLostError(ValueError):
    """A source, or a language, that lost more of itself than the recipe allows: the run stops rather than going on with what is left."""


def on_repeats(store: Store, decided: dict[str, pa.Table]) -> None:
    """By `doc_id` alone is anything joined: a record that came in twice would be two documents of one name."""
    fates = pa.concat_tables([schema.empty(schema.FATES), *decided.values()])
    ids = storage(fates["doc_id"])
    counts = pc.value_counts(ids)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        source = fates["source"][pc.index(ids, repeated[0]).as_py()].as_py()
        raise ValueError(
            f"source {source!r}: expected record ids that stand once, but {len(repeated)} stand more often, such as the one of "
            f"{' and '.join(_places(store, list(decided), repeated[0]))}, counted from 0; "
            "without id_key a record is known by its file and place"
        )


def _places(store: Store, shards: list[str], doc_id: pa.Scalar) -> list[str]:
    """The file and offset of each record that has an id."""
    tables = [shard_tables.table(store, shard, "records", ["doc_id", "file", "offset"]) for shard in shards]
    found = [table.filter(pc.equal(storage(table["doc_id"]), doc_id)) for table in tables]
    places = sorted((row["file"], row["offset"]) for table in found for row in table.to_pylist())
    return [f"{file} at {offset}" for file, offset in places]


def on_errors(recipe: Recipe, decided: list[pa.Table]) -> None:
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


def on_loss(store: Store, recipe: Recipe, decided: dict[str, pa.Table], lost: pa.Table, emptied: pa.Table) -> None:
    """The alarm on a source, or a language, that deduplication all but empties: rather a fault than a finding."""
    empty = storage(emptied["doc_id"])
    lost_ids = pa.concat_arrays([storage(lost["doc_id"]), empty])
    kept, gone, emptied_of = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for shard, fates in decided.items():
        ids = storage(fates["doc_id"])
        masks = (fates["kept"], pc.is_in(ids, lost_ids), pc.is_in(ids, empty))
        for kind, values in _groups(store, shard, fates).items():
            for counter, mask in zip((kept, gone, emptied_of), masks, strict=True):
                counts = pc.value_counts(values.filter(mask).drop_null()).to_pylist()
                counter.update({(kind, each["values"]): each["counts"] for each in counts})
    for (kind, name), count in sorted(kept.items(), key=lambda each: (each[0][0] != "source", each[0])):
        few = kind == "language" and count < _FEW_OF_LANGUAGE
        share = gone[kind, name] / count
        if few or name in recipe.dedup.allow_loss or share <= recipe.dedup.max_duplicate_share:
            continue
        largest = _most_copied(store, decided, lost.filter(pc.is_in(storage(lost["doc_id"]), _of_group(store, decided, kind, name))))
        what = "duplicates or little but repeated text" if emptied_of[kind, name] else "duplicates"
        raise TooMuchLostError(
            f"{kind} {name!r}: {gone[kind, name]} of {count} documents are {what}, more than dedup.max_duplicate_share = "
            f"{recipe.dedup.max_duplicate_share:g} allows; name it in dedup.allow_loss if that is right{largest}"
        )


def _of_group(store: Store, decided: dict[str, pa.Table], kind: str, name: str) -> pa.Array:
    """The ids of a source's records, or of a language's."""
    own = [fates["doc_id"].filter(pc.equal(_groups(store, shard, fates)[kind], name)) for shard, fates in decided.items()]
    return pa.concat_arrays([storage(ids) for ids in own])


def _most_copied(store: Store, decided: dict[str, pa.Table], lost: pa.Table) -> str:
    """Where the documents stand that were kept for the most of those that are lost, for the end of a sentence."""
    twins = storage(lost["duplicate_of"])
    counts = pc.value_counts(twins)
    largest = np.argsort(-counts.field("counts").to_numpy(), kind="stable")[:_LARGEST]
    found = []
    for each in counts.take(pa.array(largest)):
        corpus = lost["twin_corpus"][pc.index(twins, each["values"]).as_py()].as_py()
        where = f"corpus {corpus!r}" if corpus else _places(store, list(decided), each["values"])[0]
        found.append(f"{each['counts']} of {where}")
    return f". Copies: {'; '.join(found)}" if found else ""


def _groups(store: Store, shard: str, fates: pa.Table) -> dict[str, pa.ChunkedArray]:
    """By what documents are counted: their source, and their language where it was measured."""
    measured = shard_tables.columns(store, shard, "signals")
    if LANGUAGE_COLUMN not in measured:
        return {"source": fates["source"]}
    return {"source": fates["source"], "language": shard_tables.table(store, shard, "signals", [LANGUAGE_COLUMN])[LANGUAGE_COLUMN]}
