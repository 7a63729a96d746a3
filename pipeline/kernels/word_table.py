"""The words of a batch of texts, as kernels pass them on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

HAS_LETTER = np.uint8(1)
HAS_NON_SYMBOL = np.uint8(2)
IS_UNSPACED = np.uint8(4)  # has a character of a script that is written without spaces, and is to be cut further

Places = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]


class WordTable(NamedTuple):
    """The words of row `i` are those from `row_offsets[i]` to `row_offsets[i + 1]`."""

    row_offsets: Counts  # (rows + 1,)
    starts: Places  # (words,): bytes from the start of the row's text
    ends: Places
    hashes: Hashes  # 64 bits of the word's bytes, as `strings.hashes` gives
    chars: Lengths  # Unicode characters
    flags: Flags  # HAS_LETTER | HAS_NON_SYMBOL


def empty_table(row_offsets: Counts, size: int) -> WordTable:
    """Room for so many words."""
    places, lengths = np.empty((2, size), np.uint32), np.empty(size, np.int32)
    return WordTable(row_offsets, places[0], places[1], np.empty(size, np.uint64), lengths, np.empty(size, np.uint8))


def first_words(table: WordTable, count: int) -> WordTable:
    """The table without the room behind its first words."""
    return WordTable(
        table.row_offsets, table.starts[:count], table.ends[:count], table.hashes[:count], table.chars[:count], table.flags[:count]
    )


@kernel
def copy_words(
    starts: Places, ends: Places, hashes: Hashes, chars: Lengths, flags: Flags, first: int, count: int, shift: int,
    new_starts: Places, new_ends: Places, new_hashes: Hashes, new_chars: Lengths, new_flags: Flags, at: int,
) -> None:  # fmt: skip
    """Copy `count` words from the one numbered `first` on to where `at` says, and move them by `shift` bytes."""
    # Column by column, and through slices, whose places are never negative: many at a time.
    for old, new in (
        (starts[first : first + count], new_starts[at : at + count]),
        (ends[first : first + count], new_ends[at : at + count]),
    ):
        for k in range(count):
            new[k] = old[k] + np.uint32(shift)
    old_hashes, old_chars, old_flags = hashes[first : first + count], chars[first : first + count], flags[first : first + count]
    own_hashes, own_chars, own_flags = new_hashes[at : at + count], new_chars[at : at + count], new_flags[at : at + count]
    for k in range(count):
        own_hashes[k] = old_hashes[k]
    for k in range(count):
        own_chars[k] = old_chars[k]
    for k in range(count):
        own_flags[k] = old_flags[k]
