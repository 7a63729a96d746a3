"""Words for shingling: simple, the same everywhere, and hashed without an object a word.

A word is a run of letters, marks and digits, case-folded one character to one. All else separates, but for characters
that cannot be seen (joiners, soft hyphens, direction and variation marks), which are passed over. Where a script puts
no spaces between words (Han, kana, Bopomofo, Thai, Lao, Khmer, Myanmar) each character is a word.

Categories and case are those of Unicode 3.2, which every Python ships frozen, so that no version of Python changes a
shingle. Characters that came later count as letters without case, but in the blocks of symbols and punctuation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from unicodedata import ucd_3_2_0

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Characters = npt.NDArray[np.uint32]

# An entry of the table of characters: 0 separates; else the folded code point, and one of these flags or none.
_ALONE = 1 << 30  # a word by itself
_UNSEEN = 1 << 31
_FOLDED = (1 << 21) - 1

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
_CLASSIFIED = 0x20000  # the planes above are Han, or are seldom text
_EMPTY = np.uint64(1)  # the state of a word that has no character yet
_STIR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd


@cache
def characters() -> Characters:
    """What each code point is to a word: the table that `hash_words` reads."""
    table = np.zeros(0x110000, np.uint32)
    for code in range(_CLASSIFIED):
        table[code] = _entry(code)
    table[0xFE00:0xFE10] = _UNSEEN
    table[_CLASSIFIED:0x40000] = np.arange(_CLASSIFIED, 0x40000) | _ALONE
    table[0xE0000:0xF0000] = _UNSEEN
    for first, last in _ALONE_RANGES:
        block = table[first : last + 1]
        block[block != 0] |= _ALONE
    table.flags.writeable = False
    return table


def _entry(code: int) -> int:
    category = ucd_3_2_0.category(chr(code))
    if category == "Cf":
        return _UNSEEN
    if category == "Cn":
        return 0 if any(first <= code <= last for first, last in _SYMBOL_RANGES) else code
    if category[0] not in "LMN":
        return 0
    folded = chr(code).casefold()
    return ord(folded) if len(folded) == 1 else ord(chr(code).lower()[0])


def text_buffers(texts: pa.Array | pa.ChunkedArray) -> Iterator[tuple[Bytes, Offsets]]:
    """The UTF-8 bytes and the row offsets of each chunk; a null is a text of no bytes."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        wide = chunk.cast(pa.large_string()).fill_null("")
        _, offsets, data = wide.buffers()
        starts = np.zeros(1, np.int64) if offsets is None else np.frombuffer(offsets, np.int64)[wide.offset : wide.offset + len(wide) + 1]
        content = np.frombuffer(data or b"", np.uint8)
        # Kernels are compiled by type, and a read-only array has another type than a writable one.
        starts.flags.writeable = content.flags.writeable = False
        yield content, starts


@njit(nogil=True, cache=True)
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each bit moves all (the finalizer of MurmurHash3)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@njit(nogil=True, cache=True)
def hash_words(content: Bytes, start: int, end: int, table: Characters, words: Hashes) -> int:
    """Hash the words of `content[start:end]`, UTF-8, into `words`; how many there are.

    `words` has room for half the bytes and two more.
    """
    count = 0
    word = _EMPTY
    i = start
    while i < end:
        byte = content[i]
        if byte < 0x80:
            i += 1
            entry = table[byte]
            # No branch on where words end, which no processor can foresee: a word is written at each character and
            # stands once the count moves on.
            words[count] = word
            count += np.int64((entry == 0) & (word != _EMPTY))
            word = (word ^ np.uint64(entry)) * _STIR if entry != 0 else _EMPTY
            continue
        size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if i + size > end:
            break
        code = np.int64(byte) & (0x7F >> size)
        for k in range(i + 1, i + size):
            code = (code << 6) | (np.int64(content[k]) & 0x3F)
        i += size
        entry = table[code] if code < table.shape[0] else np.uint32(0)
        if entry & np.uint32(_UNSEEN):
            continue
        alone = (entry & np.uint32(_ALONE)) != 0
        if (entry == 0 or alone) and word != _EMPTY:
            words[count] = word
            count += 1
            word = _EMPTY
        if alone:
            words[count] = (_EMPTY ^ np.uint64(entry & np.uint32(_FOLDED))) * _STIR
            count += 1
        elif entry != 0:
            word = (word ^ np.uint64(entry)) * _STIR
    if word != _EMPTY:
        words[count] = word
        count += 1
    for k in range(count):
        words[k] = mix(words[k])
    return count
