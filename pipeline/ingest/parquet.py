"""Parquet: a row of the table is a record, its columns named by the recipe."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.content_coding import TooLargeError
from pipeline.ingest import footers, pagesizes, tables
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import PIECE_BYTES, Stream, guarded
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 3
USES = ("pyarrow",)
MAX_PAGES_BYTES = 400_000_000  # of pages that Arrow holds unpacked at once; beside them it holds a batch
MAX_BATCH_BYTES = 256_000_000  # that rows read at once can take up at most, a single row apart
MAX_GROUP_ROWS = 1 << 40  # more are not believed: the numbers of rows would be beyond 64 bits


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:  # noqa: ARG001  # every reader is asked so
    """Between row groups; none where the footer cannot be read."""
    try:
        footer = opened(stream).metadata
    except tables.DAMAGE:
        return
    held = rows = 0
    for group in range(footer.num_row_groups):
        if held >= every:
            yield Cut(group, rows)
            held = 0
        about = footer.row_group(group)
        held += sum(about.column(i).total_compressed_size for i in range(about.num_columns))
        rows += claimed(about)


def claimed(about: pq.RowGroupMetaData) -> int:
    """The rows that a group says it has; 0 where that is no number of rows."""
    said: int = about.num_rows
    return said if 0 <= said <= MAX_GROUP_ROWS else 0


def opened(stream: Stream) -> pq.ParquetFile:
    """A file to be read in pieces. Raises one of tables.DAMAGE."""
    footers.look(stream)
    return pq.ParquetFile(guarded(stream), buffer_size=PIECE_BYTES)


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each row of the table; `offset` is its number in the file, from 0.

    Where a row group cannot be read on, the rest of it is one row.
    """
    try:
        file = opened(stream)
    except tables.DAMAGE as error:
        yield tables.unreadable(given, 0, str(error))
        return
    number = given.first_row
    for group in range(given.start, file.num_row_groups if given.end is None else given.end):
        yield from _group(file, stream, group, number, given, source)
        number += claimed(file.metadata.row_group(group))


def _group(file: pq.ParquetFile, stream: Stream, group: int, first: int, given: Input, source: Source) -> Iterator[Row]:
    number, found = first, batches(file, stream, group, source)
    fields = tables.mapped(file.schema_arrow, source)
    while True:
        try:
            batch = next(found, None)
        except tables.DAMAGE as error:
            yield _rest(error, file.metadata.row_group(group).num_rows, number - first, f"{given.digest}:group {group}", number)
            return
        if batch is None:
            return
        yield from tables.rows(batch, number, given, source, fields, file.schema_arrow.names)
        number += batch.num_rows


def _rest(error: Exception, said: int, read: int, key: str, number: int) -> Row:
    """What is left of a row group that cannot be read on."""
    if isinstance(error, TooLargeError) and said == 1:
        return Row(f"{key}:unreadable".encode(), number, error="too_big", error_detail=str(error))
    why = f"{read:,} of the {said:,} rows that a row group says it has could be read: {error}"
    return Row(f"{key}:unreadable".encode(), number, error="unreadable", error_detail=why)


def batches(file: pq.ParquetFile, stream: Stream, group: int, source: Source) -> Iterator[pa.RecordBatch]:
    """All rows of a group, of the columns that the source maps.

    Raises one of tables.DAMAGE where there are fewer than the footer says, and TooLargeError before more would be unpacked at
    once than MAX_PAGES_BYTES.
    """
    about = file.metadata.row_group(group)
    if about.num_rows != claimed(about):
        raise ValueError("no number of rows")
    paths = [field.names for field in tables.mapped(file.schema_arrow, source).values() if field.read] or [_least(file, about)]
    chunks = [about.column(i) for i in range(about.num_columns) if any(_leads(path, about.column(i).path_in_schema) for path in paths)]
    pages = [pagesizes.largest(stream, chunk) for chunk in chunks]
    held = sum(dictionary + data for dictionary, data in pages)
    if held > MAX_PAGES_BYTES:
        raise TooLargeError(f"pages of {held:,} bytes; {MAX_PAGES_BYTES:,} at most are unpacked at once")
    at_once = MAX_BATCH_BYTES // max(1, sum(max(sizes) for sizes in pages))
    average = tables.rows_at_once(sum(chunk.total_uncompressed_size for chunk in chunks), about.num_rows)
    left = about.num_rows
    for batch in file.iter_batches(max(1, min(average, at_once)), [group], [".".join(path) for path in paths]):
        yield batch
        left -= batch.num_rows
    if left:
        raise ValueError("there are no more")


def _leads(path: tuple[str, ...], leaf: str) -> bool:
    name = ".".join(path)
    return leaf == name or leaf.startswith(name + ".")


def _least(file: pq.ParquetFile, about: pq.RowGroupMetaData) -> tuple[str, ...]:
    """The column by which rows are counted where none is mapped: the smallest, rather one without lists."""
    if not about.num_columns:
        raise ValueError("no columns")
    repeats = file.schema
    least = min(range(about.num_columns), key=lambda i: (repeats.column(i).max_repetition_level, about.column(i).total_uncompressed_size))
    return (about.column(least).path_in_schema,)
