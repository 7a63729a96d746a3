"""Arrow IPC, as a file or a stream (as Hugging Face datasets keep it): a row of the table is a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from pipeline.content_coding import TooLargeError
from pipeline.ingest import batchsizes, tables
from pipeline.ingest.batchsizes import Message
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import Stream, guarded, piece
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 4
USES = ("pyarrow",)
MAX_UNPACKED_BYTES = 600_000_000  # of a batch's mapped columns and all dictionaries, where they are packed
MAX_BARE_ROWS = 1 << 20  # of a batch that has not a bit a row
MAX_SKIPPED_ROWS = 1 << 40  # more are not believed: the numbers of rows would be beyond 64 bits
_MAGIC = b"ARROW1"


class TooLarge(NamedTuple):
    """A batch of a file that is not unpacked, and why; what follows is read all the same."""

    num_rows: int
    why: str


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:
    """Between the record batches of a file, taken as equally large; a stream is read from its beginning."""
    opened = guarded(stream)
    size = opened.size()
    if opened.read(len(_MAGIC)) != _MAGIC:
        return
    try:
        step, row = max(1, pa.ipc.open_file(opened).num_record_batches * every // size), 0
        for number, (_, batch) in enumerate(batches(stream, source)):
            if number and number % step == 0:
                yield Cut(number, row)
            row += batch.num_rows
    except tables.DAMAGE:
        return


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:
    """A row for each row of the table; `offset` is its number in the file, from 0.

    A batch of a file that is too large is one row; damage, and a batch of a stream that is too large, end it in one row more.
    """
    number, found = given.first_row, batches(stream, source, given.start, given.end)
    while True:
        try:
            one = next(found, None)
        except tables.DAMAGE as error:
            yield tables.unreadable(given, number, str(error))
            return
        if one is None:
            return
        whole, batch = one
        if isinstance(batch, TooLarge):
            yield tables.unreadable(given, number, batch.why)
            number += batch.num_rows
            continue
        fields = tables.mapped(whole, source)
        step = tables.rows_at_once(batch.get_total_buffer_size(), batch.num_rows)  # `nbytes` follows offsets, wherever they lead
        for start in range(0, batch.num_rows, step):
            yield from tables.rows(batch.slice(start, step), number + start, given, source, fields, whole.names)
        number += batch.num_rows


def batches(
    stream: Stream, source: Source, start: int = 0, end: int | None = None
) -> Iterator[tuple[pa.Schema, pa.RecordBatch | TooLarge]]:
    """The record batches, of a file those from `start` to `end`: the schema, and of its columns those that the source maps.

    Raises one of tables.DAMAGE, of them TooLargeError before more would be unpacked at once than MAX_UNPACKED_BYTES, where
    nothing that follows could be read without it.
    """
    is_file = piece(stream, 0, len(_MAGIC)) == _MAGIC
    opening = pa.ipc.open_file if is_file else pa.ipc.open_stream
    whole = opening(guarded(stream)).schema
    wanted = tables.columns(whole, tables.mapped(whole, source)) or [0][: len(whole)]
    reader = opening(guarded(stream), options=pa.ipc.IpcReadOptions(included_fields=wanted))
    found = _of_file(stream, reader, start, end) if is_file else batchsizes.of_stream(stream)
    held = 0
    for message in found:
        if message.kind == batchsizes.DICTIONARY:
            held += message.bytes(stream) if message.packed else 0
            _expect_held(held)
            continue
        try:
            _expect_held(held + (_unpacked(stream, message, whole, wanted) if message.packed else 0))
        except TooLargeError as error:
            if not is_file or not 0 < message.rows <= MAX_SKIPPED_ROWS:
                raise TooLargeError(f"from here on nothing was read: {error}") from error
            yield whole, TooLarge(message.rows, f"the {message.rows:,} rows of a batch were not read: {error}")
            start += 1
            continue
        if message.rows > MAX_BARE_ROWS and message.rows > 8 * message.bytes(stream):
            raise ValueError(f"a batch that says it has {message.rows:,} rows, and not a bit of each")
        yield whole, reader.get_batch(start) if is_file else reader.read_next_batch()
        start += 1
    if not is_file and next(iter(reader), None) is not None:
        raise ValueError("batches behind the end of the stream")


def _of_file(stream: Stream, reader: pa.RecordBatchFileReader, start: int, end: int | None) -> Iterator[Message]:
    dictionaries, found = batchsizes.of_file(stream)
    if len(found) != reader.num_record_batches:
        raise ValueError("a footer of other batches was expected")
    return (batchsizes.message(stream, at) for at in [*dictionaries, *found[start:end]])


def _unpacked(stream: Stream, message: Message, whole: pa.Schema, wanted: list[int]) -> int:
    """Bytes of a batch's wanted columns, unpacked; of all where it has other buffers than such columns have."""
    places = batchsizes.places(whole.types)
    if places[-1] != len(message.buffers):
        return message.bytes(stream)
    return sum(message.bytes(stream, places[column], places[column + 1]) for column in wanted)


def _expect_held(bytes_: int) -> None:
    if bytes_ > MAX_UNPACKED_BYTES:
        raise TooLargeError(f"a batch of {bytes_:,} bytes unpacked; {MAX_UNPACKED_BYTES:,} at most are unpacked at once")
