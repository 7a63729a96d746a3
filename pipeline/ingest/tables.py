"""Rows of Arrow batches that came from a file which nobody has vouched for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest import records
from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError)  # what Arrow raises at bytes that are not what they say
MAX_ROWS = 64  # at once
MAX_BYTES = 32_000_000  # of rows at once, by their average

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_TEXTS = (pa.types.is_binary, pa.types.is_string, pa.types.is_large_binary, pa.types.is_large_string, pa.types.is_fixed_size_binary)
_VALUES = (pa.types.is_primitive, pa.types.is_decimal, pa.types.is_null, *_TEXTS, pa.types.is_string_view, pa.types.is_binary_view)


class Field(NamedTuple):
    """A value that the source maps: the names of its column and of what it is within that, and its type."""

    names: tuple[str, ...]
    kind: pa.DataType

    @property
    def read(self) -> bool:
        """Whether it can be something that a source maps. Of lists, structs and the like the type alone is told, and nothing read."""
        kind = self.kind
        while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind.value_type
        return any(is_one(kind) for is_one in _VALUES)


Fields = Mapping[str, Field]


def mapped(schema: pa.Schema, source: Source) -> dict[str, Field]:
    """What of a table the source maps, by its name in the recipe; of several columns of one name, the first.

    A column of that very name comes before one within another.
    """
    found = {}
    for name in records.fields(source):
        names = (name,) if name in schema.names else tuple(name.split("."))
        kind = _child(schema, names[0])
        for part in names[1:]:
            kind = _child(kind, part) if kind is not None and pa.types.is_struct(kind) else None
        if kind is not None:
            found[name] = Field(names, kind)
    return found


def _child(outer: pa.Schema | pa.StructType, name: str) -> pa.DataType | None:
    at = outer.names.index(name) if name in outer.names else None
    return None if at is None else outer.field(at).type


def columns(schema: pa.Schema, fields: Fields) -> list[int]:
    """The places of the columns that have to be read."""
    return sorted({schema.names.index(field.names[0]) for field in fields.values() if field.read})


def rows_at_once(bytes_: int, rows: int) -> int:
    """How many rows to take up together, where so many have so many bytes."""
    return max(1, min(MAX_ROWS, MAX_BYTES * rows // max(1, bytes_)))


def rows(batch: pa.RecordBatch, number: int, given: Input, source: Source, fields: Fields, names: Sequence[str]) -> Iterator[Row]:
    """A row for each row of a batch of mapped columns, whose first is the table's row `number`; `names` are all columns."""
    key = f"{given.digest}:{number}".encode()
    try:
        batch.validate(full=True)  # offsets that lead elsewhere, text that is no UTF-8
        found = {name: _within(batch, field.names) for name, field in fields.items() if field.read}
        sizes = sum(map(_sizes, found.values()), np.zeros(batch.num_rows, np.int64))
        total = int(sizes.sum())
        whole = {name: _python(values) for name, values in found.items()} if total <= MAX_PAYLOAD_BYTES else None
    except DAMAGE as error:
        if batch.num_rows == 1:
            yield Row(key, number, bytes=0, error="undecodable", error_detail=str(error))
            return
        whole = None
    if whole is None and batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from rows(batch.slice(0, half), number, given, source, fields, names)
        yield from rows(batch.slice(half), number + half, given, source, fields, names)
        return
    if whole is None:
        yield Row(key, number, bytes=total, error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
        return
    kinds = {name: field.kind for name, field in fields.items() if not field.read}
    for row, size in enumerate(sizes.tolist()):
        record = {**kinds, **{name: values[row] for name, values in whole.items()}}
        yield records.row(record, f"{given.digest}:{number + row}".encode(), number + row, size, source, names)


def _within(batch: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    values = batch.column(batch.schema.names.index(names[0]))
    for name in names[1:]:
        values = pc.struct_field(values, [values.type.names.index(name)])
    return values


def _sizes(values: pa.Array) -> np.ndarray:
    """Bytes of each text; of what is none, 0."""
    if any(is_one(values.type) for is_one in _TEXTS):
        return pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_primitive(values.type):
        return np.zeros(len(values), np.int64)
    return np.fromiter(map(_length, values), np.int64, len(values))


def _length(value: pa.Scalar) -> int:
    while value.is_valid and isinstance(value, pa.DictionaryScalar | pa.RunEndEncodedScalar | pa.ExtensionScalar):
        value = value.value
    return value.as_buffer().size if value.is_valid and isinstance(value, pa.BinaryScalar) else 0


def _python(values: pa.Array) -> list[Any]:
    """Values as Python has them; of a time beyond its calendar, None. Of a zone only the name is not known: the values are in UTC."""
    kind = values.type
    if pa.types.is_dictionary(kind) and pa.types.is_temporal(kind.value_type):
        return _python(values.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return [_time(count, _A_SECOND[kind.unit]) for count in values.view(pa.int64()).to_pylist()]
    if pa.types.is_date32(kind):
        return [_time(days and days * 86_400, 1) for days in values.view(pa.int32()).to_pylist()]
    if pa.types.is_date64(kind):
        return [_time(count, 1_000) for count in values.view(pa.int64()).to_pylist()]
    if pa.types.is_temporal(kind):  # an hour, a duration: no date
        return [None] * len(values)
    found: list[Any] = values.to_pylist()
    return found


def _time(count: int | None, a_second: int) -> datetime | None:
    try:
        return None if count is None else _EPOCH + timedelta(microseconds=count * 1_000_000 // a_second)
    except OverflowError:
        return None


def unreadable(given: Input, number: int, why: str) -> Row:
    """The fate of a row, or of a file's end, that cannot be read."""
    return Row(f"{given.digest}:{number}:unreadable".encode(), number, error="unreadable", error_detail=why)
