"""JSON Lines, plain, gzip or Zstandard: one object a line, its fields named by the recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipeline.ingest import cuts as places
from pipeline.ingest import records
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, Stream, is_packed, unpacked, window
from pipeline.ingest.rows import MAX_LINE_BYTES, Row
from pipeline.recipe import Source

VERSION = 4
USES = ("fastwarc",)


def cuts(stream: Stream, every: int, source: Source) -> Iterator[places.Cut]:  # noqa: ARG001  # every reader is asked so
    """Between lines; a packed file is read from its beginning."""
    opened = window(stream)
    return iter(()) if is_packed(opened) else places.by_lines(opened, every)


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each line; `offset` is the line's number in the file, from 0."""
    number = given.first_row
    opened = unpacked(window(stream, given.start, given.end))
    try:
        while line := opened.readline(MAX_LINE_BYTES):
            size = len(line)
            while not line.endswith(b"\n") and (more := opened.readline(MAX_LINE_BYTES)):
                line, size = more[-1:], size + len(more)
            yield _row(line, size, number, given, source)
            number += 1
    except DAMAGE as error:
        yield Row(f"{given.digest}:{number}:unreadable".encode(), number, error="unreadable", error_detail=str(error))


def _row(line: bytes, size: int, number: int, given: Input, source: Source) -> Row:
    key = f"{given.digest}:{number}".encode()
    if size > len(line):
        return Row(key, number, bytes=size, error="too_big", error_detail=f"a line of more than {MAX_LINE_BYTES} bytes")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(key, number, bytes=size, error="not_json", error_detail=str(error))
    if not isinstance(found, dict):
        return Row(key, number, bytes=size, error="no_text", error_detail="expected an object, with a text")
    return records.row(found, key, number, size, source)
