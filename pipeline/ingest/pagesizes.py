"""How large the pages of a Parquet column are unpacked, read from their headers alone (Thrift's compact protocol)."""

from __future__ import annotations

import pyarrow.parquet as pq

from pipeline.ingest.raw import Stream, piece

_HEAD_BYTES = 4_096  # read at first
_MAX_HEAD_BYTES = 16 << 20  # as Arrow has it
_DICTIONARY = 2
_MAX_DEPTH = 8
_MAX_SHIFT = 63  # of a number's bits
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}  # bytes of the types that always have as many
_NUMBERS, _BINARY, _LISTS, _MAP, _STRUCT = (4, 5, 6), 8, (9, 10), 11, 12


def largest(stream: Stream, chunk: pq.ColumnChunkMetaData) -> tuple[int, int]:
    """Bytes of the largest dictionary and of the largest page of values, as far as there are headers that can be read."""
    at, dictionary, data = chunk.data_page_offset, 0, 0
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    while 0 < at < end:
        try:
            size, (kind, unpacked, packed) = _header(stream, at, end)
        except (IndexError, KeyError):  # Arrow can read no further either
            break
        if kind == _DICTIONARY:
            dictionary = max(dictionary, unpacked)
        else:
            data = max(data, unpacked)
        at += size + max(0, packed)
    return dictionary, data


def _header(stream: Stream, at: int, end: int) -> tuple[int, tuple[int, int, int]]:
    """The size of a header, and what it says: the page's type, its bytes unpacked and packed. Raises IndexError, KeyError."""
    wanted = _HEAD_BYTES
    while True:
        data = piece(stream, at, min(wanted, end - at))
        try:
            numbers, size = _struct(data, 0, 0)
        except IndexError:
            if wanted >= _MAX_HEAD_BYTES or len(data) < wanted:
                raise
            wanted *= 4
            continue
        return size, (numbers[1], numbers[2], numbers[3])


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, int], int]:
    """The numbers of a struct by their fields, and where it ends."""
    numbers, field = {}, 0
    while head := data[at]:
        at, kind = at + 1, head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(data, at)
        if kind in _NUMBERS:
            numbers[field], at = _zigzag(data, at)
        else:
            at = _skipped(data, at, kind, depth)
    return numbers, at + 1


def _skipped(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends. Raises KeyError where it is of no type."""
    if depth > _MAX_DEPTH:
        raise KeyError(kind)
    if kind in _NUMBERS:
        return _varint(data, at)[1]
    if kind == _BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind in _LISTS:
        count, of = data[at] >> 4, data[at] & 15
        count, at = _varint(data, at + 1) if count == 15 else (count, at + 1)
        return _elements(data, at, [of] * min(count, len(data)), depth)
    if kind == _MAP:
        count, at = _varint(data, at)
        return _elements(data, at + 1, [data[at] >> 4, data[at] & 15] * min(count, len(data)), depth) if count else at
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)[1]
    return at + _FIXED[kind]


def _elements(data: bytes, at: int, kinds: list[int], depth: int) -> int:
    for kind in kinds:
        at = at + 1 if kind in (1, 2) else _skipped(data, at, kind, depth + 1)  # in a list a Boolean is a byte
        if at > len(data):
            raise IndexError(at)
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        if shift > _MAX_SHIFT:
            raise KeyError("a number of too many bytes")
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
    return value | data[at] << shift, at + 1


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at
