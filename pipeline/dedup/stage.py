"""Deduplication as a corpus needs it: exact copies, then near ones, then training text that is too like something held out.

Each looks at what the one before has left. Documents of earlier corpora come before all others, the oldest first, and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, split
from pipeline.dedup import containment, exact, near
from pipeline.dedup.config import NearConfig
from pipeline.dedup.gathered import Gathered
from pipeline.dedup.index import Indexed
from pipeline.dedup.near import Keys, Roles, Twins, places
from pipeline.dedup.precedence import Rows, precedence, priority
from pipeline.dedup.shingles import Flags
from pipeline.recipe import Recipe


class Deduplicated(NamedTuple):
    """What is dropped, for what, and as what kind of duplicate; and the buckets of all documents, where near ones were sought."""

    lost: pa.Table  # schema.DUPLICATES
    keys: Keys | None


class _Stage(NamedTuple):
    documents: Gathered
    recipe: Recipe
    earlier: Sequence[Indexed]
    scratch: Path


def deduplicate(documents: Gathered, recipe: Recipe, earlier: Sequence[Indexed], scratch: Path) -> Deduplicated:
    """Find the duplicates among documents, and those of documents of `earlier` corpora; files are made in `scratch`."""
    stage, config = _Stage(documents, recipe, earlier, scratch), recipe.dedup
    ranks = priority(config, documents.sources, documents.fetched_at, documents.text_bytes)
    order, left = precedence(documents.doc_ids, ranks), np.ones(len(documents.doc_ids), np.bool_)
    lost, keys = [schema.empty(schema.DUPLICATES)], None
    if config.exact:
        lost.append(_lost(stage, _copies(stage, order), left, "exact"))
    alike = _alike(recipe)
    *sought, held_out = near.band(documents.parts, [*([config.near] if config.near else []), alike], scratch)
    if config.near:
        (keys,) = sought
        roles = Roles(places(order), left.copy(), left.copy())
        found = near.find(documents.parts, documents.text_bytes, keys, roles, config.near, scratch, earlier)
        lost.append(_lost(stage, found, left, "near"))
    training = np.asarray(pc.equal(split.assign(documents.doc_ids, documents.hosts, recipe.split), "train"))
    lost.append(_lost(stage, _overlaps(stage, held_out, alike, training, left), left, "overlap"))
    for kind, shared in _shared(stage, training, left).items():
        lost.append(_lost(stage, shared, left, kind))
    return Deduplicated(_follow_copies(pa.concat_tables(lost)), keys)


def _copies(stage: _Stage, order: Rows) -> Twins:
    """Documents of one text: each but the first, for the first."""
    digests, first = stage.documents.digests, len(order)
    twins = np.full(len(order), -1, np.int64)
    for corpus in stage.earlier:
        asking = np.flatnonzero(twins < 0)
        copies = corpus.copies(digests[asking])
        twins[asking[copies >= 0]] = copies[copies >= 0] + first
        first += corpus.size
    older = order[twins[order] >= 0]
    later, firsts = exact.copies(digests, order[twins[order] < 0])
    rows = np.concatenate([older, later])
    return Twins(rows, np.concatenate([twins[older], firsts]), np.ones(len(rows)))


def _alike(recipe: Recipe) -> NearConfig:
    """When a training document is too like a held-out one."""
    return recipe.dedup.signing.model_copy(update={"similarity": recipe.split.max_similarity, "bands": None, "rows": None})


def _overlaps(stage: _Stage, keys: Keys, alike: NearConfig, training: Flags, left: Flags) -> Twins:
    """Training documents too like a held-out one."""
    documents = stage.documents
    order = precedence(documents.doc_ids, training.astype(np.int64))
    roles = Roles(places(order), training & left, ~training & left)
    return near.find(documents.parts, documents.text_bytes, keys, roles, alike, stage.scratch)


def _shared(stage: _Stage, training: Flags, left: Flags) -> dict[str, Twins]:
    """By kind, training documents that share too much with a held-out one, and which signatures did not tell."""
    documents, config = stage.documents, stage.recipe.split
    alike = containment.Alike(config.max_similarity, config.max_containment)
    own = (documents.doc_ids, documents.text_bytes, training & left, ~training & left)
    found = containment.find(documents.parts, *own, stage.recipe.dedup.signing.shingle_words, alike)
    similar = found.similarities >= config.max_similarity
    return {
        "overlap": Twins(found.rows[similar], found.twins[similar], found.similarities[similar]),
        "contained": Twins(found.rows[~similar], found.twins[~similar], found.containments[~similar]),
    }


def _lost(stage: _Stage, found: Twins, left: Flags, kind: str) -> pa.Table:
    """Rows of `schema.DUPLICATES`; what they drop is taken out of what is `left`."""
    left[found.rows] = False
    kept, names = _named(stage, found.twins)
    columns = [
        stage.documents.doc_ids.take(pa.array(found.rows)),
        pa.ExtensionArray.from_storage(schema.DOC_ID, kept),
        pa.repeat(pa.scalar(kind), len(kept)),
        pa.array(found.similarities),
        names,
    ]
    return pa.table(columns, schema=schema.DUPLICATES)


def _named(stage: _Stage, rows: Rows) -> tuple[pa.Array, pa.Array]:
    """The ids of rows of these documents or of earlier corpora, and the names of those corpora."""
    distinct, places_ = np.unique(rows, return_inverse=True)
    first = len(stage.documents.doc_ids)
    ids = [stage.documents.doc_ids.storage.take(pa.array(distinct[distinct < first]))]
    names = [pa.repeat("", len(ids[0]))]
    for corpus in stage.earlier:
        own = distinct[(distinct >= first) & (distinct < first + corpus.size)] - first
        ids += corpus.doc_ids(own).chunks
        names.append(pa.repeat(corpus.name, len(own)))
        first += corpus.size
    chosen = pa.array(places_)
    return pa.concat_arrays(ids).take(chosen), pa.concat_arrays(names).take(chosen)


def _follow_copies(lost: pa.Table) -> pa.Table:
    """Where the kept one of exact copies was then dropped as a near-duplicate, its copies name what it names: their texts are one."""
    twins = lost["duplicate_of"].combine_chunks().storage
    near_lost = lost.filter(pc.equal(lost["kind"], "near"))
    row = pc.index_in(twins, near_lost["doc_id"].combine_chunks().storage)
    moved = near_lost.take(row).combine_chunks()
    changed = {
        "duplicate_of": pc.coalesce(moved["duplicate_of"].combine_chunks().storage, twins),
        **{name: pc.coalesce(moved[name], lost[name]) for name in ("kind", "similarity", "twin_corpus")},
    }
    columns = [changed.get(name, lost[name]) for name in lost.column_names]
    return pa.table(columns, names=lost.column_names).cast(lost.schema)
