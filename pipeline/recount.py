"""How many records a raw file holds, by a second path that shares no code with the readers.

It steps from WARC header to WARC header, counts the ends of lines, and reads the footers of tables.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import Frames
from pipeline.recipe import Source
from pipeline.store import Store

_MAX_LINE_BYTES = 1 << 20  # of a WARC header
_PIECE_BYTES = 1 << 20
_BROKEN = (OSError, EOFError, ValueError, zlib.error, pa.ArrowException)


def count(source: Source, given: Input) -> int:
    """The records of a whole file, of which `given` may be a part. One that cannot be read to its end has one more, which says so."""
    if given.error is not None:
        return 1
    with Store(given.root).open(given.path) as stream:
        found = 0
        try:
            for found in _COUNTS[source.format](stream):  # noqa: B007  # the last one counts
                pass
        except _BROKEN:
            return found + 1
        return found


def _opened(stream: pa.NativeFile) -> Any:
    """What a raw file holds, unpacked."""
    head = stream.read(4)
    stream.seek(0)
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=stream)
    # Frames are unpacked as the readers do it: what of a damaged one can still be had is not for two to tell.
    return io.BufferedReader(Frames(stream) if head == b"\x28\xb5\x2f\xfd" else stream, _PIECE_BYTES)


def _pieces(stream: Any) -> Iterator[bytes]:
    while piece := stream.read1(_PIECE_BYTES):
        yield piece


def _lines(stream: pa.NativeFile) -> Iterator[int]:
    """How many lines have ended, again and again until the last."""
    found, open_line = 0, 0
    for piece in _pieces(_opened(stream)):
        found, open_line = found + piece.count(b"\n"), int(not piece.endswith(b"\n"))
        yield found
    yield found + open_line


def _quoted_lines(stream: pa.NativeFile) -> Iterator[int]:
    """How many lines have ended outside of quotes, the heading left out."""
    ends, within, open_line = 0, False, False
    for piece in _pieces(_opened(stream)):
        if ends == 0 and not open_line and piece.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
            raise ValueError("16 or 32 bits a character")
        for number, text in enumerate(piece.split(b'"')):
            within ^= number > 0
            if not within:
                ends += text.count(b"\n")
        open_line = within or not piece.endswith(b"\n")
        yield max(0, ends - 1)
    yield max(0, ends + open_line - 1)


def _warc_documents(stream: pa.NativeFile) -> Iterator[int]:
    """How many whole response and conversion records have passed (ISO 28500), again and again until the last.

    A record in a gzip member that turns out damaged is none.
    """
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    members = _Members(stream) if packed else None
    opened = io.BufferedReader(members, _PIECE_BYTES) if members else _opened(stream)
    found, unproven = 0, list[int]()
    try:
        for end in _document_ends(opened):
            found += 1
            unproven = [each for each in (*unproven, end) if members and each > members.proven]
            yield found
    except zlib.error:
        yield found - sum(each > members.proven for each in unproven[-1:]) if members else found
        raise


def _document_ends(opened: Any) -> Iterator[int]:
    """Where, in plain bytes, each document record ends."""
    at = 0
    while line := opened.readline(_MAX_LINE_BYTES):
        at += len(line)
        if not line.strip():
            continue
        if not line.startswith(b"WARC/"):
            raise EOFError("a record was expected")
        kind, length, size = _header(opened)
        at += size + length
        while length:
            chunk = opened.read(min(length, _PIECE_BYTES))
            if not chunk:
                raise EOFError("the file ends inside a record")
            length -= len(chunk)
        if kind in (b"response", b"conversion"):
            yield at


class _Members(io.RawIOBase):
    """What gzip members hold, as one stream; `proven`: the plain bytes whose member has ended with the right checksum."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream, self._data, self._plain, self.proven = stream, b"", 0, 0
        self._member = zlib.decompressobj(wbits=31)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = self._data or self._stream.read(_PIECE_BYTES)
            if self._member.eof:
                self.proven, self._data = self._plain, data
                if not data:
                    return 0
                if self._data:
                    self._member = zlib.decompressobj(wbits=31)
                continue
            plain = self._member.decompress(data, len(buffer))
            self._data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if plain:
                buffer[: len(plain)] = plain
                self._plain += len(plain)
                return len(plain)
            if not data:
                raise EOFError("the file ends inside a gzip member")


def _header(stream: Any) -> tuple[bytes, int, int]:
    """A record's type, the length of its block, and of the rest of its header, in bytes."""
    fields, size = {b"warc-type": b"", b"content-length": b""}, 0
    while line := stream.readline(_MAX_LINE_BYTES):
        size += len(line)
        if line in (b"\r\n", b"\n"):
            length = fields[b"content-length"]
            if not length.isdigit():
                raise EOFError("a Content-Length was expected")
            return fields[b"warc-type"], int(length), size
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    raise EOFError("the file ends inside a record's header")


def _parquet_rows(stream: pa.NativeFile) -> Iterator[int]:
    yield pq.read_metadata(stream).num_rows


def _arrow_rows(stream: pa.NativeFile) -> Iterator[int]:
    """How many rows of whole record batches have passed."""
    found, is_file = 0, stream.read(6) == b"ARROW1"
    stream.seek(0)
    if is_file:
        opened = pa.ipc.open_file(stream)
        batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        batches = iter(pa.ipc.open_stream(stream))
    for batch in batches:
        found += batch.num_rows
        yield found


def _one(stream: pa.NativeFile) -> Iterator[int]:  # noqa: ARG001  # a page is one record, whatever it holds
    yield 1


_COUNTS: dict[str, Callable[[pa.NativeFile], Iterator[int]]] = {
    "warc": _warc_documents,
    "jsonl": _lines,
    "csv": _quoted_lines,
    "parquet": _parquet_rows,
    "arrow": _arrow_rows,
    "pages": _one,
}
