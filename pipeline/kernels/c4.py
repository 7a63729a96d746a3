"""The line rules of C4: which lines of a text go, and what is left of the others."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import DECIMAL, SPACE, Kinds, kinds
from pipeline.kernels.lines import line_break, strip_left, strip_right
from pipeline.kernels.phrases import Phrases, Room, copy, phrase_at, phrases, written
from pipeline.kernels.strings import Bytes, Counts, decode, strings

Table = npt.NDArray[np.int64]


class Count(IntEnum):
    """The columns of what is counted. Blank lines are dropped or kept like others, and never counted."""

    KEPT = 0
    LONG_WORD = 1
    UNTERMINATED = 2
    FEW_WORDS = 3
    SCRIPT = 4
    POLICY = 5
    PLACEHOLDER = 6  # lines with a placeholder text, of those that no rule before has dropped
    CURLY_BRACKET = 7  # the same
    CITATIONS = 8


class Rules(NamedTuple):
    """What C4 looks for."""

    max_word_chars: int
    terminal: bool
    min_words: int
    citations: bool
    placeholders: tuple[str, ...]
    scripts: tuple[str, ...]
    policies: tuple[str, ...]


_KEPT, _LONG_WORD, _UNTERMINATED, _FEW_WORDS = map(int, (Count.KEPT, Count.LONG_WORD, Count.UNTERMINATED, Count.FEW_WORDS))
_SCRIPT, _POLICY = int(Count.SCRIPT), int(Count.POLICY)
_PLACEHOLDER, _CURLY_BRACKET, _CITATIONS = int(Count.PLACEHOLDER), int(Count.CURLY_BRACKET), int(Count.CITATIONS)

# What a byte may be, in a table of 256; what an earlier column's rule is about, in the bits of `seen`.
_BLANK, _BREAK, _OPENING, _CURLY, _FIRST, _SECOND, _WIDE = (1 << bit for bit in range(7))
_MARKED = _BLANK | _BREAK | _OPENING | _CURLY | _FIRST | _WIDE

_EDIT, _NEEDED = tuple(b"edit]"), tuple(b"citation needed]")


def _classes(wanted: Phrases) -> Bytes:
    table = np.zeros(256, np.uint8)
    table[[*range(9, 14), *range(28, 33)]] |= _BLANK
    table[[*range(10, 14), *range(28, 31), 0xC2, 0xE2]] |= _BREAK
    table[0xC0:] |= _WIDE
    table[ord("[")] |= _OPENING
    table[ord("{")] |= _CURLY
    starts = wanted.offsets[:-1]
    for places, kind in ((starts, _FIRST), (starts + 1, _SECOND)):
        for byte in wanted.data[places].tolist():
            table[[byte, ord(chr(byte).upper()) if byte < 0x80 else byte]] |= kind
    table.flags.writeable = False
    return table


@kernel
def _scan(
    data: Bytes, i: int, end: int, classes: Bytes, kinds: Kinds, offsets: Counts, wanted: Bytes, rules: Counts
) -> tuple[int, int, int, int]:
    """Where the line from `i` ends, its words between white space, the characters of the longest one, and what was seen."""
    words, longest, run, seen = 0, 0, 0, 0
    while i < end:
        kind = classes[data[i]]
        if not kind & _MARKED:
            run += 1
            i += 1
            continue
        if kind & _BREAK and line_break(data, i, end):
            break
        width, blank = 1, kind & _BLANK != 0
        if kind & _WIDE:
            point, width = decode(data, i)
            blank = kinds[point] & SPACE != 0
        if kind & _FIRST and i + 1 < end and classes[data[i + 1]] & _SECOND:
            for phrase in range(len(rules)):
                if phrase_at(data, i, end, offsets, wanted, phrase):
                    seen |= 1 << rules[phrase]
        seen |= kind & (_OPENING | _CURLY) and (1 << _CITATIONS if kind & _OPENING else 1 << _CURLY_BRACKET)
        if blank:
            words += run > 0
            longest = max(longest, run)
            run = 0
        else:
            run += 1
        i += width
    return i, words + (run > 0), max(longest, run), seen


@kernel
def _is(data: Bytes, i: int, end: int, wanted: tuple[int, ...]) -> bool:
    if i + len(wanted) > end:
        return False
    for k in range(len(wanted)):  # noqa: SIM110  # kernels have no generators
        if data[i + k] != wanted[k]:
            return False
    return True


@kernel
def _after_citation(data: Bytes, i: int, end: int, kinds: Kinds) -> int:
    """Where the citation that the bracket at `i` opens ends, or `i`."""
    if _is(data, i + 1, end, _EDIT):
        return i + 1 + len(_EDIT)
    if _is(data, i + 1, end, _NEEDED):
        return i + 1 + len(_NEEDED)
    k = i + 1
    while k < end:
        point, width = decode(data, k)
        if not kinds[point] & DECIMAL:
            break
        k += width
    return k + 1 if k < end and data[k] == ord("]") else i


@kernel
def _copy_uncited(data: Bytes, start: int, end: int, kinds: Kinds, out: Room, at: int) -> tuple[int, int]:
    """Write a line without its citations to `out[at:]`; where it ends there, and how many there were."""
    i, found = start, 0
    while i < end:
        after = _after_citation(data, i, end, kinds) if data[i] == ord("[") else i
        if after > i:
            found += 1
            i = after
        else:
            out[at] = data[i]
            at += 1
            i += 1
    return at, found


@kernel
def _is_terminated(data: Room, start: int, end: int) -> bool:
    if start == end:
        return False
    c = data[end - 1]
    if c == ord("."):
        return end - start < 3 or data[end - 2] != ord(".") or data[end - 3] != ord(".")
    return c in (ord("?"), ord("!"), ord('"'), ord("'"))


@kernel
def _apply(
    text_offsets: Counts, data: Bytes, classes: Bytes, kinds: Kinds, offsets: Counts, wanted: Bytes, rules: Counts,
    max_word_chars: int, terminal: bool, min_words: int, citations: bool, out_offsets: Counts, out: Room, counts: Table,
) -> None:  # fmt: skip
    out_offsets[0] = 0
    for row in range(len(text_offsets) - 1):
        i, end = text_offsets[row], text_offsets[row + 1]
        at = base = out_offsets[row]
        while i < end:
            start = i
            stop, words, longest, seen = _scan(data, i, end, classes, kinds, offsets, wanted, rules)
            i = stop + (line_break(data, stop, end) if stop < end else 0)
            if longest > max_word_chars:
                counts[row, _LONG_WORD] += 1
                continue
            # Most often, no white space is at the edges.
            if stop > start and (data[start] <= 32 or data[start] >= 0x80 or data[stop - 1] <= 32 or data[stop - 1] >= 0x80):
                start = strip_left(data, start, stop, kinds)
                stop = strip_right(data, start, stop, kinds)
            if citations and seen & (1 << _CITATIONS):
                to, found = _copy_uncited(data, start, stop, kinds, out, at)
                counts[row, _CITATIONS] += found
                if found:
                    _, words, _, seen = _scan(out, at, to, classes, kinds, offsets, wanted, rules)
            else:
                to = copy(data, start, stop, out, at)
            some = stop > start
            if terminal and not _is_terminated(out, at, to):
                counts[row, _UNTERMINATED] += some
                continue
            if words < min_words:
                counts[row, _FEW_WORDS] += some
                continue
            counts[row, _PLACEHOLDER] += seen & (1 << _PLACEHOLDER) != 0
            if seen & (1 << _SCRIPT):
                counts[row, _SCRIPT] += 1
                continue
            counts[row, _CURLY_BRACKET] += seen & (1 << _CURLY_BRACKET) != 0
            if seen & (1 << _POLICY):
                counts[row, _POLICY] += 1
                continue
            counts[row, _KEPT] += some
            out[to] = 10
            at = to + 1
        first = strip_left(out, base, at, kinds)
        last = strip_right(out, first, at, kinds)
        out_offsets[row + 1] = copy(out, first, last, out, base) if first > base else last


def apply_rules(array: pa.Array, rules: Rules) -> tuple[pa.Array, Table]:
    """The texts that the rules leave, and the counts of `Count` for each: (rows, len(Count))."""
    groups = [(_PLACEHOLDER, rules.placeholders), (_SCRIPT, rules.scripts), (_POLICY, rules.policies)]
    wanted = phrases([phrase for _, group in groups for phrase in group])
    rule_of = np.array([rule for rule, group in groups for _ in group], np.int64)
    offsets, data = strings(array)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8), np.empty(len(array) + 1, np.int64)
    counts = np.zeros((len(array), len(Count)), np.int64)
    _apply(
        offsets, data, _classes(wanted), kinds(), *wanted, rule_of,
        rules.max_word_chars, rules.terminal, rules.min_words, rules.citations, out_offsets, out, counts,
    )  # fmt: skip
    return written(out_offsets, out), counts
