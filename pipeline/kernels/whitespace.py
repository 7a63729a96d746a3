"""White space in one spelling, and characters that nobody sees taken out: the texts that need it found, and written anew."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import SPACE, kinds
from pipeline.kernels.eight import eight_bytes, signs_first, spaces_in
from pipeline.kernels.phrases import Room, copy, written
from pipeline.kernels.strings import Bytes, Counts, decode, strings

Table = npt.NDArray[np.int64]
Classes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class Count(IntEnum):
    """The columns of what is counted."""

    LINE_ENDS = 0
    BLANK_LINES = 1
    EDGE_SPACES = 2
    SPACE_RUNS = 3
    INVISIBLE = 4
    CONTROL = 5


class Found(NamedTuple):
    """What a look at each text tells."""

    changes: Mask
    uncomposed: Mask  # may not be in composed form; a text with a hostile run of marks is not said to be


# What a character is here.
_PLAIN, _BLANK, _BREAK, _INVISIBLE, _CONTROL = range(5)
_KIND = 7
_MARK = 8  # may combine with what stands before
_UNCOMPOSED = 16  # may be spelled otherwise in composed form

_MAX_MARKS = 30  # in a row, in texts of the Stream-Safe Format (UAX #15, section 13): to put more in order takes the square of the time
_LINE_BREAKS = (*range(0x0A, 0x0E), *range(0x1C, 0x1F), 0x85, 0x2028, 0x2029)  # of `str.splitlines`
_UNSEEN = (0xAD, 0x200B, 0x2060, 0xFEFF)  # soft hyphen, zero-width space, word joiner, byte order mark
_CONTROLS = (*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFD))
_COMPOSABLE_END = 0x30000  # no composed form is of a character from there on
_HANGUL_VOWELS_AND_FINALS = slice(0x1161, 0x11C3)

_LINE_ENDS, _BLANK_LINES, _EDGE_SPACES = int(Count.LINE_ENDS), int(Count.BLANK_LINES), int(Count.EDGE_SPACES)
_SPACE_RUNS, _INVISIBLE_CHARS, _CONTROL_CHARS = int(Count.SPACE_RUNS), int(Count.INVISIBLE), int(Count.CONTROL)


@cache
def _classes() -> Classes:
    """What each code point is, as bits."""
    table = np.zeros(len(kinds()), np.uint8)
    table[list(_CONTROLS)] = _CONTROL
    table[np.flatnonzero(kinds() & SPACE)] = _BLANK
    table[list(_LINE_BREAKS)] = _BREAK
    table[list(_UNSEEN)] = _INVISIBLE
    table[_HANGUL_VOWELS_AND_FINALS] |= _UNCOMPOSED
    for point in range(0x80, _COMPOSABLE_END):
        character = chr(point)
        if unicodedata.combining(character):
            table[point] |= _MARK | _UNCOMPOSED
        parts = unicodedata.decomposition(character)
        if parts and not parts.startswith("<"):
            table[[int(part, 16) for part in parts.split()[1:]]] |= _UNCOMPOSED
            if unicodedata.normalize("NFC", character) != character:
                table[point] |= _UNCOMPOSED
    table.flags.writeable = False
    return table


@cache
def may_be_uncomposed() -> Mask:
    """Of each code point, whether a text with it may be spelled otherwise in composed form (Unicode NFC)."""
    table = _classes() & _UNCOMPOSED != 0
    table.flags.writeable = False
    return table


@kernel
def _after_signs(data: Bytes, i: int, end: int) -> int:
    """The first byte from `i` on that is no visible character of ASCII, or `end`; all of these are plain."""
    while i < end and ord(" ") < data[i] <= ord("~"):
        i += 1
    return i


@kernel
def _look(
    offsets: Counts, data: Bytes, classes: Classes, keep_indentation: bool, max_blank_lines: int, changes: Mask, uncomposed: Mask
) -> None:
    for row in range(len(changes)):
        i, end = offsets[row], offsets[row + 1]
        change, may_compose, marks, most_marks, blank_lines = False, False, 0, 0, 0
        in_line, after_blank = False, False  # whether more than white space stands before in the line; whether some stands right before
        while i < end:
            if in_line and i + 8 <= end:
                eight = eight_bytes(data, i)
                plain = signs_first(eight)
                if plain:
                    left = np.uint64(8 * (8 - plain))
                    spaces = spaces_in(eight) >> left
                    change |= spaces & (spaces >> np.uint64(8)) != 0 or (after_blank and spaces >> np.uint64(8 * plain - 1) != 0)
                    after_blank, marks = spaces & np.uint64(0x80) != 0, 0
                    i += plain
                    continue
            c = data[i]
            if c == ord(" "):
                change |= after_blank if in_line else not keep_indentation
                after_blank, marks = True, 0
                i += 1
            elif c == ord("\n"):
                blank_lines = 0 if in_line else blank_lines + 1
                change |= after_blank or blank_lines > max_blank_lines
                in_line, after_blank, marks = False, False, 0
                i += 1
            elif ord(" ") < c <= ord("~"):
                in_line, after_blank, marks = True, False, 0
                i = _after_signs(data, i, end)
            elif c == ord("\t"):
                change |= in_line or not keep_indentation
                after_blank, marks = True, 0
                i += 1
            else:
                point, width = decode(data, i)
                kind = classes[point]
                change |= kind & _KIND != _PLAIN
                may_compose |= kind & _UNCOMPOSED != 0
                if kind & _MARK:
                    marks += 1
                    most_marks = max(marks, most_marks)
                elif kind & _KIND < _INVISIBLE:  # what will be taken out parts no marks
                    marks = 0
                in_line, after_blank = True, False
                i += width
        changes[row] = change or after_blank
        uncomposed[row] = may_compose and most_marks <= _MAX_MARKS


@kernel
def _clean(
    offsets: Counts, data: Bytes, classes: Classes, keep_indentation: bool, max_blank_lines: int,
    out_offsets: Counts, out: Room, counts: Table,
) -> None:  # fmt: skip
    out_offsets[0] = 0
    for row in range(len(counts)):
        i, end, at = offsets[row], offsets[row + 1], out_offsets[row]
        line, blank_lines, run = at, 0, 0  # where the line begins in `out`; characters of white space right before
        in_line, lone_space, after_return = False, False, False
        while i < end:
            point, width = decode(data, i)
            kind = classes[point] & _KIND
            if kind >= _INVISIBLE:
                counts[row, _INVISIBLE_CHARS if kind == _INVISIBLE else _CONTROL_CHARS] += 1
            elif kind == _BLANK:
                after_return = False
                run += 1
                lone_space = run == 1 and point == ord(" ")
                if not in_line and keep_indentation:
                    at = copy(data, i, i + width, out, at)
            elif kind == _BREAK and after_return and point == ord("\n"):
                after_return = False
            elif kind == _BREAK:
                after_return = point == ord("\r")
                counts[row, _LINE_ENDS] += point != ord("\n")
                counts[row, _EDGE_SPACES] += run
                blank_lines = 0 if in_line else blank_lines + 1
                at = at if in_line else line
                if blank_lines > max_blank_lines:
                    counts[row, _BLANK_LINES] += 1
                else:
                    out[at] = 10
                    at += 1
                line, run, in_line = at, 0, False
            else:
                after_return = False
                if run and in_line:
                    counts[row, _SPACE_RUNS] += not lone_space
                    out[at] = 32
                    at += 1
                elif run and not keep_indentation:
                    counts[row, _EDGE_SPACES] += run
                width = max(width, _after_signs(data, i, end) - i)
                at = copy(data, i, i + width, out, at)
                run, in_line = 0, True
            i += width
        counts[row, _EDGE_SPACES] += run
        out_offsets[row + 1] = at if in_line else line


def look(array: pa.Array, keep_indentation: bool, max_blank_lines: int) -> Found:
    """Which strings `clean` would change, and which it may be worth to compose."""
    changes, uncomposed = np.empty((2, len(array)), np.bool_)
    _look(*strings(array), _classes(), keep_indentation, max_blank_lines, changes, uncomposed)
    return Found(changes, uncomposed)


def clean(array: pa.Array, keep_indentation: bool, max_blank_lines: int) -> tuple[pa.Array, Table]:
    """The strings with their white space in one spelling, and the counts of `Count` for each: (rows, len(Count))."""
    offsets, data = strings(array)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(array) + 1, np.int64)
    counts = np.zeros((len(array), len(Count)), np.int64)
    _clean(offsets, data, _classes(), keep_indentation, max_blank_lines, out_offsets, out, counts)
    return written(out_offsets, out), counts
