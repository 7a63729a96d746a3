"""What an Arrow message would take up unpacked, read from its head alone (the IPC format's Message.fbs and File.fbs)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from pipeline.ingest.raw import Stream, piece, size_of

_CONTINUED = b"\xff\xff\xff\xff"
_MAX_HEAD_BYTES = 64 << 20
DICTIONARY, _BATCH = 2, 3
_BLOCK = struct.Struct("<qi4xq")  # offset, bytes of the head, bytes of the body
_BUFFER = struct.Struct("<qq")  # offset in the body, bytes
_FOOTER_BYTES = 10  # its length and the magic
_EXPECTED = "a message was expected"


class Message(NamedTuple):
    """A message: what it is, how many rows it says it has, and where its buffers lie in the file; `packed`: one by one."""

    kind: int
    rows: int
    buffers: list[tuple[int, int]]
    packed: bool

    def bytes(self, stream: Stream, first: int = 0, last: int | None = None) -> int:
        """Of some of its buffers, as they are once unpacked."""
        return sum(self._unpacked(stream, at, size) for at, size in self.buffers[first:last])

    def _unpacked(self, stream: Stream, at: int, size: int) -> int:
        head = piece(stream, at, 8) if self.packed and size >= 8 else b""
        if len(head) < 8:
            return size
        (said,) = struct.unpack("<q", head)
        return size if said == -1 else max(0, int(said))  # -1: this one is not packed


def places(kinds: list[pa.DataType]) -> list[int]:
    """The first buffer of each column, and where the last ends."""
    found = [0]
    for kind in kinds:
        found.append(found[-1] + len(pa.nulls(0, kind).buffers()))
    return found


def of_stream(stream: Stream) -> Iterator[Message]:
    """The dictionaries and batches of a stream, one after the other. Raises ValueError where they cannot be read on."""
    at = 0
    while found := _message(stream, at):
        told, at = found
        if told.kind in (DICTIONARY, _BATCH):
            yield told


def of_file(stream: Stream) -> tuple[list[int], list[int]]:
    """The places of the dictionaries and of the batches that the footer of a file names. Raises ValueError where it cannot be read."""
    size = size_of(stream)
    try:
        (length,) = struct.unpack_from("<i", piece(stream, size - _FOOTER_BYTES, 4))
        data = piece(stream, size - _FOOTER_BYTES - length, length)
        footer = _Table(data, _number(data, 0, "<I"))
        dictionaries, batches = ([offset for offset, _, _ in footer.structs(field, _BLOCK)] for field in (2, 3))
    except struct.error as error:
        raise ValueError("a footer was expected") from error
    return dictionaries, batches


def message(stream: Stream, at: int) -> Message:
    """The message at a place of a file. Raises ValueError where there is none."""
    found = _message(stream, at)
    if found is None:
        raise ValueError(_EXPECTED)
    return found[0]


def _message(stream: Stream, at: int) -> tuple[Message, int] | None:
    """The message at a place, and where the next one is; None at the end."""
    try:
        return _parsed(stream, at)
    except struct.error as error:
        raise ValueError(_EXPECTED) from error


def _parsed(stream: Stream, at: int) -> tuple[Message, int] | None:
    prefix = piece(stream, at, 8)
    if prefix.startswith(_CONTINUED):
        prefix, at = prefix[4:], at + 4  # files of before 2019 have none
    if len(prefix) < 4 or not (size := _number(prefix, 0, "<i")):
        return None
    if not 0 < size <= _MAX_HEAD_BYTES:
        raise ValueError(_EXPECTED)
    data, body = piece(stream, at + 4, size), at + 4 + size
    table = _Table(data, _number(data, 0, "<I"))
    kind, length = table.number(1, "<B"), table.number(3, "<q")
    if not 0 <= length <= size_of(stream) - body:
        raise ValueError("the file ends inside a message")
    header = table.table(2)
    batch = header.table(1) if kind == DICTIONARY and header else header
    if kind not in (DICTIONARY, _BATCH) or batch is None:
        return Message(kind, 0, [], packed=False), body + length
    buffers = [(body + offset, size) for offset, size in batch.structs(2, _BUFFER)]
    return Message(kind, batch.number(0, "<q"), buffers, packed=batch.table(3) is not None), body + length


class _Table:
    """A table of FlatBuffers. Raises struct.error where it lies beyond its bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - _number(data, at, "<i")
        self._size = _number(data, self._fields, "<H")

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        offset = _number(self._data, self._fields + entry, "<H") if entry < self._size else 0
        return self._at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        at = self._place(field)
        return 0 if at is None else _number(self._data, at, form)

    def table(self, field: int) -> _Table | None:
        at = self._place(field)
        return None if at is None else _Table(self._data, at + _number(self._data, at, "<I"))

    def structs(self, field: int, form: struct.Struct) -> list[tuple[int, ...]]:
        at = self._place(field)
        if at is None:
            return []
        at += _number(self._data, at, "<I")
        return [form.unpack_from(self._data, at + 4 + number * form.size) for number in range(_number(self._data, at, "<I"))]


def _number(data: bytes, at: int, form: str) -> int:
    if at < 0:
        raise struct.error("before the beginning")
    (found,) = struct.unpack_from(form, data, at)
    return int(found)
