"""Proof that nothing was lost: records in = kept + dropped, with the inputs counted by a second path.

The second path shares no code with the readers: it steps from WARC header to WARC header, and counts the ends of JSON lines.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.ingest.inputs import Input
from pipeline.recipe import Source
from pipeline.store import Manifest, Store

Opened = gzip.GzipFile | io.BufferedReader
MAX_LINE_BYTES = 1 << 20  # of a WARC header


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


def count(source: Source, given: Input) -> int:
    """The document records of one input, by the second path. A file that cannot be read to its end has one more, which says so."""
    with Store(given.root).open(given.path) as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        opened = gzip.GzipFile(fileobj=stream) if packed else io.BufferedReader(stream)
        counted = _warc_documents(opened) if source.format == "warc" else _lines(opened)
        found = 0
        try:
            for found in counted:  # noqa: B007  # the last one counts
                pass
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return found + 1
        return found


def _lines(stream: Opened) -> Iterator[int]:
    """How many lines have ended, again and again until the last."""
    found, open_line = 0, 0
    while chunk := stream.read1(io.DEFAULT_BUFFER_SIZE):
        found, open_line = found + chunk.count(b"\n"), int(not chunk.endswith(b"\n"))
        yield found
    yield found + open_line


def _warc_documents(stream: Opened) -> Iterator[int]:
    """How many whole response and conversion records have passed (ISO 28500), again and again until the last."""
    found = 0
    while line := stream.readline(MAX_LINE_BYTES):
        if not line.strip():
            continue
        if not line.startswith(b"WARC/"):
            raise EOFError("a record was expected")
        kind, length = _header(stream)
        while length:
            chunk = stream.read(min(length, 1 << 20))
            if not chunk:
                raise EOFError("the file ends inside a record")
            length -= len(chunk)
        found += kind in (b"response", b"conversion")
        yield found


def _header(stream: Opened) -> tuple[bytes, int]:
    """A record's type and the length of its block in bytes."""
    fields = {b"warc-type": b"", b"content-length": b""}
    while line := stream.readline(MAX_LINE_BYTES):
        if line in (b"\r\n", b"\n"):
            length = fields[b"content-length"]
            if not length.isdigit():
                raise EOFError("a Content-Length was expected")
            return fields[b"warc-type"], int(length)
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    raise EOFError("the file ends inside a record's header")


def corpus(store: Store, place: str, inputs: list[tuple[Source, Input]]) -> Iterator[Finding]:
    """Every law that a corpus must obey, one finding each."""
    manifest = store.manifest(place)
    if manifest is None:
        raise FileNotFoundError(f"{store.uri(place)}: no finished corpus there")
    fates = _read(store, manifest, f"{place}/fates", schema.FATES, ["doc_id", "source", "kept", "rule", "duplicate_of"])
    ids = fates["doc_id"].combine_chunks().storage
    for source in dict.fromkeys(source.name for source, _ in inputs):
        counted = sum(count(each, given) for each, given in inputs if each.name == source)
        yield Finding(f"{source}: records in = fates", counted, pc.sum(pc.equal(fates["source"], source)).as_py() or 0)
    kept = pc.sum(fates["kept"]).as_py() or 0
    dropped = pc.sum(pc.and_(pc.invert(fates["kept"]), pc.is_valid(fates["rule"]))).as_py() or 0
    yield Finding("fates = kept + dropped by a named rule", len(fates), kept + dropped)
    yield Finding("every doc_id stands once", len(fates), pc.count_distinct(ids).as_py())
    documents = _read(store, manifest, f"{place}/documents", schema.DOCUMENTS, ["doc_id"])
    known = pc.is_in(documents["doc_id"].combine_chunks().storage, ids.filter(fates["kept"].combine_chunks()))
    yield Finding("kept = documents", kept, len(documents))
    yield Finding("every document has the fate `kept`", len(documents), pc.sum(known).as_py() or 0)
    twins = fates["duplicate_of"].combine_chunks().storage.drop_null()
    # A training document can be the better of two copies and still be left out for its likeness to a held-out one.
    standing = pc.or_(fates["kept"], pc.equal(pc.fill_null(fates["rule"], ""), "split.overlap")).combine_chunks()
    there = pc.is_in(twins, ids.filter(standing))
    yield Finding("every duplicate names a twin that won over it", len(twins), pc.sum(there).as_py() or 0)


def _read(store: Store, manifest: Manifest, folder: str, of: pa.Schema, columns: list[str]) -> pa.Table:
    place, _, kind = folder.rpartition("/")
    parts = [store.table(f"{place}/{path}", columns) for path in manifest.paths(kind)]
    return pa.concat_tables([schema.empty(of).select(columns), *parts])
