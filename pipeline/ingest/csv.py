"""Comma- or tab-separated values (RFC 4180), plain, gzip or Zstandard: the first line names the fields.

A quote opens a field at its beginning alone; elsewhere it is a quote. A file has one charset.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from pipeline import charset
from pipeline.ingest import records
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, PIECE_BYTES, Stream, is_packed, unpacked, window
from pipeline.ingest.rows import MAX_LINE_BYTES, Row
from pipeline.recipe import Source

VERSION = 4
USES = (*charset.USES, "fastwarc")

_QUOTE = b'"'
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32 LE begins as UTF-16 LE does
_UNREADABLE = (*DAMAGE, csv.Error)

csv.field_size_limit(MAX_LINE_BYTES)


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:
    """Between rows; what is packed, or has no heading that can be read, is read from its beginning."""
    if is_packed(window(stream)):
        return
    due = every
    try:
        _heading(stream, source)
        for offset, _, _ in _lines(window(stream), 0, source):
            if offset >= due:
                yield Cut(offset, 0)
                due = offset + every
    except _UNREADABLE:
        return


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each line below the first; `offset` is the byte, unpacked, at which it begins."""
    offset = given.start
    try:
        columns, encoding = _heading(stream, source)
        for offset, line, size in _lines(unpacked(window(stream, given.start, given.end)), given.start, source):
            if offset:
                yield _row(line, size, offset, columns, encoding, given, source)
    except _UNREADABLE as error:
        yield Row(f"{given.digest}:{offset}:unreadable".encode(), offset, error="unreadable", error_detail=str(error))


def _heading(stream: Stream, source: Source) -> tuple[list[str], str]:
    """The names of the fields, and the file's charset. Raises one of _UNREADABLE."""
    head = _head(unpacked(window(stream)))
    if head.startswith(_WIDE):
        raise EOFError("16 or 32 bits a character; expected UTF-8, or another charset that holds ASCII as it is")
    encoding = charset.of_table(head)
    _, line, size = next(_lines(unpacked(window(stream)), 0, source), (0, b"", 0))
    if size > MAX_LINE_BYTES:
        raise EOFError(f"a heading of more than {MAX_LINE_BYTES} bytes")
    return _cells(line.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace"), source), encoding


def _head(opened: io.BufferedReader) -> bytes:
    """A file's first PIECE_BYTES, or what of them precedes its damage."""
    held = b""
    try:
        while len(held) < PIECE_BYTES and (piece := opened.read1(PIECE_BYTES)):
            held += piece
    except DAMAGE:
        if not held:
            raise
    return held[:PIECE_BYTES]


def _lines(stream: BinaryIO, at: int, source: Source) -> Iterator[tuple[int, bytes, int]]:
    """Where a line begins, what it is up to MAX_LINE_BYTES, and its size; an end of a line within quotes ends none."""
    begin, held, size, quoted, opens = at, list[bytes](), 0, False, True
    delimiter = source.delimiter.encode()
    while piece := stream.readline(MAX_LINE_BYTES):
        quoted, opens = _ends_quoted(piece, delimiter, quoted=quoted, opens=opens or not size)
        size += len(piece)
        if size <= MAX_LINE_BYTES:
            held.append(piece)
        if piece.endswith(b"\n") and not quoted:
            yield begin, b"".join(held), size
            begin, held, size = begin + size, [], 0
    if size:
        yield begin, b"".join(held), size


def _ends_quoted(piece: bytes, delimiter: bytes, *, quoted: bool, opens: bool) -> tuple[bool, bool]:
    """Whether a piece of a line ends within a quoted field, and whether a quote right behind it would be within one.

    `quoted` and `opens` say so of the piece before.
    """
    if not quoted and _QUOTE not in piece:
        return False, piece.endswith(delimiter)
    at, opener = 0, delimiter + _QUOTE
    if not quoted:
        first = piece.find(opener)
        if opens and piece.startswith(_QUOTE):
            at = 1
        elif first < 0:
            return False, piece.endswith(delimiter)
        else:
            at = first + len(opener)
    while True:
        close = piece.find(_QUOTE, at)
        if close < 0:
            return True, False
        if piece[close + 1 : close + 2] == _QUOTE:
            at = close + 2
            continue
        if close + 1 == len(piece):
            return False, True
        following = piece.find(opener, close + 1)
        if following < 0:
            return False, piece.endswith(delimiter)
        at = following + len(opener)


def _row(line: bytes, size: int, offset: int, columns: list[str], encoding: str, given: Input, source: Source) -> Row:
    key = f"{given.digest}:{offset}".encode()
    if size > len(line):
        return Row(key, offset, bytes=size, error="too_big", error_detail=f"a line of more than {MAX_LINE_BYTES} bytes")
    try:
        cells = _cells(line.decode(encoding), source)
    except UnicodeDecodeError as error:
        return Row(key, offset, bytes=size, error="undecodable", error_detail=str(error))
    except csv.Error as error:
        return Row(key, offset, bytes=size, error="not_csv", error_detail=str(error))
    if len(cells) != len(columns):
        return Row(key, offset, bytes=size, error="not_csv", error_detail=f"{len(cells)} fields; the first line has {len(columns)}")
    return records.row(dict(zip(columns, cells, strict=True)), key, offset, size, source)


def _cells(line: str, source: Source) -> list[str]:
    """The fields of a line. Raises csv.Error."""
    return next(csv.reader([line], delimiter=source.delimiter, strict=True), [])
