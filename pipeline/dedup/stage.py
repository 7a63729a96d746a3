"""Deduplication as a corpus needs it: copies, then near-duplicates, then training text that is too like something held out.

Each looks at what the one before has left. Documents of earlier corpora come before all others, the oldest first, and stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, split
from pipeline.dedup import containment, exact, near
from pipeline.dedup.config import Same
from pipeline.dedup.containment import HeldOut
from pipeline.dedup.gathered import Gathered
from pipeline.dedup.index import Indexed
from pipeline.dedup.near import Keys, Twins
from pipeline.dedup.parts import numbered
from pipeline.dedup.precedence import Rows, newest_first, precedence, priority
from pipeline.dedup.shingles import Flags
from pipeline.recipe import Recipe


class Deduplicated(NamedTuple):
    """What is dropped, for what, and as what kind of duplicate; and the buckets of all documents."""

    lost: pa.Table  # schema.DUPLICATES
    keys: Keys | None  # where near-duplicates were sought
    held_out: HeldOut  # of these documents


class _Stage(NamedTuple):
    documents: Gathered
    recipe: Recipe
    earlier: Sequence[Indexed]


_COPIES: Mapping[Same, str] = {"url": "url", "bytes": "bytes", "text": "exact"}  # the kinds of duplicates, as they are looked for


def deduplicate(documents: Gathered, recipe: Recipe, earlier: Sequence[Indexed], scratch: Path) -> Deduplicated:
    """Find the duplicates among documents, and those of documents of `earlier` corpora; files are made in `scratch`."""
    stage, config = _Stage(documents, recipe, earlier), recipe.dedup
    order, left = precedence(documents.doc_ids, priority(config, documents.known)), np.ones(len(documents.doc_ids), np.bool_)
    lost, keys = [schema.empty(schema.DUPLICATES)], None
    for same, kind in _COPIES.items():
        if config.exact and same in config.exact.by:
            first = newest_first(documents.known, order) if (same, config.exact.url_keeps) == ("url", "newest") else order
            lost.append(_lost(stage, _copies(stage, same, first[left[first]]), left, kind))
    if config.near:
        keys = near.band(documents.parts, config.near, scratch)
        found = near.find(documents.parts, documents.text_bytes, keys, order[left[order]], config.near, scratch, earlier)
        lost.append(_lost(stage, found, left, "near"))
    training = np.asarray(pc.equal(split.assign(documents.doc_ids, documents.known["host"], recipe.split), "train"))
    apart = precedence(documents.doc_ids, np.zeros(len(left), np.int64))
    held_out = containment.held_out(documents.parts, apart[(left & ~training)[apart]], config.signing.shingle_words)
    for kind, shared in _shared(stage, training & left, held_out).items():
        lost.append(_lost(stage, shared, left, kind))
    return Deduplicated(_follow(pa.concat_tables(lost)), keys, held_out)


def _copies(stage: _Stage, same: Same, order: Rows) -> Twins:
    """Of the documents in `order`, those that are the same as one of an earlier corpus, or as one before them, for the first such."""
    marks = stage.documents.marks[same]
    order = order[marks.known[order]]
    twins = np.full(len(order), -1, np.int64)
    for first, corpus in numbered(stage.earlier, len(stage.documents.doc_ids)):
        asking = np.flatnonzero(twins < 0)
        copies = corpus.copies(same, marks.digests[order[asking]])
        twins[asking[copies >= 0]] = copies[copies >= 0] + first
    later, firsts = exact.copies(marks.digests, order[twins < 0])
    rows = np.concatenate([order[twins >= 0], later])
    return Twins(rows, np.concatenate([twins[twins >= 0], firsts]), np.full(len(rows), np.nan if same == "url" else 1.0))


def _shared(stage: _Stage, training: Flags, own: HeldOut) -> dict[str, Twins]:
    """By kind, training documents that share too much with a held-out one, of an earlier corpus or of these."""
    documents, config = stage.documents, stage.recipe.split
    alike, words = containment.Alike(config.max_similarity, config.max_containment), stage.recipe.dedup.signing.shingle_words
    earlier = [(first, corpus.held_out) for first, corpus in numbered(stage.earlier, len(documents.doc_ids))]
    rows, sets = zip(*(HeldOut(theirs.rows + first, theirs.sets) for first, theirs in earlier), own, strict=True)
    held_out = HeldOut(np.concatenate(rows), pa.concat_arrays(sets))
    found = containment.find(documents.parts, documents.text_bytes, training, held_out, words, alike)
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
        pa.array(found.similarities, mask=np.isnan(found.similarities)),
        names,
    ]
    return pa.table(columns, schema=schema.DUPLICATES)


def _named(stage: _Stage, rows: Rows) -> tuple[pa.Array, pa.Array]:
    """The ids of rows of these documents or of earlier corpora, and the names of those corpora."""
    distinct, places_ = np.unique(rows, return_inverse=True)
    first = len(stage.documents.doc_ids)
    ids = [stage.documents.doc_ids.storage.take(pa.array(distinct[distinct < first]))]
    names = [pa.repeat("", len(ids[0]))]
    for start, corpus in numbered(stage.earlier, first):
        own = distinct[(distinct >= start) & (distinct < start + corpus.size)] - start
        ids += corpus.doc_ids(own).chunks
        names.append(pa.repeat(corpus.name, len(own)))
    chosen = pa.array(places_)
    return pa.concat_arrays(ids).take(chosen), pa.concat_arrays(names).take(chosen)


def _follow(lost: pa.Table) -> pa.Table:
    """Where the kept one of copies was dropped later on, for another copy or a near one, they name what it names.

    A twin in an earlier corpus stays the twin, though a record of its id be dropped here: it is kept there.
    Copies of a text are as similar to that as it is, and so they are duplicates of its kind. Editions of a page stay that.
    """
    here = pc.equal(lost["twin_corpus"], "").combine_chunks()
    twins = pc.if_else(here, lost["duplicate_of"].combine_chunks().storage, None)
    overlap = pc.is_in(lost["kind"], value_set=pa.array(["overlap", "contained"])).combine_chunks()
    ids = pc.if_else(overlap, None, lost["doc_id"].combine_chunks().storage)
    after = pc.index_in(twins, ids, skip_nulls=True).fill_null(-1).to_numpy()
    last = np.arange(len(lost))
    while len(moved := np.flatnonzero(after[last] >= 0)):
        last[moved] = after[last[moved]]
    named = lost.take(pa.array(last)).combine_chunks()
    edition = pc.equal(lost["kind"], "url")
    kept = {name: pc.if_else(edition, lost[name], named[name]) for name in ("kind", "similarity")}
    columns = [lost["doc_id"] if name == "doc_id" else kept.get(name, named[name]) for name in lost.column_names]
    return pa.table(columns, names=lost.column_names).cast(lost.schema)
