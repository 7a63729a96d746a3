"""Rows of Arrow batches that came from a file which nobody has vouched for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipeline.ingest import records
from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

DAMAGE = (pa.ArrowException, OSError, ValueError)  # what Arrow raises at bytes that are not what they say


def rows(batch: pa.RecordBatch, number: int, given: Input, source: Source) -> Iterator[Row]:
    """A row for each row of a batch, whose first is the table's row `number`."""
    sizes = batch.nbytes // max(1, batch.num_rows)
    for row in range(batch.num_rows):
        one = batch.slice(row, 1)
        key = f"{given.digest}:{number + row}".encode()
        try:
            one.validate(full=True)  # offsets that lead elsewhere, text that is no UTF-8
        except pa.ArrowInvalid as error:
            yield Row(key, number + row, bytes=sizes, error="undecodable", error_detail=str(error))
            continue
        size = one.nbytes
        if size > MAX_PAYLOAD_BYTES:
            yield Row(key, number + row, bytes=size, error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
            continue
        yield records.row(one.to_pylist()[0], key, number + row, size, source)


def unreadable(given: Input, number: int, why: str) -> Row:
    """The fate of a row, or of a file's end, that cannot be read."""
    return Row(f"{given.digest}:{number}:unreadable".encode(), number, error="unreadable", error_detail=why)
