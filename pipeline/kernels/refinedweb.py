"""The line-wise corrections of RefinedWeb: which lines of a text go, and what is cut out of the others."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import CAPITAL, DECIMAL, LETTER, SPACE, Kinds, kinds
from pipeline.kernels.eight import count_bytes, eight_bytes, in_range, is_ascii, to_line_feed
from pipeline.kernels.lines import strip_left, strip_right
from pipeline.kernels.phrases import Room, copy, phrase_at, phrases, written
from pipeline.kernels.strings import Bytes, Counts, decode, strings

Table = npt.NDArray[np.int64]


class Count(IntEnum):
    """The columns of what is counted."""

    UPPERCASE = 0
    NUMERIC = 1
    COUNTER = 2
    ONE_WORD = 3
    EDITED = 4
    WORDS = 5  # of the text as it was
    WORDS_LEFT = 6


class Rules(NamedTuple):
    """What RefinedWeb looks for."""

    max_uppercase_ratio: float
    min_words: int
    counted: tuple[str, ...]
    max_edited_words: int
    at_start: tuple[str, ...]
    anywhere: tuple[str, ...]
    at_end: tuple[str, ...]


_UPPERCASE, _NUMERIC, _COUNTER, _ONE_WORD = map(int, (Count.UPPERCASE, Count.NUMERIC, Count.COUNTER, Count.ONE_WORD))
_EDITED, _WORDS, _WORDS_LEFT = int(Count.EDITED), int(Count.WORDS), int(Count.WORDS_LEFT)
_COUNTED, _AT_START, _ANYWHERE, _AT_END = range(4)  # what a phrase is for
_HIGH = np.uint64(0x8080808080808080)  # of eight bytes the highest bits; that of the first, and of the last
_HIGHEST, _LOWEST = np.uint64(1 << 63), np.uint64(0x80)


@kernel
def _measure(data: Bytes, start: int, end: int, kinds: Kinds) -> tuple[int, int, int, int]:
    """The characters, capitals, digits and words between white space of a line."""
    chars, capitals, digits, words, i, within = 0, 0, 0, 0, start, False
    while i < end:
        if i + 8 <= end:
            eight = eight_bytes(data, i)
            if is_ascii(eight):
                signs = ~(in_range(eight, 0x09, 0x0D) | in_range(eight, 0x1C, 0x20)) & _HIGH
                before = signs >> np.uint64(8) | (_HIGHEST if within else np.uint64(0))
                chars += 8
                capitals += count_bytes(in_range(eight, ord("A"), ord("Z")))
                digits += count_bytes(in_range(eight, ord("0"), ord("9")))
                words += count_bytes(signs & ~before)
                within = signs & _LOWEST != 0
                i += 8
                continue
        point, width = decode(data, i)
        kind = kinds[point]
        chars += 1
        capitals += kind & CAPITAL != 0
        digits += kind & DECIMAL != 0
        blank = kind & SPACE != 0
        words += not blank and not within
        within = not blank
        i += width
    return chars, capitals, digits, words


@kernel
def _skip_marks(data: Bytes, i: int, end: int, kinds: Kinds) -> int:
    while i < end:
        point, width = decode(data, i)
        if kinds[point] & (LETTER | DECIMAL) or point == ord("_"):
            break
        i += width
    return i


@kernel
def _is_counter(data: Bytes, start: int, end: int, kinds: Kinds, offsets: Counts, wanted: Bytes, uses: Counts, cuts: int) -> bool:
    """Whether a line is but a number and what it counts, a phrase behind the first `cuts`, as "1.2k views"."""
    i = _skip_marks(data, start, end, kinds)
    if i == end or not ord("0") <= data[i] <= ord("9"):
        return False
    while i < end and (ord("0") <= data[i] <= ord("9") or data[i] in (ord(","), ord("."))):
        i += 1
    if i < end and data[i] | 0x20 in (ord("k"), ord("m"), ord("b")):
        i += 1
    after = strip_left(data, i, end, kinds)
    if after == i:
        return False
    for phrase in range(cuts, len(uses)):
        if phrase_at(data, after, end, offsets, wanted, phrase):
            stop = after + offsets[phrase + 1] - offsets[phrase]
            if _skip_marks(data, stop, end, kinds) == end:
                return True
    return False


@kernel
def _cut_here(data: Bytes, first: int, i: int, last: int, offsets: Counts, wanted: Bytes, uses: Counts, cuts: int) -> int:
    """The bytes of one of the first `cuts` phrases, to be cut out at `i` of a line that, without white space, goes from `first` to `last`.

    0 where there is none.
    """
    for phrase in range(cuts):
        use, size = uses[phrase], offsets[phrase + 1] - offsets[phrase]
        placed = use == _ANYWHERE or (use == _AT_START and i == first) or (use == _AT_END and i + size == last)
        if placed and phrase_at(data, i, last, offsets, wanted, phrase):
            return size
    return 0


@kernel
def _copy_edited(
    data: Bytes, start: int, end: int, kinds: Kinds, offsets: Counts, wanted: Bytes, uses: Counts, cuts: int, out: Room, at: int
) -> tuple[int, bool]:
    """Write a line without the phrases that are cut out, and a space with each; where it ends, and whether there were any."""
    first, last = strip_left(data, start, end, kinds), strip_right(data, start, end, kinds)
    begin, i, edited = at, start, False
    while i < end:
        size = _cut_here(data, first, i, last, offsets, wanted, uses, cuts)
        if size:
            edited = True
            i += size
            i += i < end and data[i] == 32 and (at == begin or out[at - 1] == 32)
        else:
            out[at] = data[i]
            at += 1
            i += 1
    return at, edited


@kernel
def _apply(
    text_offsets: Counts, data: Bytes, kinds: Kinds, offsets: Counts, wanted: Bytes, uses: Counts, cuts: int,
    max_uppercase_ratio: float, min_words: int, max_edited_words: int, out_offsets: Counts, out: Room, counts: Table,
) -> None:  # fmt: skip
    out_offsets[0] = 0
    for row in range(len(text_offsets) - 1):
        start, end = text_offsets[row], text_offsets[row + 1]
        at = base = out_offsets[row]
        while start < end:
            stop = to_line_feed(data, start, end)[0]
            chars, capitals, digits, words = _measure(data, start, stop, kinds)
            counts[row, _WORDS] += words
            to = at
            if words > 0 and capitals > max_uppercase_ratio * chars:
                counts[row, _UPPERCASE] += 1
            elif words > 0 and digits == chars:
                counts[row, _NUMERIC] += 1
            elif words > 0 and _is_counter(data, start, stop, kinds, offsets, wanted, uses, cuts):
                counts[row, _COUNTER] += 1
            elif 0 < words < min_words:
                counts[row, _ONE_WORD] += 1
            elif 0 < words <= max_edited_words:
                to, edited = _copy_edited(data, start, stop, kinds, offsets, wanted, uses, cuts, out, at)
                if edited:
                    counts[row, _EDITED] += 1
                    to = strip_right(out, at, to, kinds)
                    words = _measure(out, at, to, kinds)[3]
                counts[row, _WORDS_LEFT] += words
            else:
                to = copy(data, start, stop, out, at)
                counts[row, _WORDS_LEFT] += words
            if to > at or (words == 0 and start == stop):
                out[to] = 10
                at = to + 1
            start = stop + 1
        first = strip_left(out, base, at, kinds)
        last = strip_right(out, first, at, kinds)
        out_offsets[row + 1] = copy(out, first, last, out, base)


def apply_rules(array: pa.Array, rules: Rules) -> tuple[pa.Array, Table]:
    """The texts that the rules leave, and the counts of `Count` for each: (rows, len(Count))."""
    groups = [(_AT_START, rules.at_start), (_ANYWHERE, rules.anywhere), (_AT_END, rules.at_end), (_COUNTED, rules.counted)]
    wanted = phrases([phrase for _, group in groups for phrase in group])
    uses = np.array([use for use, group in groups for _ in group], np.int64)
    offsets, data = strings(array)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8), np.empty(len(array) + 1, np.int64)
    counts = np.zeros((len(array), len(Count)), np.int64)
    _apply(
        offsets, data, kinds(), *wanted, uses, len(uses) - len(rules.counted),
        rules.max_uppercase_ratio, rules.min_words, rules.max_edited_words, out_offsets, out, counts,
    )  # fmt: skip
    return written(out_offsets, out), counts
