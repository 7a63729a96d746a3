"""Arrow IPC, as a file or a stream (as Hugging Face datasets keep it): a row of the table is a record."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipeline.ingest import tables
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import Stream, guarded
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 3
USES = ("pyarrow",)
_MAGIC = b"ARROW1"


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:  # noqa: ARG001  # every reader is asked so
    """Between the record batches of a file, taken as equally large; a stream is read from its beginning."""
    opened = guarded(stream)
    size = opened.size()
    if opened.read(len(_MAGIC)) != _MAGIC:
        return
    try:
        reader = pa.ipc.open_file(opened)
        step, row = max(1, reader.num_record_batches * every // size), 0
        for number in range(reader.num_record_batches):
            if number and number % step == 0:
                yield Cut(number, row)
            row += reader.get_batch(number).num_rows
    except tables.DAMAGE:
        return


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each row of the table; `offset` is its number in the file, from 0. Damage ends a file in one row more."""
    number, batches = given.first_row, _batches(stream, given)
    while True:
        try:
            batch = next(batches, None)
        except tables.DAMAGE as error:
            yield tables.unreadable(given, number, str(error))
            return
        if batch is None:
            return
        fields = tables.mapped(batch.schema, source)
        chosen = batch.select(tables.columns(batch.schema, fields))
        step = tables.rows_at_once(chosen.nbytes, chosen.num_rows)
        for start in range(0, batch.num_rows, step):
            yield from tables.rows(chosen.slice(start, step), number + start, given, source, fields, batch.schema.names)
        number += batch.num_rows


def _batches(stream: Stream, given: Input) -> Iterator[pa.RecordBatch]:
    opened = guarded(stream)
    if opened.read(len(_MAGIC)) != _MAGIC:
        opened.seek(0)
        yield from pa.ipc.open_stream(opened)
        return
    reader = pa.ipc.open_file(opened)
    for number in range(given.start, reader.num_record_batches if given.end is None else given.end):
        yield reader.get_batch(number)
