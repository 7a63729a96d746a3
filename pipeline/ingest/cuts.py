"""Where a large file may be cut, so that many workers read it at once: never inside a record, the same places every time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.ingest.raw import PIECE_BYTES


class Cut(NamedTuple):
    """A place between two records, in the reader's own terms (bytes, row groups), and the rows before it where they are counted."""

    at: int
    row: int


def by_lines(stream: io.BufferedReader, every: int, quote: bytes = b"") -> Iterator[Cut]:
    """The first end of a line after each `every` bytes. One that stands between quotes ends none (RFC 4180)."""
    at, row, due, quotes = 0, 0, every, 0
    while piece := stream.read(PIECE_BYTES):
        if at + len(piece) < due:
            at, row, quotes = at + len(piece), row + piece.count(b"\n"), quotes + (piece.count(quote) if quote else 0)
            continue
        for line in io.BytesIO(piece):
            at, quotes = at + len(line), quotes + (line.count(quote) if quote else 0)
            if line.endswith(b"\n"):
                row += 1
                if at >= due and quotes % 2 == 0:
                    yield Cut(at, row)
                    due = at + every
