"""Words and phrases of lists, hundreds or millions, looked for in texts in one pass.

A text is taken for a sequence of units: a run of word characters (letters, digits, marks, joiners and the underscore), a run of
white space whatever it is, or any other character by itself; where entries may stand within words, every word character is a
unit. Units are told by hashes of their characters, case folded, and so are sequences of them, which are looked up for as long
as some entry begins so: time is linear in the text, times the units of the longest entry at worst.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import SPACE, kinds
from pipeline.kernels.eight import eight_bytes, letters_first
from pipeline.kernels.sets import set_room, slot_for
from pipeline.kernels.strings import Bytes, Counts, Hashes, combine, decode, strings

Folds = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Table = npt.NDArray[np.int64]

MAX_LISTS = 63

_WORD, _BLANK, _OTHER = 2, 1, 0  # what a unit is
_KIND = 24  # a character's kind lies above its folded code point
_POINT = np.uint32((1 << _KIND) - 1)
_BEGINS = 4096
_LETTER_BITS, _LEAD_LETTERS = 5, 3
_LEADS = 1 << _LETTER_BITS * _LEAD_LETTERS
_CASED_END = 0x20000  # no plane above the first two has letters with case, or marks but variation selectors
_VARIATIONS = slice(0xE0100, 0xE01F0)
_JOINERS = (0x200C, 0x200D)
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # of the hash FNV-1a


class Lexicon(NamedTuple):
    """Every sequence of units that an entry begins with, open-addressed by hash, zero where a slot is empty."""

    keys: Hashes
    ends: Counts  # of each slot, the entry that ends so, or -1
    goes_on: Flags  # of each slot, whether a longer entry begins so
    begins: Flags  # by the last bits of a folded code point, whether an entry may begin with it
    leads: Flags  # the same by the first three letters of a word, as `_lead` numbers them; told for ASCII alone
    lists: Counts  # of each entry, a bit for each list that it is of
    whole: bool


class Matches(NamedTuple):
    """What was found in each row. A place where several entries begin counts once."""

    places: Counts
    distinct: Counts  # different entries
    words: Counts  # runs of word characters
    first: Counts  # the longest entry at the first place, or -1
    first_at: Counts  # that place, bytes from the start of the row's text
    by_list: Table  # (rows, lists): places where an entry of that list begins


def fold(character: str) -> str:
    """The character without its case: Unicode's case folding where that is one character."""
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


@cache
def folds() -> Folds:
    """Each code point folded, and what kind of unit it is of."""
    table = np.arange(len(kinds()), dtype=np.uint32)
    word = np.zeros(len(table), np.bool_)
    word[:0x110000] = np.strings.isalnum(np.arange(0x110000, dtype=np.uint32).view("U1"))
    for point in range(_CASED_END):
        character = chr(point)
        table[point] = ord(fold(character))
        word[point] |= unicodedata.category(character)[0] == "M"
    word[[ord("_"), *_JOINERS]] = True
    word[_VARIATIONS] = True
    table[word] |= np.uint32(_WORD << _KIND)
    table[np.flatnonzero(kinds() & SPACE)] = ord(" ") | _BLANK << _KIND
    table.flags.writeable = False
    return table


@kernel
def _unit(data: Bytes, i: int, end: int, folds: Folds, whole: bool) -> tuple[int, np.uint64, int]:
    """Where the unit at `i` ends, its hash and its kind."""
    point, width = decode(data, i)
    folded = folds[point]
    kind, state = folded >> _KIND, (_BASIS ^ np.uint64(folded)) * _PRIME
    i += width
    if kind == _OTHER or (kind == _WORD and not whole):
        return i, state, int(kind)
    while i < end:
        point, width = decode(data, i)
        folded = folds[point]
        if folded >> _KIND != kind:
            break
        if kind == _WORD:
            state = (state ^ np.uint64(folded)) * _PRIME
        i += width
    return i, state, int(kind)


@kernel
def _lead(eight: np.uint64, letters: int) -> int:
    """The number of a word's first three letters, in any case; of a word of so many letters in its eight bytes, less than three maybe."""
    lead = 0
    for place in range(_LEAD_LETTERS):
        letter = int(eight >> np.uint64(56 - 8 * place)) & ((1 << _LETTER_BITS) - 1)
        lead = lead << _LETTER_BITS | (letter if place < letters else 0)
    return lead


@kernel
def _after_word(data: Bytes, i: int, end: int, folds: Folds) -> int:
    """Where a run of word characters ends."""
    while i + 8 <= end:
        letters = letters_first(eight_bytes(data, i))
        i += letters
        if letters < 8:
            break
    while i < end:
        point, width = decode(data, i)
        if folds[point] >> _KIND != _WORD:
            break
        i += width
    return i


@kernel
def _after_other_word(data: Bytes, i: int, end: int, folds: Folds, leads: Flags) -> int:
    """Where the word at `i` ends, if its first letters tell that no entry begins with it; else `i`."""
    if i + 8 > end:
        return i
    eight = eight_bytes(data, i)
    letters = letters_first(eight)
    told = letters >= _LEAD_LETTERS or (letters > 0 and data[i + letters] < 0x80 and folds[data[i + letters]] >> _KIND != _WORD)
    return _after_word(data, i + letters, end, folds) if told and not leads[_lead(eight, letters)] else i


