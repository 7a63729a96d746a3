"""Words in scripts that put no spaces between them: Chinese, Japanese, Thai, Lao, Khmer, Burmese.

What the rules of spaces and punctuation leave whole and has a character of such a script, ICU's dictionaries cut (Unicode
Standard Annex #29 and CLDR's dictionaries, the root locale's), so that texts without any pay for nothing. ICU works in linear
time, with memory for as long as a text goes on without a break: so there is a break after each MOST_CHARS.
"""

from __future__ import annotations

import numpy as np
from icu4py.breakers import WordBreaker

from pipeline.kernels import kernel
from pipeline.kernels.characters import LETTER, MARK, Kinds, kinds
from pipeline.kernels.strings import Bytes, Counts, Hashes, Strings, decode, hash_bytes
from pipeline.kernels.word_table import (
    HAS_LETTER,
    HAS_NON_SYMBOL,
    IS_UNSPACED,
    Flags,
    Lengths,
    Places,
    WordTable,
    copy_words,
    empty_table,
    first_words,
)

MOST_CHARS = 10_000

_BREAK = np.uint8(10)  # no word has one


def cut_unspaced(table: WordTable, text: Strings) -> WordTable:
    """The table with its unspaced words cut into those that the dictionaries know."""
    if not (table.flags & IS_UNSPACED).any():
        return table
    row_offsets, starts, ends, hashes, chars, flags = table
    run = np.empty(_room(starts, ends, flags), np.uint8)
    run = run[: _join(*text, row_offsets, starts, ends, flags, run)]
    segments = WordBreaker(str(run.data, "utf-8"), "und").segments()
    found = np.fromiter((end for _, end in segments), np.int64)
    cut = empty_table(np.zeros_like(row_offsets), len(starts) + len(found))
    written = _splice(
        *text, kinds(), run, found, row_offsets, starts, ends, hashes, chars, flags,
        cut.row_offsets, cut.starts, cut.ends, cut.hashes, cut.chars, cut.flags,
    )  # fmt: skip
    return first_words(cut, written)


@kernel
def _room(starts: Places, ends: Places, flags: Flags) -> np.int64:
    """Bytes for all unspaced words, and for a break after each and within the long ones."""
    room = np.int64(0)
    for word in range(len(starts)):
        if flags[word] & IS_UNSPACED:
            size = np.int64(ends[word]) - np.int64(starts[word])
            room += size + size // MOST_CHARS + 1
    return room


@kernel
def _join(offsets: Counts, data: Bytes, row_offsets: Counts, starts: Places, ends: Places, flags: Flags, run: Bytes) -> int:
    """Write the unspaced words one behind the other, parted by breaks; the bytes written."""
    n = 0
    for row in range(len(row_offsets) - 1):
        for word in range(row_offsets[row], row_offsets[row + 1]):
            if not flags[word] & IS_UNSPACED:
                continue
            chars = 0
            for i in range(offsets[row] + np.int64(starts[word]), offsets[row] + np.int64(ends[word])):
                if data[i] & 0xC0 != 0x80:
                    if chars == MOST_CHARS:
                        run[n] = _BREAK
                        n += 1
                        chars = 0
                    chars += 1
                run[n] = data[i]
                n += 1
            run[n] = _BREAK
            n += 1
    return n


@kernel
def _splice(
    offsets: Counts, data: Bytes, kinds: Kinds, run: Bytes, found: Counts,
    row_offsets: Counts, starts: Places, ends: Places, hashes: Hashes, chars: Lengths, flags: Flags,
    new_offsets: Counts, new_starts: Places, new_ends: Places, new_hashes: Hashes, new_chars: Lengths, new_flags: Flags,
) -> int:  # fmt: skip
    """Copy the words, the unspaced ones in their pieces; how many there are.

    `found` is where pieces of `run` end, in the units of two bytes that ICU counts in; breaks are pieces too.
    """
    n, piece, at, units = 0, 0, 0, 0
    for row in range(len(row_offsets) - 1):
        base = offsets[row]
        first, stop = row_offsets[row], row_offsets[row + 1]
        while first < stop:
            word = first
            while word < stop and not flags[word] & IS_UNSPACED:
                word += 1
            copy_words(
                starts, ends, hashes, chars, flags, first, word - first, 0, new_starts, new_ends, new_hashes, new_chars, new_flags, n
            )
            n += word - first
            if word == stop:
                break
            first = word + 1
            i, end = base + np.int64(starts[word]), base + np.int64(ends[word])
            while i < end:
                if run[at] == _BREAK:
                    at += 1
                    units += 1
                    piece += 1
                    continue
                begin, count, some, all_marks = i, 0, np.uint32(0), True
                while units < found[piece]:
                    point, width = decode(data, i)
                    some |= kinds[point]
                    all_marks = all_marks and kinds[point] & MARK != 0
                    units += 2 if width == 4 else 1
                    count += 1
                    i += width
                at += i - begin
                piece += 1
                new_starts[n], new_ends[n], new_hashes[n], new_chars[n] = begin - base, i - base, hash_bytes(data, begin, i), count
                new_flags[n] = (HAS_LETTER if some & LETTER else 0) | (0 if all_marks else HAS_NON_SYMBOL)
                n += 1
        new_offsets[row + 1] = n
    return n
