"""Lines cut out of texts: which bytes go with them, and what is left.

What is left reads as if the lines had never stood there: a cut line takes its line break with it, and of the blank lines
before and behind it only the first run of them stays. Nothing blank is left at an end of the text where lines were cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import Kinds, kinds
from pipeline.kernels.lines import LineTable, Places, strip_left
from pipeline.kernels.phrases import Room, copy
from pipeline.kernels.strings import Bytes, Counts, strings

Marks = npt.NDArray[np.uint8]


class Spans(NamedTuple):
    """What goes, a span for each cut line, in order: bytes of its row's text, half open. No two overlap."""

    rows: Counts
    starts: Counts
    ends: Counts


@kernel
def _is_blank(data: Bytes, start: int, end: int, kinds: Kinds) -> bool:
    return strip_left(data, start, end, kinds) == end


@kernel
def _spans(
    offsets: Counts, data: Bytes, kinds: Kinds, row_offsets: Counts, line_starts: Places, line_ends: Places, marks: Marks,
    rows: Counts, starts: Counts, ends: Counts,
) -> None:  # fmt: skip
    span = 0
    for row in range(len(row_offsets) - 1):
        base, first, last = offsets[row], row_offsets[row], row_offsets[row + 1]
        line = first
        while line < last:
            # A run of lines that are cut or blank: from `begin` on, the cut ones from `cut` to `final`, up to `line`, which stays.
            begin, cut, final = line, -1, -1
            while line < last and (marks[line] or _is_blank(data, base + line_starts[line], base + line_ends[line], kinds)):
                if marks[line]:
                    cut, final = line if cut < 0 else cut, line
                line += 1
            before = span
            for k in range(max(cut, 0), final + 1):
                if marks[k]:
                    rows[span], starts[span] = row, line_starts[k]
                    ends[span - 1] = line_starts[k] if span > before else ends[span - 1]
                    span += 1
            if span > before:
                if begin == first:
                    starts[before] = 0
                elif line == last:
                    starts[before] = line_ends[begin - 1]
                if line == last:
                    ends[span - 1] = offsets[row + 1] - base
                else:
                    ends[span - 1] = line_starts[line if begin < cut or begin == first else final + 1]
            line += 1


def spans(texts: pa.Array, table: LineTable, marks: Marks) -> Spans:
    """The spans of the marked lines of some texts, whose lines are `table`. A blank line must not be marked."""
    offsets, data = strings(texts)
    out = Spans(*np.empty((3, np.count_nonzero(marks)), np.int64))
    _spans(offsets, data, kinds(), table.row_offsets, table.starts, table.ends, marks, *out)
    return out


@kernel
def _without(
    offsets: Counts, data: Bytes, rows: Counts, starts: Counts, ends: Counts, out_offsets: Counts, out: Room
) -> None:  # fmt: skip
    at, span = 0, 0
    out_offsets[0] = 0
    for row in range(len(offsets) - 1):
        done = offsets[row]
        while span < len(rows) and rows[span] == row:
            at = copy(data, done, offsets[row] + starts[span], out, at)
            done = offsets[row] + ends[span]
            span += 1
        at = copy(data, done, offsets[row + 1], out, at)
        out_offsets[row + 1] = at


def without(texts: pa.Array, cut: Spans) -> pa.Array:
    """The texts (`large_string`) without the spans, which are in order of row and place. A null text becomes an empty one."""
    offsets, data = strings(texts)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(texts) + 1, np.int64)
    _without(offsets, data, *cut, out_offsets, out)
    buffers = [None, pa.py_buffer(out_offsets), pa.py_buffer(out[: out_offsets[-1]])]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


@kernel
def _among(
    cut_rows: Counts, cut_starts: Counts, cut_ends: Counts, rows: Counts, starts: Counts, ends: Counts, out_rows: Counts,
    out_starts: Counts, out_ends: Counts, out_of: Counts,
) -> int:  # fmt: skip
    count, k, row, gone = 0, 0, -1, 0
    for span in range(len(rows)):
        if rows[span] != row:
            row, gone = rows[span], 0
            while k < len(cut_rows) and cut_rows[k] < row:
                k += 1
        begin = starts[span]
        while k < len(cut_rows) and cut_rows[k] == row and cut_starts[k] - gone < ends[span]:
            if cut_starts[k] - gone > begin:
                out_rows[count], out_starts[count], out_ends[count], out_of[count] = row, begin + gone, cut_starts[k], span
                count, begin = count + 1, cut_starts[k] - gone
            gone += cut_ends[k] - cut_starts[k]
            k += 1
        out_rows[count], out_starts[count], out_ends[count], out_of[count] = row, begin + gone, ends[span] + gone, span
        count += 1
    return count


def among(cut: Spans, later: Spans) -> tuple[Spans, Counts]:
    """Spans of what a cut has left, as spans of the texts it was made from: one that was cut into is several.

    With each, the number of the span that it is of. Both are in order of row and place.
    """
    out = np.empty((4, len(cut.rows) + len(later.rows)), np.int64)
    count = _among(*cut, *later, *out)
    rows, starts, ends, of = out[:, :count]
    return Spans(rows, starts, ends), of