@kernel
def _mark_lead(data: Bytes, i: int, end: int, folds: Folds, leads: Flags) -> None:
    eight, letters = np.uint64(0), 0
    while i < end and letters < _LEAD_LETTERS:
        point, width = decode(data, i)
        folded = folds[point]
        letter = folded & _POINT
        if folded >> _KIND != _WORD:
            break
        if not ord("a") <= letter <= ord("z"):
            return  # a text's word that begins so is told by other means
        eight |= np.uint64(letter) << np.uint64(56 - 8 * letters)
        letters += 1
        i += width
    leads[_lead(eight, letters)] = True


@kernel
def _key(before: np.uint64, unit: np.uint64) -> np.uint64:
    return combine(before, unit) | np.uint64(1)


@kernel
def _units(offsets: Counts, data: Bytes, folds: Folds, whole: bool) -> int:
    units = 0
    for row in range(len(offsets) - 1):
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            i = _unit(data, i, end, folds, whole)[0]
            units += 1
    return units


@kernel
def _enter(
    offsets: Counts, data: Bytes, folds: Folds, whole: bool, of_list: Counts,
    keys: Hashes, ends: Counts, goes_on: Flags, begins: Flags, leads: Flags, lists: Counts,
) -> None:  # fmt: skip
    for entry in range(len(of_list)):
        i, end, key = offsets[entry], offsets[entry + 1], np.uint64(0)
        begins[folds[decode(data, i)[0]] & (_BEGINS - 1)] = True
        _mark_lead(data, i, end, folds, leads)
        while i < end:
            i, unit, _ = _unit(data, i, end, folds, whole)
            key = _key(key, unit)
            slot = slot_for(keys, len(keys) - 1, key)
            keys[slot] = key
            if i < end:
                goes_on[slot] = True
            else:
                ends[slot] = entry if ends[slot] < 0 else ends[slot]
                lists[ends[slot]] |= 1 << of_list[entry]


def lexicon(entries: pa.Array, of_list: Sequence[int] | Counts, whole: bool) -> Lexicon:
    """The entries, with no white space at their edges, each of a list by number; `whole` where they may not stand within words."""
    texts, table = strings(entries), folds()
    room = set_room(_units(*texts, table, whole))
    keys, ends, goes_on = np.zeros(room, np.uint64), np.full(room, -1), np.zeros(room, np.bool_)
    begins, leads, lists = np.zeros(_BEGINS, np.bool_), np.zeros(_LEADS, np.bool_), np.zeros(len(entries), np.int64)
    _enter(*texts, table, whole, np.asarray(of_list, np.int64), keys, ends, goes_on, begins, leads, lists)
    return Lexicon(keys, ends, goes_on, begins, leads, lists, whole)


@kernel
def _find(
    offsets: Counts, data: Bytes, folds: Folds, keys: Hashes, ends: Counts, goes_on: Flags, begins: Flags, leads: Flags, lists: Counts,
    whole: bool, seen_in: Counts, places: Counts, distinct: Counts, words: Counts, first: Counts, first_at: Counts, by_list: Table,
) -> None:  # fmt: skip
    mask = len(keys) - 1
    for row in range(len(places)):
        begin, end = offsets[row], offsets[row + 1]
        i, before = begin, _OTHER
        while i < end:
            if data[i] == 32 and i + 1 < end and 32 < data[i + 1] < 0x7F:
                # One space, which no entry begins with.
                before = _BLANK
                i += 1
                continue
            start = i
            if whole:
                i = _after_other_word(data, i, end, folds, leads)
                if i > start:
                    words[row] += 1
                    before = _WORD
                    continue
            may_begin = begins[folds[decode(data, i)[0]] & (_BEGINS - 1)]
            i, unit, kind = _unit(data, i, end, folds, whole)
            words[row] += kind == _WORD and before != _WORD
            within = whole and kind == _OTHER and before == _WORD
            before = kind
            if not may_begin or within:
                continue
            key, at, last, found, longest = _key(np.uint64(0), unit), i, kind, np.int64(0), np.int64(-1)
            slot = slot_for(keys, mask, key)
            while keys[slot] != 0:
                within = whole and last == _OTHER and at < end and folds[decode(data, at)[0]] >> _KIND == _WORD
                entry = ends[slot]
                if entry >= 0 and not within:
                    distinct[row] += seen_in[entry] != row
                    seen_in[entry] = row
                    found |= lists[entry]
                    longest = entry
                if not goes_on[slot] or at == end:
                    break
                at, unit, last = _unit(data, at, end, folds, whole)
                key = _key(key, unit)
                slot = slot_for(keys, mask, key)
            if longest >= 0:
                if places[row] == 0:
                    first[row], first_at[row] = longest, start - begin
                places[row] += 1
                for number in range(by_list.shape[1]):
                    by_list[row, number] += found >> number & 1


def find(array: pa.Array, wanted: Lexicon, lists: int) -> Matches:
    """What of a lexicon of so many lists stands in each string; nothing in a null one."""
    rows, seen_in = len(array), np.full(len(wanted.lists), -1)
    places, distinct, words, first_at = np.zeros((4, rows), np.int64)
    first, by_list = np.full(rows, -1), np.zeros((rows, lists), np.int64)
    _find(
        *strings(array), folds(), wanted.keys, wanted.ends, wanted.goes_on, wanted.begins, wanted.leads, wanted.lists, wanted.whole,
        seen_in, places, distinct, words, first, first_at, by_list,
    )  # fmt: skip
    return Matches(places, distinct, words, first, first_at, by_list)
