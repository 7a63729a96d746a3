"""Parquet: a row of the table is a record, its columns named by the recipe."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq

from pipeline.ingest import tables
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import PIECE_BYTES, Stream, guarded
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 2
USES = ("pyarrow",)


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:  # noqa: ARG001  # every reader is asked so
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
        file = pq.ParquetFile(guarded(stream), buffer_size=PIECE_BYTES)
    except tables.DAMAGE as error:
        yield tables.unreadable(given, 0, str(error))
        return
    number = given.first_row
    for group in range(given.start, file.num_row_groups if given.end is None else given.end):
        yield from _group(file, group, number, given, source)
        number += file.metadata.row_group(group).num_rows


def _group(file: pq.ParquetFile, group: int, number: int, given: Input, source: Source) -> Iterator[Row]:
    about = file.metadata.row_group(group)
    end, wanted = number + about.num_rows, tables.mapped(file.schema_arrow, source)
    columns = [about.column(i) for i in range(about.num_columns)]
    bytes_ = sum(column.total_uncompressed_size for column in columns if column.path_in_schema.partition(".")[0] in wanted)
    batches = file.iter_batches(tables.rows_at_once(bytes_, about.num_rows), [group], list(wanted))
    while number < end:
        try:
            batch = next(batches, None)
        except tables.DAMAGE as error:
            # The footer says how many rows were here: each has its fate.
            yield from (tables.unreadable(given, lost, str(error)) for lost in range(number, end))
            return
        if batch is None:
            yield from (tables.unreadable(given, lost, "the row group ends before it") for lost in range(number, end))
            return
        chosen = batch.select(list(tables.mapped(batch.schema, source).values()))
        yield from tables.rows(chosen, number, given, source, file.schema_arrow.names)
        number += batch.num_rows
