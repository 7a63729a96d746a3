"""The lines of texts, as `str.splitlines` cuts them, and what their edges are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import SPACE, Kinds, kinds
from pipeline.kernels.eight import eight_bytes, plain_first
from pipeline.kernels.recent import kept
from pipeline.kernels.strings import Bytes, Counts, decode, decode_before, strings

BULLET = np.uint8(1)  # begins with a bullet or a hyphen, but for white space
ELLIPSIS = np.uint8(2)  # ends in an ellipsis, one character or three, but for white space

_USUAL_BYTES = 16  # of a line, at least

_BULLET_SIGN, _ELLIPSIS_SIGN = 0x2022, 0x2026

Places = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]


class LineTable(NamedTuple):
    """The lines of row `i` are those from `row_offsets[i]` to `row_offsets[i + 1]`."""

    row_offsets: Counts  # (rows + 1,)
    starts: Places  # (lines,): bytes from the start of the row's text
    ends: Places  # without the line break
    flags: Flags  # BULLET | ELLIPSIS


@kernel
def line_break(data: Bytes, i: int, end: int) -> int:
    """The bytes of the line break at `i`, or 0."""
    c = data[i]
    if 0x1E < c < 0xC2:
        return 0
    if c == 0x0D:
        return 2 if i + 1 < end and data[i + 1] == 0x0A else 1
    if 0x0A <= c <= 0x0C or 0x1C <= c <= 0x1E:
        return 1
    if c == 0xC2:
        return 2 if data[i + 1] == 0x85 else 0
    return 3 if c == 0xE2 and data[i + 1] == 0x80 and data[i + 2] in (0xA8, 0xA9) else 0


@kernel
def to_break(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """The first line break from byte `i` on, or `end`; and the bytes of the break."""
    while i < end:
        if i + 8 <= end:
            plain = plain_first(eight_bytes(data, i))
            i += plain
            if plain == 8:
                continue
        width = line_break(data, i, end)
        if width:
            return i, width
        i += 1
    return i, 0


@kernel
def strip_left(data: Bytes, start: int, end: int, kinds: Kinds) -> int:
    """The first byte from `start` that is no white space, or `end`."""
    i = start
    while i < end:
        point, width = decode(data, i)
        if not kinds[point] & SPACE:
            break
        i += width
    return i


@kernel
def strip_right(data: Bytes, start: int, end: int, kinds: Kinds) -> int:
    """Where `data[start:end]` ends without the white space at its end."""
    i = end
    while i > start:
        point, width = decode_before(data, i)
        if not kinds[point] & SPACE:
            break
        i -= width
    return i


@kernel
def _edges(data: Bytes, start: int, end: int, kinds: Kinds) -> np.uint8:
    begin, stop = strip_left(data, start, end, kinds), strip_right(data, start, end, kinds)
    if begin >= stop:
        return np.uint8(0)
    first, last = decode(data, begin)[0], decode_before(data, stop)[0]
    dots = stop - begin >= 3 and last == ord(".") and data[stop - 2] == ord(".") and data[stop - 3] == ord(".")
    flags = np.uint8(0)
    if first in (_BULLET_SIGN, ord("-")):
        flags |= BULLET
    if dots or last == _ELLIPSIS_SIGN:
        flags |= ELLIPSIS
    return flags


@kernel
def _fill_lines(offsets: Counts, data: Bytes, kinds: Kinds, row_offsets: Counts, starts: Places, ends: Places, flags: Flags) -> bool:
    """Whether there was room for all."""
    line = row_offsets[0] = 0
    for row in range(len(offsets) - 1):
        i, end = offsets[row], offsets[row + 1]
        start = i
        while start < end:
            if line == len(starts):
                return False
            i, width = to_break(data, i, end)
            starts[line], ends[line], flags[line] = start - offsets[row], i - offsets[row], _edges(data, start, i, kinds)
            line += 1
            i += width
            start = i
        row_offsets[row + 1] = line
    return True


@kept
def lines(array: pa.Array) -> LineTable:
    """The lines of each string; an empty or null one has none.

    The last answer of each thread is kept.
    """
    offsets, data = strings(array)
    row_offsets = np.empty(len(array) + 1, np.int64)
    most = int(offsets[-1] - offsets[0])
    for room in (most // _USUAL_BYTES, most):
        starts, ends, flags = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint8)
        if _fill_lines(offsets, data, kinds(), row_offsets, starts, ends, flags):
            break
    count = int(row_offsets[-1])
    return LineTable(row_offsets, starts[:count], ends[:count], flags[:count])
