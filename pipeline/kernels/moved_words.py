"""The words of texts that are made of others' lines: as no word goes over the end of a line, whole lines bring theirs along."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.eight import to_line_feed
from pipeline.kernels.strings import Bytes, Counts, Hashes, Strings, count_byte, strings
from pipeline.kernels.unspaced import cut_unspaced
from pipeline.kernels.word_table import Flags, Lengths, Places, WordTable, copy_words, empty_table
from pipeline.kernels.words import scan, words


class MovedLines(NamedTuple):
    """The lines left of row `i` are those from `row_offsets[i]` to `row_offsets[i + 1]`, in their order."""

    row_offsets: Counts  # (rows + 1,)
    sources: Counts  # (lines,): where the line was, in bytes from the start of the row's old text; -1 where it was changed
    targets: Counts  # where it is, from the start of the new text: maybe outside of it where white space was stripped
    sizes: Counts  # in bytes


def move_words(old: pa.Array, new: pa.Array, moved: MovedLines) -> None:
    """Let `words` know those of the new texts, where it still knows those of the old ones."""
    known = words.known(old)
    if known is None:
        return
    text = strings(new)
    changed = moved.sources < 0
    scanned = _changed_words(text, moved, changed)
    firsts, counts = np.empty_like(moved.sizes), np.empty_like(moved.sizes)
    _words_of_lines(moved.row_offsets, moved.sources, moved.sizes, known.row_offsets, known.starts, firsts, counts)
    firsts[changed], counts[changed] = scanned.row_offsets[:-1], np.diff(scanned.row_offsets)
    places = np.append(0, np.cumsum(counts))
    table = empty_table(places[moved.row_offsets], int(places[-1]))
    for source, chosen, shifts in ((known, ~changed, moved.targets - moved.sources), (scanned, changed, np.maximum(moved.targets, 0))):
        _copy(firsts[chosen], counts[chosen], shifts[chosen], places[:-1][chosen], *source[1:], *table[1:])
    words.keep(new, cut_unspaced(table, text))


def move_rows(old: pa.Array, new: pa.Array, changed: npt.NDArray[np.bool_]) -> None:
    """The same where whole texts stay as they are, but for those that `changed` names, which keep the number of their lines."""
    before, after = strings(old), strings(new)
    breaks = np.where(changed, count_byte(new, ord("\n")), 0)
    row_offsets = np.append(0, np.cumsum(breaks + 1))
    moved = MovedLines(row_offsets, *np.empty((3, int(row_offsets[-1])), np.int64))
    _same_lines(*before, *after, changed, *moved)
    move_words(old, new, moved)


@kernel
def _same_lines(
    old_offsets: Counts, old: Bytes, new_offsets: Counts, new: Bytes, changed: npt.NDArray[np.bool_],
    row_offsets: Counts, sources: Counts, targets: Counts, sizes: Counts,
) -> None:  # fmt: skip
    """Which lines of changed rows are what they were; another row is one line."""
    for row in range(len(changed)):
        old_base, base, end = old_offsets[row], new_offsets[row], new_offsets[row + 1]
        if not changed[row]:
            sources[row_offsets[row]], targets[row_offsets[row]], sizes[row_offsets[row]] = 0, 0, end - base
            continue
        was, start = old_base, base
        for line in range(row_offsets[row], row_offsets[row + 1]):
            stop, old_stop = to_line_feed(new, start, end)[0], to_line_feed(old, was, old_offsets[row + 1])[0]
            size = stop - start
            same, k = size == old_stop - was, 0
            while same and k < size:
                same = new[start + k] == old[was + k]
                k += 1
            sources[line], targets[line], sizes[line] = was - old_base if same else -1, start - base, size
            was, start = old_stop + 1, stop + 1


def _changed_words(text: Strings, moved: MovedLines, changed: npt.NDArray[np.bool_]) -> WordTable:
    """The words of the lines that were changed, each a row of its own."""
    lines = np.diff(moved.row_offsets)
    row_starts, row_ends = (np.repeat(edges, lines)[changed] for edges in (text.offsets[:-1], text.offsets[1:]))
    starts = row_starts + moved.targets[changed]
    ends = starts + moved.sizes[changed]
    return scan(np.clip(starts, row_starts, row_ends), np.clip(ends, row_starts, row_ends), text.data)


@kernel
def _words_of_lines(
    line_offsets: Counts, sources: Counts, sizes: Counts, row_offsets: Counts, starts: Places, firsts: Counts, counts: Counts
) -> None:
    """The first word of each line that is whole, and how many it has."""
    for row in range(len(row_offsets) - 1):
        word, end = row_offsets[row], row_offsets[row + 1]
        for line in range(line_offsets[row], line_offsets[row + 1]):
            if sources[line] < 0:
                continue
            while word < end and starts[word] < sources[line]:
                word += 1
            firsts[line] = word
            while word < end and starts[word] < sources[line] + sizes[line]:
                word += 1
            counts[line] = word - firsts[line]


@kernel
def _copy(
    firsts: Counts, counts: Counts, shifts: Counts, places: Counts,
    starts: Places, ends: Places, hashes: Hashes, chars: Lengths, flags: Flags,
    new_starts: Places, new_ends: Places, new_hashes: Hashes, new_chars: Lengths, new_flags: Flags,
) -> None:  # fmt: skip
    """Copy runs of words, `counts` from `firsts` on, to `places`, and move them by `shifts` bytes."""
    for run in range(len(firsts)):
        copy_words(
            starts, ends, hashes, chars, flags, firsts[run], counts[run], shifts[run],
            new_starts, new_ends, new_hashes, new_chars, new_flags, places[run],
        )  # fmt: skip
