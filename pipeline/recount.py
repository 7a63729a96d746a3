"""How many records a raw file holds, by a second path that shares no code with the readers, three things apart: how Zstandard is
unpacked, where a damaged table ends, and which batches of an Arrow file may be read at all.

It steps from WARC header to WARC header, counts the ends of lines, and reads the footers of tables.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from pipeline.ingest import arrow, parquet, tables
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import Frames
from pipeline.ingest.rows import MAX_LINE_BYTES
from pipeline.recipe import Source
from pipeline.store import Store

_MAX_LINE_BYTES = 1 << 20  # of a WARC header
_PIECE_BYTES = 1 << 20
_PACKED_BYTES = 1 << 16
_HELD_BYTES = 16 << 20
_QUOTES = re.compile(b'"+')
_BROKEN = (OSError, EOFError, ValueError, zlib.error, pa.ArrowException)


def count(source: Source, given: Input) -> int:
    """The records of a whole file, of which `given` may be a part. One that cannot be read to its end has one more, which says so."""
    if given.error is not None:
        return 1
    with Store(given.root).open(given.path) as stream:
        found = 0
        try:
            for found in _COUNTS[source.format](stream, source):  # noqa: B007  # the last one counts
                pass
        except _BROKEN:
            return found + 1
        return found


def _opened(stream: pa.NativeFile) -> io.BufferedReader:
    """What a raw file holds, unpacked."""
    head = stream.read(4)
    stream.seek(0)
    if head[:2] == b"\x1f\x8b":
        return io.BufferedReader(_Pieces(_members(stream)), _PIECE_BYTES)
    # Zstandard is unpacked as the readers do it: what of a damaged frame can still be had is not for two to tell.
    packed = head == b"\x28\xb5\x2f\xfd" or (head[1:] == b"\x2a\x4d\x18" and head[0] >> 4 == 5)
    return io.BufferedReader(Frames(stream) if packed else stream, _PIECE_BYTES)


def _members(stream: pa.NativeFile) -> Iterator[bytes]:
    """What gzip members hold; nothing of one with a wrong checksum, unless it is too large to be held."""
    data = b""
    while data := data or stream.read(_PACKED_BYTES):
        member, held, size = zlib.decompressobj(wbits=31), list[bytes](), 0
        while not member.eof:
            data = data or stream.read(_PACKED_BYTES)
            held.append(member.decompress(data, _PIECE_BYTES))
            if not data and not held[-1]:
                yield b"".join(held)
                raise EOFError("the file ends inside a gzip member")
            data, size = member.unused_data if member.eof else member.unconsumed_tail, size + len(held[-1])
            if size > _HELD_BYTES:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as one stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _pieces(stream: io.BufferedReader) -> Iterator[bytes]:
    while piece := stream.read1(_PIECE_BYTES):
        yield piece


def _lines(stream: pa.NativeFile, source: Source) -> Iterator[int]:  # noqa: ARG001  # every count is asked so
    """How many lines have ended, again and again until the last."""
    found, open_line = 0, 0
    for piece in _pieces(_opened(stream)):
        found, open_line = found + piece.count(b"\n"), int(not piece.endswith(b"\n"))
        yield found
    yield found + open_line


def _quoted_lines(stream: pa.NativeFile, source: Source) -> Iterator[int]:
    """How many rows have ended below the heading, again and again until the last."""
    opened = _opened(stream)
    if opened.peek(4)[:4].startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        raise ValueError("16 or 32 bits a character")
    found, heading, ends = -1, b"", True
    for piece, ends in _row_pieces(opened, source.delimiter.encode()):  # the last one counts
        if found < 0:
            heading += piece
            _expect_heading(heading, source.delimiter, whole=ends)
        found += ends
        yield max(0, found)
    if found < 0:
        _expect_heading(heading, source.delimiter, whole=True)
    yield max(0, found + (not ends))


def _row_pieces(stream: io.BufferedReader, delimiter: bytes) -> Iterator[tuple[bytes, bool]]:
    """Pieces of lines, and whether a row ends with each: none does within a field that a quote at its beginning has opened."""
    quoted, before, goes_on = False, b"\n", False
    while piece := stream.readline(_PIECE_BYTES):
        counts = False
        for quotes in _QUOTES.finditer(piece):
            left = piece[max(0, quotes.start() - len(delimiter)) : quotes.start()] or before
            # Of quotes in a row every other one closes what the one before it opened: two within a field are none.
            counts = quoted or left in (delimiter, b"\n") or (goes_on and not quotes.start())
            quoted ^= counts and len(quotes[0]) % 2 == 1
        ends = piece.endswith(b"\n") and not quoted
        before, goes_on = b"\n" if ends else piece[-len(delimiter) :], counts and piece.endswith(b'"')
        yield piece, ends


def _expect_heading(line: bytes, delimiter: str, *, whole: bool) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("a heading that is too long")
    if not whole:
        return
    try:
        next(csv.reader([line.decode("utf-8-sig", "replace")], delimiter=delimiter, strict=True), None)
    except csv.Error as error:
        raise ValueError("a heading that cannot be read") from error


def _warc_documents(stream: pa.NativeFile, source: Source) -> Iterator[int]:  # noqa: ARG001  # every count is asked so
    """How many whole response and conversion records have passed (ISO 28500), again and again until the last."""
    found, opened = 0, _opened(stream)
    while line := opened.readline(_MAX_LINE_BYTES):
        if not line.strip():
            continue
        if not line.startswith((b"WARC/0.", b"WARC/1.")):
            raise EOFError("a record was expected")
        kind, length = _header(opened)
        while length:
            chunk = opened.read1(min(length, _PIECE_BYTES))
            if not chunk:
                raise EOFError("the file ends inside a record")
            length -= len(chunk)
        found += kind in (b"response", b"conversion")
        yield found


def _header(stream: io.BufferedReader) -> tuple[bytes, int]:
    """A record's type and the length of its block in bytes. A field that is given twice is what it was first."""
    fields: dict[bytes, bytes] = {}
    while line := stream.readline(_MAX_LINE_BYTES):
        if line in (b"\r\n", b"\n"):
            length = fields.get(b"content-length", b"")
            if not length.isdigit():
                raise EOFError("a Content-Length was expected")
            return fields.get(b"warc-type", b"").lower(), int(length)
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if fields.setdefault(name, value) != value and name == b"content-length":
            raise EOFError("one Content-Length was expected")
    raise EOFError("the file ends inside a record's header")


