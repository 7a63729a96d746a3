"""Proof that nothing was lost: records in = kept + dropped, with the inputs counted by a second path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import recount, schema
from pipeline.crawl.manifest import MANIFEST
from pipeline.ingest import files, inputs
from pipeline.ingest.inputs import Closed, Input
from pipeline.recipe import Source
from pipeline.store import Manifest, Store


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: what, what was expected, what is there."""

    what: str
    expected: int | str
    actual: int | str

    @property
    def holds(self) -> bool:
        """Whether what is there is what was expected."""
        return self.expected == self.actual


def corpus(store: Store, place: str, given: list[tuple[Source, Input]]) -> Iterator[Finding]:
    """Every law that a corpus must obey, one finding each. A file that is read in parts is counted once, whole."""
    manifest = _manifest(store, place)
    fates = _read(store, manifest, f"{place}/fates", schema.FATES, ["doc_id", "source", "kept", "rule", "duplicate_of", "twin_corpus"])
    ids = fates["doc_id"].combine_chunks().storage
    for source in {source.name: source for source, _ in given}.values():
        yield from _records(store, source, [each for of, each in given if of.name == source.name], fates)
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


def _records(store: Store, source: Source, given: list[Input], fates: pa.Table) -> Iterator[Finding]:
    """Whether each of a source's records has a fate, and whether its raw files are what they were."""
    whole = {(each.root, each.path): each for each in given}
    counted = {place: recount.count(source, each) for place, each in whole.items()}
    if not source.files:
        yield from _as_closed(store, source, {path: count for (_, path), count in counted.items()})
    there = pc.sum(pc.equal(fates["source"], source.name)).as_py() or 0
    yield Finding(f"{source.name}: records in = fates", sum(counted.values()), there)


def _as_closed(store: Store, source: Source, counted: Mapping[str, int]) -> Iterator[Finding]:
    """Whether a crawl's raw files are as it closed them: how many are, and of each that is not, in what."""
    told = inputs.closed(store, source)
    broken = [finding for each in told if not (finding := _file(store, source, each, counted)).holds]
    yield from broken
    yield Finding(f"{source.name}: raw files as {MANIFEST} lists them", len(told), len(told) - len(broken))


def _file(store: Store, source: Source, told: Closed, counted: Mapping[str, int]) -> Finding:
    """The first thing in which a raw file is not as its crawl closed it, or else the last in which it is."""
    what = f"{source.name}: {told.path}"
    there = store.fs.get_file_info(store.path(told.path))
    if not there.is_file or there.size != told.bytes:
        return Finding(f"{what}: bytes", told.bytes, there.size if there.is_file else "no such file")
    with store.open(told.path) as stream:
        sha256 = files.digest(stream)
    if sha256 != told.sha256 or told.records is None:
        return Finding(f"{what}: SHA-256", told.sha256, sha256)
    return Finding(f"{what}: records", told.records, counted[told.path])


def _read(store: Store, manifest: Manifest, folder: str, of: pa.Schema, columns: list[str]) -> pa.Table:
    place, _, kind = folder.rpartition("/")
    parts = [store.table(f"{place}/{path}", columns) for path in manifest.paths(kind)]
    return pa.concat_tables([schema.empty(of).select(columns), *parts])
