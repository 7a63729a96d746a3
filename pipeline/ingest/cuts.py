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


def by_lines(stream: io.BufferedReader, every: int) -> Iterator[Cut]:
    """The first line that begins after each `every` bytes."""
    at, row, due, begins = 0, 0, every, True
    while piece := stream.read(PIECE_BYTES):
        if at + len(piece) < due:
            at, row, begins = at + len(piece), row + piece.count(b"\n"), piece.endswith(b"\n")
            continue
        for line in io.BytesIO(piece):
            if begins and at >= due:
                yield Cut(at, row)
                due = at + every
            begins = line.endswith(b"\n")
            at, row = at + len(line), row + begins
