"""What in a text may call for repair, found by its bytes, so that few texts need a closer look.

Mojibake is told by pairs of neighbours: each alternative of ftfy's test (`ftfy.badness`) holds a pair of character classes
that this table allows, or one of the single signs looked for below. So what ftfy would mend is always flagged, which the
tests hold against ftfy; what is flagged may be sound.
"""

# ruff: noqa: RUF001  # the table is of these very characters

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ftfy.badness import MOJIBAKE_CATEGORIES

from pipeline.kernels import kernel
from pipeline.kernels.eight import any_of_two, eight_bytes, signs_first
from pipeline.kernels.strings import Bytes, Counts, decode, strings
from pipeline.kernels.whitespace import may_be_uncomposed

CONTROL = np.uint8(1)  # a control character but line feed and tab, or a line break of another kind
ENTITY = np.uint8(2)  # an ampersand before a letter or a number sign
MARKUP = np.uint8(4)  # a less-than sign
UNCOMPOSED = np.uint8(8)  # perhaps: a character that may be spelled otherwise in composed form
MOJIBAKE = np.uint8(16)  # perhaps

Flags = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.uint32]

_TABLE_SIZE = 0x10000
_CONTROLS = "\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffc"

# Classes beside ftfy's categories, named by what its alternatives list in full.
_OWN_CLASSES = {
    "opening": "ÂÃÎÐØÙ",
    "latin_second": "ŒœŠšŸž",
    "degree": "°",
    "cyrillic_start": "ВГРСΒΓΞΟ",
    "cyrillic_second": "Ђ",
    "low_quote": "‚",
}
# A pair of classes in this order stands in every match of some alternative.
_PAIRS = """
bad>bad lower_accented>bad upper_accented>bad box>bad start_punctuation>bad end_punctuation>bad currency>bad numeric>bad law>bad
lower_common>bad upper_common>bad
bad>lower_accented bad>upper_accented bad>box bad>start_punctuation bad>end_punctuation bad>currency bad>numeric bad>law
lower_accented>upper_accented lower_common>upper_accented box>upper_accented end_punctuation>upper_accented
currency>upper_accented numeric>upper_accented
box>lower_accented end_punctuation>lower_accented currency>lower_accented numeric>lower_accented
lower_accented>currency upper_accented>currency box>currency end_punctuation>currency lower_common>currency
upper_accented>numeric upper_accented>law box>numeric box>law lower_accented>numeric
start_punctuation>numeric end_punctuation>start_punctuation
currency>start_punctuation numeric>start_punctuation box>start_punctuation
upper_accented>start_punctuation upper_accented>end_punctuation lower_accented>start_punctuation lower_accented>end_punctuation
box>kaomoji box>end_punctuation
lower_accented>box upper_accented>box currency>box numeric>box start_punctuation>box end_punctuation>box law>box
upper_accented>degree
opening>currency opening>latin_second opening>common opening>start_punctuation opening>end_punctuation opening>degree
opening>bad opening>numeric
numeric>numeric numeric>end_punctuation numeric>common numeric>currency numeric>kaomoji
low_quote>upper_accented low_quote>lower_accented
lower_common>cyrillic_second upper_common>cyrillic_second
cyrillic_start>start_punctuation cyrillic_start>end_punctuation cyrillic_start>currency cyrillic_start>degree
cyrillic_start>numeric
"""


_BEYOND_ASCII = "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, _TABLE_SIZE))))


class PairTable(NamedTuple):
    """By code point below 0x10000: the character's classes, and those that make a pair after it, as bits."""

    classes: Masks
    followers: Masks
    controls: npt.NDArray[np.bool_]


def characters(ranges: str) -> list[int]:
    """The code points beyond ASCII and below 0x10000 of a regular expression's character class, without its brackets."""
    return [ord(found) for found in re.findall(f"[{ranges}]", _BEYOND_ASCII)]


@cache
def pair_table() -> PairTable:
    """The tables, built once a process."""
    ranges = {**{name: chars for name, chars in MOJIBAKE_CATEGORIES.items() if name != "c1"}, **_OWN_CLASSES}
    bits = {name: np.uint32(1 << place) for place, name in enumerate(ranges)}
    classes, followers = np.zeros(_TABLE_SIZE, np.uint32), np.zeros(_TABLE_SIZE, np.uint32)
    members = {name: characters(chars) for name, chars in ranges.items()}
    for name, points in members.items():
        classes[points] |= bits[name]
    for pair in _PAIRS.split():
        first, _, second = pair.partition(">")
        followers[members[first]] |= bits[second]
    controls = np.zeros(_TABLE_SIZE, np.bool_)
    controls[0x80:0xA0] = True
    controls[characters(_CONTROLS)] = True
    return PairTable(classes, followers, controls)


@kernel
def _is_letter(c: int) -> bool:
    return ord("a") <= (c | 0x20) <= ord("z")


@kernel
def _single_sign(data: Bytes, point: np.int64, after: int, end: int) -> bool:
    """A C1 control, a ligature before anything but a letter, an accented A before a space."""
    if 0x80 <= point < 0xA0:
        return True
    if after >= end:
        return False
    if point in (0x152, 0x153):
        return not _is_letter(data[after])
    return point in (0xC2, 0xC3) and data[after] == ord(" ")


@kernel
def _plain_bytes(data: Bytes, i: int, end: int) -> np.int64:
    """How many of the next eight bytes come before the first that might be flagged; 0 where there are not eight."""
    if i + 8 > end:
        return np.int64(0)
    eight = eight_bytes(data, i)
    return np.int64(min(signs_first(eight), any_of_two(eight, ord("&"), ord("<"))))


@kernel
def _flag(
    offsets: Counts, data: Bytes, classes: Masks, followers: Masks, controls: npt.NDArray[np.bool_], uncomposed: npt.NDArray[np.bool_],
    out: Flags,
) -> None:  # fmt: skip
    for row in range(len(out)):
        flags, i, end, wanted = np.uint8(0), offsets[row], offsets[row + 1], np.uint32(0)
        while i < end:
            plain = _plain_bytes(data, i, end)
            if plain:
                wanted = np.uint32(0)
                i += plain
                continue
            c = data[i]
            if c < 0x80:
                wanted = np.uint32(0)
                i += 1
                if c == ord("&") and i < end and (_is_letter(data[i]) or data[i] == ord("#")):
                    flags |= ENTITY
                elif c == ord("<"):
                    flags |= MARKUP
                elif (c < 0x20 and c not in (0x09, 0x0A)) or c == 0x7F:
                    flags |= CONTROL
                continue
            point, width = decode(data, i)
            i += width
            if uncomposed[point]:
                flags |= UNCOMPOSED
            if point >= len(classes):
                wanted = np.uint32(0)
                continue
            if controls[point]:
                flags |= CONTROL
            if wanted & classes[point] or _single_sign(data, point, i, end):
                flags |= MOJIBAKE
            wanted = followers[point]
        out[row] = flags


def flag(array: pa.Array) -> Flags:
    """What each string may need: CONTROL, ENTITY, MARKUP, UNCOMPOSED and MOJIBAKE."""
    out = np.empty(len(array), np.uint8)
    offsets, data = strings(array)
    table = pair_table()
    _flag(offsets, data, table.classes, table.followers, table.controls, may_be_uncomposed(), out)
    return out
