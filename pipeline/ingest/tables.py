"""Rows of Arrow batches that came from a file which nobody has vouched for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline.ingest import records
from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError)  # what Arrow raises at bytes that are not what they say
MAX_ROWS = 64  # at once
MAX_BYTES = 32_000_000  # of rows at once, by their average

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def mapped(schema: pa.Schema, source: Source) -> dict[str, int]:
    """The columns that hold what the source maps, and their places; of several of one name, the first.

    One of that very name comes before one within another.
    """
    found = [name if name in schema.names else name.partition(".")[0] for name in records.fields(source)]
    return {name: schema.names.index(name) for name in found if name in schema.names}


def rows_at_once(bytes_: int, rows: int) -> int:
    """How many rows to take up together, where so many have so many bytes."""
    return max(1, min(MAX_ROWS, MAX_BYTES * rows // max(1, bytes_)))


def rows(batch: pa.RecordBatch, number: int, given: Input, source: Source, names: Sequence[str]) -> Iterator[Row]:
    """A row for each row of a batch of mapped columns, whose first is the table's row `number`; `names` are all columns."""
    try:
        batch.validate(full=True)  # offsets that lead elsewhere, text that is no UTF-8
        found = _records(batch, source)
    except DAMAGE as error:
        if batch.num_rows == 1:
            key = f"{given.digest}:{number}".encode()
            yield Row(key, number, bytes=0, error="undecodable", error_detail=str(error))
            return
        for row in range(batch.num_rows):
            yield from rows(batch.slice(row, 1), number + row, given, source, names)
        return
    for row, record in enumerate(found):
        key, size = f"{given.digest}:{number + row}".encode(), sum(map(_size, record.values()))
        if size > MAX_PAYLOAD_BYTES:
            yield Row(key, number + row, bytes=size, error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
        else:
            yield records.row(record, key, number + row, size, source, names)


def _records(batch: pa.RecordBatch, source: Source) -> list[Mapping[str, Any]]:
    names = batch.schema.names
    columns = [_times(batch[name]) if name == source.date_key else batch[name].to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)] if names else [{}] * batch.num_rows


def _times(values: pa.Array) -> list[Any]:
    """Times as Python has them; None for one beyond its calendar. Of a zone only the name is not known: the values are in UTC."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        return [None if count is None else _time(count, _A_SECOND[kind.unit]) for count in values.view(pa.int64()).to_pylist()]
    if pa.types.is_date32(kind):
        return [None if days is None else _time(days * 86_400, 1) for days in values.view(pa.int32()).to_pylist()]
    found: list[Any] = values.to_pylist()
    return found


def _time(count: int, a_second: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=count * 1_000_000 // a_second)
    except OverflowError:
        return None


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0


def unreadable(given: Input, number: int, why: str) -> Row:
    """The fate of a row, or of a file's end, that cannot be read."""
    return Row(f"{given.digest}:{number}:unreadable".encode(), number, error="unreadable", error_detail=why)
