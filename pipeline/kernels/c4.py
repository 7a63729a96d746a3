"""The line rules of C4: which lines of a text go, and what is left of the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.c4_signs import Count, seen_in, signs
from pipeline.kernels.characters import DECIMAL, SPACE, Kinds, kinds
from pipeline.kernels.lines import Places, lines, strip_left, strip_right
from pipeline.kernels.moved_words import MovedLines, move_words
from pipeline.kernels.phrases import Room, copy, written
from pipeline.kernels.strings import Bytes, Counts, decode, strings

Table = npt.NDArray[np.int64]


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

_EDIT, _NEEDED = tuple(b"edit]"), tuple(b"citation needed]")


@kernel
def _words(data: Bytes, start: int, end: int, kinds: Kinds, enough: int) -> int:
    """The words between white space, counted up to `enough`."""
    words, within, i = 0, False, start
    while i < end and words < enough:
        point, width = decode(data, i)
        blank = kinds[point] & SPACE != 0
        words += not blank and not within
        within = not blank
        i += width
    return words


@kernel
def _longest_word(data: Bytes, start: int, end: int, kinds: Kinds) -> int:
    longest, run, i = 0, 0, start
    while i < end:
        point, width = decode(data, i)
        run = 0 if kinds[point] & SPACE else run + 1
        longest = max(longest, run)
        i += width
    return longest


@kernel
def _may_have_longer(data: Bytes, start: int, end: int, most: int) -> bool:
    """Whether more than `most` bytes stand together without a space: a word of so many characters has as many bytes."""
    i = start
    while i + most < end:
        k = i + most
        while k >= i and data[k] != 32:
            k -= 1
        if k < i:
            return True
        i = k + 1
    return False


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
    text_offsets: Counts, data: Bytes, kinds: Kinds, offsets: Counts, wanted: Bytes, rules: Counts, anchors: Counts,
    of_byte: Counts, before: Bytes, classes: Bytes, max_word_chars: int, terminal: bool, min_words: int, citations: bool,
    line_offsets: Counts, starts: Places, ends: Places, out_offsets: Counts, out: Room, counts: Table,
    kept_offsets: Counts, sources: Counts, targets: Counts, sizes: Counts,
) -> None:  # fmt: skip
    out_offsets[0] = kept_offsets[0] = kept = 0
    for row in range(len(out_offsets) - 1):
        begin = text_offsets[row]
        at = base = out_offsets[row]
        for line in range(line_offsets[row], line_offsets[row + 1]):
            stop = begin + np.int64(ends[line])
            start = strip_left(data, begin + np.int64(starts[line]), stop, kinds)
            stop = strip_right(data, start, stop, kinds)
            some = stop > start
            if _may_have_longer(data, start, stop, max_word_chars) and _longest_word(data, start, stop, kinds) > max_word_chars:
                counts[row, _LONG_WORD] += 1
                continue
            seen = seen_in(data, start, stop, offsets, wanted, rules, anchors, of_byte, before, classes)
            if citations and seen & (1 << _CITATIONS):
                to, found = _copy_uncited(data, start, stop, kinds, out, at)
                counts[row, _CITATIONS] += found
                seen = seen_in(out, at, to, offsets, wanted, rules, anchors, of_byte, before, classes)
            else:
                to = copy(data, start, stop, out, at)
            if terminal and not _is_terminated(out, at, to):
                counts[row, _UNTERMINATED] += some
                continue
            if _words(out, at, to, kinds, min_words) < min_words:
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
            sources[kept], targets[kept], sizes[kept] = start - begin if to - at == stop - start else -1, at - base, to - at
            kept += 1
            out[to] = 10
            at = to + 1
        first = strip_left(out, base, at, kinds)
        for line in range(kept_offsets[row], kept):
            targets[line] -= first - base
        kept_offsets[row + 1] = kept
        last = strip_right(out, first, at, kinds)
        out_offsets[row + 1] = copy(out, first, last, out, base) if first > base else last


def apply_rules(array: pa.Array, rules: Rules) -> tuple[pa.Array, Table]:
    """The texts that the rules leave, and the counts of `Count` for each: (rows, len(Count))."""
    looked_for = signs([(_PLACEHOLDER, rules.placeholders), (_SCRIPT, rules.scripts), (_POLICY, rules.policies)])
    text_offsets, data = strings(array)
    out, out_offsets = np.empty(int(text_offsets[-1] - text_offsets[0]) + 1, np.uint8), np.empty(len(array) + 1, np.int64)
    counts = np.zeros((len(array), len(Count)), np.int64)
    found = lines(array)
    moved = MovedLines(np.empty(len(array) + 1, np.int64), *np.empty((3, len(found.starts)), np.int64))
    _apply(
        text_offsets, data, kinds(), *looked_for,
        rules.max_word_chars, rules.terminal, rules.min_words, rules.citations,
        found.row_offsets, found.starts, found.ends, out_offsets, out, counts, *moved,
    )  # fmt: skip
    text = written(out_offsets, out)
    left = int(moved.row_offsets[-1])
    move_words(array, text, MovedLines(moved.row_offsets, moved.sources[:left], moved.targets[:left], moved.sizes[:left]))
    return text, counts