def _parquet_rows(stream: pa.NativeFile, source: Source) -> Iterator[int]:
    """How many rows the footer says have passed; of a group that cannot be read to its end, those that can and one more."""
    file, found = parquet.opened(stream), 0
    for group in range(file.num_row_groups):
        read, wanted = 0, file.metadata.row_group(group).num_rows
        try:
            for batch in parquet.batches(file, stream, group, source):
                read += batch.num_rows
            found += wanted
        except tables.DAMAGE:
            found += read + 1
        yield found


def _arrow_rows(stream: pa.NativeFile, source: Source) -> Iterator[int]:
    """How many rows of record batches have passed; a batch that is too large to be unpacked is one."""
    found = 0
    for _, batch in arrow.batches(stream, source):
        found += 1 if isinstance(batch, arrow.TooLarge) else batch.num_rows
        yield found


def _one(stream: pa.NativeFile, source: Source) -> Iterator[int]:  # noqa: ARG001  # a page is one record, whatever it holds
    yield 1


_COUNTS: dict[str, Callable[[pa.NativeFile, Source], Iterator[int]]] = {
    "warc": _warc_documents,
    "jsonl": _lines,
    "csv": _quoted_lines,
    "parquet": _parquet_rows,
    "arrow": _arrow_rows,
    "pages": _one,
}
