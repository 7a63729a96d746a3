"""Words for shingling: simple, the same everywhere, and hashed without an object a word.

A word is a run of letters, marks and digits, case-folded one character to one. All else separates, but for characters
that cannot be seen (joiners, soft hyphens, direction and variation marks), which are passed over. Where a script puts
no spaces between words (Han, kana, Bopomofo, Thai, Lao, Khmer, Myanmar) each character is a word.

Which characters are letters is told by Unicode 3.2, which every Python ships frozen, and how case folds Unicode promises not to
change; so no version of Python changes a shingle. Characters that came later count as letters without case, but in the
blocks of symbols and punctuation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeAlias
from unicodedata import ucd_3_2_0

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes, Strings, decode, strings

Texts: TypeAlias = pa.Array | pa.ChunkedArray
Characters = npt.NDArray[np.uint32]

_BYTES_AT_ONCE = 1 << 24

# An entry of the table of characters: 0 separates; else the folded code point, and one of these flags or none.
_ALONE = np.uint32(1 << 30)  # a word by itself
_UNSEEN = np.uint32(1 << 31)
FOLDED = np.uint32((1 << 21) - 1)

_ALONE_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x312F),  # kana, Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # halfwidth katakana
    (0x1AFF0, 0x1B16F),  # kana, later additions
)
_SYMBOL_RANGES = ((0x2000, 0x2BFF), (0x2E00, 0x2E7F), (0x1F000, 0x1FBFF))
CLASSIFIED = 0x20000  # the planes above are Han, or are seldom text
_EMPTY = np.uint64(1)  # the state of a word that has no character yet
_STIR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd


@cache
def characters() -> Characters:
    """What each code point is to a word: the table that `hash_words` reads."""
    table = np.zeros(0x110000, np.uint32)
    for code in range(CLASSIFIED):
        table[code] = _entry(code)
    table[0xAD] = _UNSEEN  # the soft hyphen, which was punctuation then
    table[0xFE00:0xFE10] = _UNSEEN
    table[CLASSIFIED:0x40000] = np.arange(CLASSIFIED, 0x40000, dtype=np.uint32) | _ALONE
    table[0xE0000:0xF0000] = _UNSEEN
    for first, last in _ALONE_RANGES:
        block = table[first : last + 1]
        block[block != 0] |= _ALONE
    table.flags.writeable = False
    return table


def _entry(code: int) -> int:
    category = ucd_3_2_0.category(chr(code))
    if category == "Cf":
        return int(_UNSEEN)
    if category == "Cn":
        return 0 if any(first <= code <= last for first, last in _SYMBOL_RANGES) else code
    if category[0] not in "LMN":
        return 0
    folded = chr(code).casefold()
    return ord(folded) if len(folded) == 1 else ord(chr(code).lower()[0])


def batches(texts: Texts) -> Iterator[tuple[int, Strings]]:
    """The texts in bounded runs of rows, not copied: each with the number of its first row."""
    first = 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        run = strings(chunk)
        row = 0
        while row < len(chunk):
            end = max(row + 1, int(np.searchsorted(run.offsets, run.offsets[row] + _BYTES_AT_ONCE, "right")) - 1)
            yield first + row, Strings(run.offsets[row : end + 1], run.data)
            row = end
        first += len(chunk)


def room(offsets: Counts) -> int:
    """How many words any one of the texts may have, and one more."""
    return int(np.diff(offsets).max(initial=0)) // 2 + 2


@kernel
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each bit moves all (the finalizer of MurmurHash3)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@kernel
def hash_words(data: Bytes, start: int, end: int, table: Characters, words: Hashes) -> int:
    """Hash the words of `data[start:end]` into `words`, which has `room` for them; how many there are."""
    count = 0
    word = _EMPTY
    i = start
    while i < end:
        if data[i] < 0x80:
            entry = table[data[i]]
            i += 1
            # No branch on where words end, which no processor can foresee: a word is written at each character and
            # stands once the count moves on.
            words[count] = word
            count += (entry == 0) & (word != _EMPTY)
            word = (word ^ np.uint64(entry)) * _STIR if entry != 0 else _EMPTY
            continue
        point, width = decode(data, i)
        entry = table[point]
        i += width
        if entry & _UNSEEN:
            continue
        if (entry == 0 or entry & _ALONE) and word != _EMPTY:
            words[count] = word
            count += 1
            word = _EMPTY
        if entry & _ALONE:
            words[count] = (_EMPTY ^ np.uint64(entry & FOLDED)) * _STIR
            count += 1
        elif entry != 0:
            word = (word ^ np.uint64(entry)) * _STIR
    if word != _EMPTY:
        words[count] = word
        count += 1
    for k in range(count):
        words[k] = mix(words[k])
    return count
