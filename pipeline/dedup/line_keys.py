"""When two lines say the same: their normal form, hashed without an object a line.

The form is after that of CCNet's paper (Wenzek et al. 2020, section 3.2): lower case, accents and punctuation taken out, a
placeholder for a number. CCNet's code (`normalize_for_dedup` in its `cc_net/text_normalizer.py`) leaves accents where they are, and
punctuation of ASCII, and has a `0` for each digit. As extractors differ in white space, each run of it is one space here, and there
is none at the ends. A number, of however many digits, is one `0`, so that "page 9 of 10" and "page 10 of 10" are one line. Symbols,
and what nobody sees, are taken out with the punctuation. CCNet's key is the first 64 bits of SHA-1; here the form is hashed as all
else: two different lines are taken for one once in some 10^19 pairs.

What a character is, is told by the table of `pipeline.dedup.words`, which no version of Python changes.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple
from unicodedata import ucd_3_2_0

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.words import CLASSIFIED, FOLDED, Characters
from pipeline.dedup.words import characters as letters
from pipeline.kernels import kernel
from pipeline.kernels.lines import LineTable, Places, lines
from pipeline.kernels.phrases import Room
from pipeline.kernels.strings import Bytes, Counts, Hashes, decode, hash_bytes, strings

NO_KEY = np.uint64(0)  # of a line without a letter or digit: it is like no other

_ACCENTS = ("Mn", "Me")
_SPACE = np.uint32(0x20)
_ZERO = np.uint32(0x30)

Chars = npt.NDArray[np.uint32]


class LineKeys(NamedTuple):
    """The lines of some texts, as `LineTable` has them, and what they say."""

    table: LineTable
    keys: Hashes  # (lines,): equal where the normal forms are
    chars: Chars  # (lines,): of the normal form, its spaces not counted


@cache
def characters() -> Characters:
    """The normal form of each code point; 0 where it has none."""
    table = letters() & FOLDED
    for code in range(CLASSIFIED):
        table[code] = _entry(code, int(table[code]))
    table.flags.writeable = False
    return table


def _entry(code: int, folded: int) -> int:
    """What stands for a code point that is `folded` without case, or 0 where it is no letter, mark or digit."""
    if not folded:
        return int(_SPACE) if chr(code).isspace() else 0
    category = ucd_3_2_0.category(chr(code))
    if category in _ACCENTS:
        return 0
    if category == "Nd":
        return int(_ZERO)
    bare = [each for each in ucd_3_2_0.normalize("NFD", chr(folded)) if ucd_3_2_0.category(each) not in _ACCENTS]
    return ord(bare[0]) if len(bare) == 1 else folded


@kernel
def _encode(point: np.uint32, out: Room, at: int) -> int:
    """Write a code point as UTF-8; where it ends."""
    if point < 0x80:
        out[at] = point
        return at + 1
    if point < 0x800:
        out[at] = 0xC0 | point >> 6
    else:
        if point < 0x10000:
            out[at] = 0xE0 | point >> 12
        else:
            out[at] = 0xF0 | point >> 18
            at += 1
            out[at] = 0x80 | (point >> 12 & 0x3F)
        at += 1
        out[at] = 0x80 | (point >> 6 & 0x3F)
    out[at + 1] = 0x80 | (point & 0x3F)
    return at + 2


@kernel
def _normal_form(data: Bytes, start: int, end: int, table: Characters, out: Room) -> int:
    """Write the normal form of a line to `out`; its bytes."""
    at, i = 0, start
    last = _SPACE  # so that white space at the start is passed over
    while i < end:
        if data[i] < 0x80:
            # No branch, as no processor foresees where words end: each character is written, and stands once `at` moves on.
            entry = table[data[i]]
            out[at] = entry
            at += (entry != 0) & ((entry != last) | (entry > _ZERO))
            last = entry if entry != 0 else last
            i += 1
            continue
        point, width = decode(data, i)
        entry = table[point]
        i += width
        if entry != 0 and (entry != last or entry > _ZERO):
            at = _encode(entry, out, at)
            last = entry
    return at - (at > 0 and last == _SPACE)


@kernel
def _chars(form: Room, size: int) -> int:
    """The characters of a normal form, its spaces not counted."""
    chars = 0
    for i in range(size):
        chars += (form[i] != _SPACE) & (form[i] & 0xC0 != 0x80)
    return chars


@kernel
def _fill(
    offsets: Counts, data: Bytes, table: Characters, row_offsets: Counts, starts: Places, ends: Places, out: Room, keys: Hashes,
    chars: Chars,
) -> None:  # fmt: skip
    for row in range(len(offsets) - 1):
        for line in range(row_offsets[row], row_offsets[row + 1]):
            size = _normal_form(data, offsets[row] + starts[line], offsets[row] + ends[line], table, out)
            chars[line] = _chars(out, size)
            keys[line] = max(hash_bytes(out, 0, size), np.uint64(1)) if size else NO_KEY


def line_keys(texts: pa.Array) -> LineKeys:
    """The lines of each text, and a key for each."""
    offsets, data = strings(texts)
    table = lines(texts)
    longest = int((table.ends - table.starts).max(initial=0))
    # A form has at most one and a half times the bytes of its line; the hash reads eight at a time.
    out = np.empty(2 * longest + 8, np.uint8)
    keys, chars = np.empty(len(table.starts), np.uint64), np.empty(len(table.starts), np.uint32)
    _fill(offsets, data, characters(), table.row_offsets, table.starts, table.ends, out, keys, chars)
    return LineKeys(table, keys, chars)
