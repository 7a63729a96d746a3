"""Parquet footers are parsed in a child process first: some damaged ones end the process that reads them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.confined.child import Answer, Limits
from pipeline.confined.frames import Frame
from pipeline.confined.process import Confined, Terms
from pipeline.ingest.raw import Stream, piece, size_of
from pipeline.ingest.tables import DAMAGE
from pipeline.step import RowError

LIMITS = Limits(cpu_s=30.0, memory_mb=2_000)
_TAIL_BYTES = 8  # the footer's length and the file's last four letters
_MAX_FOOTER_BYTES = 512 << 20

_DAMAGED = "damaged"
_reader = Confined(__name__)


def look(stream: Stream) -> None:
    """Raises ValueError where the footer of a file cannot be read through."""
    size = size_of(stream)
    tail = piece(stream, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < _TAIL_BYTES or not 0 < length <= min(size - _TAIL_BYTES, _MAX_FOOTER_BYTES):
        return  # Arrow says what is wrong with it, and reads no further
    footer = piece(stream, size - _TAIL_BYTES - length, length)
    (answer,) = _reader.answers([Frame({}, footer + tail)], Terms("", LIMITS))
    if isinstance(answer, RowError):
        why = answer.detail if answer.kind == _DAMAGED else "its footer ends the process that reads it"
        raise ValueError(why)  # noqa: TRY004  # of the file's bytes, not of a type


def load(_: str) -> Answer:
    """The child's side: what reads a footer through."""
    return _answer


def _answer(request: Frame) -> Frame | RowError:
    try:
        file = pq.ParquetFile(pa.BufferReader(request.body))
        groups = (file.metadata.row_group(group) for group in range(file.num_row_groups))
        chunks = sum(bool(about.column(column).path_in_schema) for about in groups for column in range(about.num_columns))
    except DAMAGE as error:
        return RowError(_DAMAGED, str(error))
    return Frame({"chunks": chunks})
