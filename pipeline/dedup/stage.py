"""Deduplication as a corpus needs it: exact copies, then near ones, then training text that is too like something held out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, split
from pipeline.dedup import exact, near
from pipeline.dedup.config import NearConfig
from pipeline.dedup.precedence import priority
from pipeline.dedup.survivors import Survivors, storage
from pipeline.recipe import Recipe


def deduplicate(documents: Survivors, recipe: Recipe) -> pa.Table:
    """What is dropped, for what, and as what kind of duplicate: `near.FOUND` with a column `kind`."""
    config = recipe.dedup
    lost = []
    if config.exact:
        found = exact.exact_duplicates(documents.doc_ids, documents.texts, _priority(documents, recipe))
        lost.append(_kind(found, "exact"))
        documents = documents.where(_absent(documents, found))
    if config.near:
        found = near.near_duplicates(documents.doc_ids, documents.texts, _priority(documents, recipe), config.near)
        lost.append(_kind(found, "near"))
        documents = documents.where(_absent(documents, found))
    lost.append(_kind(_held_out_twins(documents, recipe), "overlap"))
    return _follow_copies(pa.concat_tables(lost))


def _follow_copies(lost: pa.Table) -> pa.Table:
    """Where the kept one of exact copies was then dropped as a near-duplicate, its copies name what it names: their texts are one."""
    near_lost = lost.filter(pc.equal(lost["kind"], "near"))
    row = pc.index_in(storage(lost["duplicate_of"]), storage(near_lost["doc_id"]))
    moved = near_lost.take(row)
    changed = {
        "duplicate_of": pc.if_else(pc.is_valid(row), storage(moved["duplicate_of"]), storage(lost["duplicate_of"])),
        "kind": pc.coalesce(moved["kind"], lost["kind"]),
        "similarity": pc.coalesce(moved["similarity"], lost["similarity"]),
    }
    columns = [changed.get(name, lost[name]) for name in lost.column_names]
    return pa.table(columns, names=lost.column_names).cast(lost.schema)


def _held_out_twins(documents: Survivors, recipe: Recipe) -> pa.Table:
    """Training documents too like a held-out one."""
    where = split.assign(_ids(documents), recipe.split)
    train = documents.where(pc.equal(where, "train"))
    held_out = documents.where(pc.not_equal(where, "train"))
    near_config = recipe.dedup.near or NearConfig()
    alike = near_config.model_copy(update={"similarity": recipe.split.max_similarity, "bands": None, "rows": None})
    return near.overlaps(train.doc_ids, train.texts, held_out.doc_ids, held_out.texts, alike)


def _ids(documents: Survivors) -> pa.ExtensionArray:
    return pa.ExtensionArray.from_storage(schema.DOC_ID, storage(documents.doc_ids))


def _priority(documents: Survivors, recipe: Recipe) -> np.ndarray:
    return priority(recipe.dedup, documents.sources, documents.fetched_at, pc.binary_length(documents.texts))


def _absent(documents: Survivors, found: pa.Table) -> pa.Array:
    return pc.invert(pc.is_in(storage(documents.doc_ids), storage(found["doc_id"])))


def _kind(found: pa.Table, kind: str) -> pa.Table:
    return found.add_column(2, "kind", pa.repeat(pa.scalar(kind, pa.string()), len(found)))
