"""Parquet: a row of the table is a record, its columns named by the recipe."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest import records, tables
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import Stream, guarded
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 1
USES = ("pyarrow",)
_ROWS = 64  # at once: a row may hold a whole page


def cuts(stream: Stream, every: int) -> Iterator[Cut]:
    """Between row groups; none where the footer cannot be read."""
    try:
        footer = pq.ParquetFile(guarded(stream)).metadata
    except tables.DAMAGE:
        return
    held = rows = 0
    for group in range(footer.num_row_groups):
        if held >= every:
            yield Cut(group, rows)
            held = 0
        about = footer.row_group(group)
        held += sum(about.column(i).total_compressed_size for i in range(about.num_columns))
        rows += about.num_rows


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each row of the table; `offset` is its number in the file, from 0."""
    try:
        file = pq.ParquetFile(guarded(stream))
    except tables.DAMAGE as error:
        yield tables.unreadable(given, 0, str(error))
        return
    number = given.first_row
    wanted = [name for name in records.fields(source) if _is_there(file.schema_arrow, name)]
    for group in range(given.start, file.num_row_groups if given.end is None else given.end):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for batch in file.iter_batches(_ROWS, [group], wanted):
                yield from tables.rows(batch, number, given, source)
                number += batch.num_rows
        except tables.DAMAGE as error:
            # The footer says how many rows were here: each has its fate.
            yield from (tables.unreadable(given, lost, str(error)) for lost in range(number, end))
        number = end


def _is_there(schema: pa.Schema, name: str) -> bool:
    return name in schema.names or name.partition(".")[0] in schema.names
