"""Proof that nothing was lost: records in = kept + dropped, with the inputs counted by a second path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import recount, schema
from pipeline.ingest.inputs import Input
from pipeline.recipe import Source
from pipeline.store import Manifest, Store


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: what, what was expected, what is there."""

    what: str
    expected: int
    actual: int

    @property
    def holds(self) -> bool:
        """Whether what is there is what was expected."""
        return self.expected == self.actual


def corpus(store: Store, place: str, inputs: list[tuple[Source, Input]]) -> Iterator[Finding]:
    """Every law that a corpus must obey, one finding each. A file that is read in parts is counted once, whole."""
    manifest = _manifest(store, place)
    fates = _read(store, manifest, f"{place}/fates", schema.FATES, ["doc_id", "source", "kept", "rule", "duplicate_of", "twin_corpus"])
    ids = fates["doc_id"].combine_chunks().storage
    for source in dict.fromkeys(source.name for source, _ in inputs):
        files = {(given.root, given.path): (each, given) for each, given in inputs if each.name == source}
        counted = sum(recount.count(each, given) for each, given in files.values())
        yield Finding(f"{source}: records in = fates", counted, pc.sum(pc.equal(fates["source"], source)).as_py() or 0)
    kept = pc.sum(fates["kept"]).as_py() or 0
    dropped = pc.sum(pc.and_(pc.invert(fates["kept"]), pc.is_valid(fates["rule"]))).as_py() or 0
    yield Finding("fates = kept + dropped by a named rule", len(fates), kept + dropped)
    yield Finding("every doc_id stands once", len(fates), pc.count_distinct(ids).as_py())
    documents = _read(store, manifest, f"{place}/documents", schema.DOCUMENTS, ["doc_id"])
    known = pc.is_in(documents["doc_id"].combine_chunks().storage, ids.filter(fates["kept"].combine_chunks()))
    yield Finding("kept = documents", kept, len(documents))
    yield Finding("every document has the fate `kept`", len(documents), pc.sum(known).as_py() or 0)
    # A training document can be the better of two copies and still be left out for its likeness to a held-out one.
    standing = pc.or_(fates["kept"], pc.equal(pc.fill_null(fates["rule"], ""), "split.overlap")).combine_chunks()
    yield _twins(fates.filter(pc.is_null(fates["twin_corpus"])), ids.filter(standing), "every duplicate names a twin that won over it")
    for other in manifest.spec.get("against", ()):
        name = other.split("/")[1]
        theirs = _read(store, _manifest(store, other), f"{other}/documents", schema.DOCUMENTS, ["doc_id"])
        there = theirs["doc_id"].combine_chunks().storage
        yield _twins(fates.filter(pc.equal(fates["twin_corpus"], name)), there, f"every duplicate of a document in {name} names one")


def _twins(fates: pa.Table, standing: pa.Array, law: str) -> Finding:
    twins = fates["duplicate_of"].combine_chunks().storage.drop_null()
    return Finding(law, len(twins), pc.sum(pc.is_in(twins, standing)).as_py() or 0)


def _manifest(store: Store, place: str) -> Manifest:
    manifest = store.manifest(place)
    if manifest is None:
        raise FileNotFoundError(f"{store.uri(place)}: no finished corpus there")
    return manifest


def _read(store: Store, manifest: Manifest, folder: str, of: pa.Schema, columns: list[str]) -> pa.Table:
    place, _, kind = folder.rpartition("/")
    parts = [store.table(f"{place}/{path}", columns) for path in manifest.paths(kind)]
    return pa.concat_tables([schema.empty(of).select(columns), *parts])
