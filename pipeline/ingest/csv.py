"""Comma- or tab-separated values (RFC 4180), plain, gzip or Zstandard: the first line names the fields."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import BinaryIO

from pipeline import charset
from pipeline.ingest import cuts as places
from pipeline.ingest import records
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, Stream, is_packed, unpacked, window
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

VERSION = 1
USES = charset.USES

_QUOTE = b'"'
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32 LE begins as UTF-16 LE does

csv.field_size_limit(MAX_PAYLOAD_BYTES)


def cuts(stream: Stream, every: int) -> Iterator[places.Cut]:
    """Between rows; a packed file is read from its beginning."""
    opened = window(stream)
    return iter(()) if is_packed(opened) else places.by_lines(opened, every, _QUOTE)


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each line below the first; `offset` is the byte, unpacked, at which it begins."""
    offset = given.start
    try:
        _, heading, _ = next(_lines(unpacked(window(stream)), 0), (0, b"", 0))
        if heading.startswith(_WIDE):
            raise EOFError("16 or 32 bits a character; expected UTF-8, or another charset that holds ASCII as it is")
        columns = _cells(heading.removeprefix(codecs.BOM_UTF8), source)
        for offset, line, size in _lines(unpacked(window(stream, given.start, given.end)), given.start):
            if offset:
                yield _row(line, size, offset, columns, given, source)
    except DAMAGE as error:
        yield Row(f"{given.digest}:{offset}:unreadable".encode(), offset, error="unreadable", error_detail=str(error))
    except csv.Error as error:
        detail = f"the first line: {error}"
        yield Row(f"{given.digest}:{offset}:unreadable".encode(), offset, error="unreadable", error_detail=detail)


def _lines(stream: BinaryIO, at: int) -> Iterator[tuple[int, bytes, int]]:
    """Where a line begins, what it is up to MAX_PAYLOAD_BYTES, and its size; an end of a line between quotes ends none."""
    begin, held, size, quotes = at, list[bytes](), 0, 0
    while piece := stream.readline(MAX_PAYLOAD_BYTES):
        size, quotes = size + len(piece), quotes + piece.count(_QUOTE)
        if size <= MAX_PAYLOAD_BYTES:
            held.append(piece)
        if piece.endswith(b"\n") and quotes % 2 == 0:
            yield begin, b"".join(held), size
            begin, held, size, quotes = begin + size, [], 0, 0
    if size:
        yield begin, b"".join(held), size


def _row(line: bytes, size: int, offset: int, columns: list[str], given: Input, source: Source) -> Row:
    key = f"{given.digest}:{offset}".encode()
    if size > len(line):
        return Row(key, offset, bytes=size, error="too_big", error_detail=f"a line of more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        cells = _cells(line, source)
    except csv.Error as error:
        return Row(key, offset, bytes=size, error="not_csv", error_detail=str(error))
    if len(cells) != len(columns):
        return Row(key, offset, bytes=size, error="not_csv", error_detail=f"{len(cells)} fields; the first line has {len(columns)}")
    return records.row(dict(zip(columns, cells, strict=True)), key, offset, size, source)


def _cells(line: bytes, source: Source) -> list[str]:
    """The fields of a line. Raises csv.Error."""
    text, _, _ = charset.decode(line, None) or (line.decode("utf-8", "replace"), "", "")
    return next(csv.reader([text], delimiter=source.delimiter, strict=True), [])
