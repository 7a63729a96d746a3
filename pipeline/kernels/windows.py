"""Where a text may hold something worth a closer look: runs of bytes of a class, with enough of the bytes that count.

One pass over the text looks each byte up in a table; only where a byte of interest stands is a run followed to both its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, strings

_USUAL_BYTES = 256  # of a text for each window, at least

Bits = npt.NDArray[np.uint8]


class Class(NamedTuple):
    """A run of `members`; wanted where it has `least` of the bytes `counted` and `least_bytes` of all. `rare` sets off the search."""

    members: bytes
    rare: bytes
    counted: bytes
    least: int
    least_bytes: int


class Classes(NamedTuple):
    """Up to eight classes for the kernel: of each byte, a bit for each class."""

    members: Bits
    rare: Bits
    counted: Bits
    least: Counts
    least_bytes: Counts


class Windows(NamedTuple):
    """Runs, in the order of rows: window `i` is bytes `starts[i]` to `ends[i]` of its row, of class `classes[i]`."""

    rows: Counts
    classes: Counts
    starts: Counts
    ends: Counts


def classes(wanted: Sequence[Class]) -> Classes:
    """Classes for the kernel."""
    members, rare, counted = tables = np.zeros((3, 256), np.uint8)
    for number, each in enumerate(wanted):
        for table, of_class in zip(tables, each[:3], strict=True):
            table[np.frombuffer(of_class, np.uint8)] |= 1 << number
    tables.flags.writeable = False
    return Classes(members, rare, counted, np.array([each.least for each in wanted]), np.array([each.least_bytes for each in wanted]))


@kernel
def _find(
    offsets: Counts, data: Bytes, members: Bits, rare: Bits, counted: Bits, least: Counts, least_bytes: Counts, seen: Counts,
    rows: Counts, kinds: Counts, starts: Counts, ends: Counts,
) -> int:  # fmt: skip
    """How many windows there are; those that there is room for are written."""
    found = 0
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        for kind in range(len(seen)):
            seen[kind] = begin
        for i in range(begin, stop):
            if rare[data[i]] == 0:
                continue
            for kind in range(len(seen)):
                bit = np.uint8(1 << kind)
                # A run is followed once: no byte before `seen` is looked at again.
                if rare[data[i]] & bit == 0 or i < seen[kind]:
                    continue
                start, end, count = i, i, 0
                while start > seen[kind] and members[data[start - 1]] & bit:
                    start -= 1
                    count += counted[data[start]] & bit != 0
                while end < stop and members[data[end]] & bit:
                    count += counted[data[end]] & bit != 0
                    end += 1
                seen[kind] = end
                if count >= least[kind] and end - start >= least_bytes[kind]:
                    if found < len(rows):
                        rows[found], kinds[found], starts[found], ends[found] = row, kind, start - begin, end - begin
                    found += 1
    return found


def windows(array: pa.Array, wanted: Classes) -> Windows:
    """The runs of each class in each string. Runs of one class do not overlap; those of different classes may."""
    offsets, data = strings(array)
    room = int(offsets[-1] - offsets[0]) // _USUAL_BYTES
    while True:
        out = Windows(*np.empty((4, room), np.int64))
        found = _find(offsets, data, *wanted, np.empty(len(wanted.least), np.int64), *out)
        if found <= room:
            return Windows(*(each[:found] for each in out))
        room = found
