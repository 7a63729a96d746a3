"""Where a run of characters between white space is cut into words, by spaCy's rules for English.

The order is spaCy's: exceptions, then one prefix and one suffix at a time, then a URL stays whole, then infixes; last,
neighbours that spell an exception together become its pieces. A chunk comes as its glyphs, each a character's kind and
code point in one number, and their byte positions; the answer is a mark on every glyph that begins a word.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import characters, kernel
from pipeline.kernels.english import exceptions, units
from pipeline.kernels.strings import Bytes, Counts, Hashes, hash_bytes, hashes

Glyphs = npt.NDArray[np.int64]  # kind << KIND | code point
Marks = npt.NDArray[np.uint8]

KIND = 21
CODE = (1 << KIND) - 1

ALPHA = int(characters.ALPHA) << KIND
ALPHANUMERIC = ALPHA | int(characters.DIGIT) << KIND
BEFORE_DOT = int(characters.BEFORE_DOT) << KIND
CURRENCY = int(characters.CURRENCY) << KIND
DIGIT = int(characters.DIGIT) << KIND
HOST = int(characters.HOST) << KIND
HYPHEN = int(characters.HYPHEN) << KIND
INFIX = int(characters.INFIX) << KIND
LOWER = int(characters.LOWER) << KIND
LOWER_OR_QUOTE = LOWER | int(characters.QUOTE) << KIND
PREFIX = int(characters.PREFIX) << KIND
SCHEME = int(characters.SCHEME) << KIND
SUFFIX = int(characters.SUFFIX) << KIND
UPPER = int(characters.UPPER) << KIND
UPPER_OR_QUOTE = UPPER | int(characters.QUOTE) << KIND

_SLOTS = 8192
_LONGEST = 32  # bytes of an exception
_UNIT = np.uint64(0x5555555555555555)  # tells units from words in the one table
_MOST_MERGED = 6  # words that an exception may have been cut into

_APOSTROPHE, _CURLY, _DEGREE, _ELLIPSIS, _EM_DASH = 0x27, 0x2019, 0xB0, 0x2026, 0x2014


class Exceptions(NamedTuple):
    """An open-addressed set of hashes, zero where empty."""

    keys: Hashes
    pieces: Hashes  # the characters of each piece of that word, a byte for each, the first lowest


def _insert(keys: Hashes, key: np.uint64) -> int:
    slot = int(key) & (_SLOTS - 1)
    while keys[slot]:
        slot = (slot + 1) & (_SLOTS - 1)
    keys[slot] = key
    return slot


@cache
def exception_table() -> Exceptions:
    """The exceptions of `english` and its units, built once a process."""
    keys, pieces = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.uint64)
    table = exceptions()
    for parts, key in zip(table.values(), hashes(pa.array(table, pa.large_string())), strict=True):
        pieces[_insert(keys, key)] = int.from_bytes([len(part) for part in parts], "little")
    for key in hashes(pa.array(units(), pa.large_string())):
        _insert(keys, key ^ _UNIT)
    keys.flags.writeable = pieces.flags.writeable = False
    return Exceptions(keys, pieces)


@kernel
def slot_of(keys: Hashes, key: np.uint64) -> np.int64:
    """The slot of a key, or -1."""
    slot = np.int64(key & np.uint64(_SLOTS - 1))
    while keys[slot] != 0:
        if keys[slot] == key:
            return slot
        slot = (slot + 1) & (_SLOTS - 1)
    return np.int64(-1)


@kernel
def exception_of(keys: Hashes, data: Bytes, start: int, end: int) -> np.int64:
    """The slot of the exception that `data[start:end]` is, or -1."""
    if end <= start or end - start > _LONGEST:
        return np.int64(-1)
    return slot_of(keys, hash_bytes(data, start, end))


@kernel
def _dots(glyphs: Glyphs, a: int, b: int) -> int:
    k = a
    while k < b and glyphs[k] & CODE == ord("."):
        k += 1
    return k - a


@kernel
def _dollars(glyphs: Glyphs, a: int, b: int) -> int:
    """The length of the name of a dollar that stands from `a` on, or 0."""
    if b - a >= 2 and glyphs[a] & CODE in (ord("A"), ord("C")) and glyphs[a + 1] & CODE == ord("$"):
        return 2
    us = b - a >= 3 and glyphs[a] & CODE == ord("U") and glyphs[a + 1] & CODE == ord("S") and glyphs[a + 2] & CODE == ord("$")
    return 3 if us else 0


@kernel
def _prefix(glyphs: Glyphs, a: int, b: int) -> int:
    """The length of the prefix to split off `a` to `b`, or 0."""
    if glyphs[a] & PREFIX:
        return 1
    code = glyphs[a] & CODE
    if code == ord("."):
        dots = _dots(glyphs, a, b)
        return dots if dots > 1 else 0
    if code == ord("+"):
        return 0 if a + 1 < b and glyphs[a + 1] & DIGIT else 1
    return _dollars(glyphs, a, b)


@kernel
def _dot_suffix(glyphs: Glyphs, a: int, b: int) -> int:
    k = b
    while k > a and glyphs[k - 1] & CODE == ord("."):
        k -= 1
    if b - k > 1:
        return b - k
    if k == a:
        return 0
    if glyphs[k - 1] & BEFORE_DOT:
        return 1
    if k - 2 < a:
        return 0
    last = glyphs[k - 1] & CODE | 0x20
    if glyphs[k - 2] & CODE == _DEGREE and last in (ord("c"), ord("f"), ord("k")):
        return 1
    return 1 if glyphs[k - 1] & UPPER and glyphs[k - 2] & UPPER else 0


@kernel
def _unit_suffix(glyphs: Glyphs, pos: Counts, data: Bytes, keys: Hashes, a: int, b: int) -> int:
    for length in range(1, 6):
        k = b - length
        if k - 1 < a or glyphs[k] & DIGIT:
            return 0
        if glyphs[k - 1] & DIGIT:
            return length if slot_of(keys, hash_bytes(data, pos[k], pos[b]) ^ _UNIT) >= 0 else 0
    return 0


@kernel
def _currency_suffix(glyphs: Glyphs, a: int, b: int) -> int:
    for length in range(1, 4):
        if b - length > a and glyphs[b - length - 1] & DIGIT:
            return length if length == 1 or _dollars(glyphs, b - length, b) == length else 0
    return 0


@kernel
def _suffix(glyphs: Glyphs, pos: Counts, data: Bytes, keys: Hashes, a: int, b: int) -> int:
    """The length of the suffix to split off `a` to `b`, or 0; of several that fit, the longest."""
    if a >= b:
        return 0
    last = glyphs[b - 1] & CODE
    if last == ord("."):
        return _dot_suffix(glyphs, a, b)
    longest = 1 if glyphs[b - 1] & SUFFIX else 0
    if b - a < 2:
        return longest
    before = glyphs[b - 2] & CODE
    if ((last | 0x20) == ord("s") and before in (_APOSTROPHE, _CURLY)) or (last == _ELLIPSIS and before == _ELLIPSIS):
        longest = 2
    elif last == ord("+") and glyphs[b - 2] & DIGIT:
        longest = 1
    elif glyphs[b - 1] & CURRENCY:
        longest = _currency_suffix(glyphs, a, b)
    return max(longest, _unit_suffix(glyphs, pos, data, keys, a, b))


@kernel
def _hyphen(glyphs: Glyphs, k: int, b: int) -> int:
    code = glyphs[k] & CODE
    most = 3 if code == ord("-") else 2 if code == _EM_DASH else 1
    for length in range(1, most + 1):
        if k + length >= b:
            return 0
        if glyphs[k + length] & ALPHA:
            return length
        if glyphs[k + length] & CODE != code:
            return 0
    return 0


@kernel
def _infix(glyphs: Glyphs, k: int, a: int, b: int) -> int:  # noqa: PLR0911  # one for each of the rules
    """The length of the infix at `k`, or 0."""
    if glyphs[k] & INFIX:
        return 1
    code = glyphs[k] & CODE
    if code == ord("."):
        dots = _dots(glyphs, k, b)
        if dots > 1:
            return dots
    if k == a or k + 1 >= b:
        return 0
    before, after = glyphs[k - 1], glyphs[k + 1]
    if code == ord("."):
        return 1 if before & LOWER_OR_QUOTE and after & UPPER_OR_QUOTE else 0
    if before & DIGIT and code in (ord("-"), ord("+"), ord("*"), ord("^")) and (after & DIGIT or after & CODE == ord("-")):
        return 1
    if code == ord(","):
        return 1 if before & ALPHA and after & ALPHA else 0
    if not before & ALPHANUMERIC:
        return 0
    if glyphs[k] & HYPHEN:
        return _hyphen(glyphs, k, b)
    if code in (ord(":"), ord("<"), ord("="), ord(">"), ord("/")):
        return 1 if after & ALPHA else 0
    return 0


@kernel
def _mark_infixes(glyphs: Glyphs, cut: Marks, a: int, b: int) -> None:
    k = a
    while k < b:
        length = 0 if glyphs[k] & ALPHANUMERIC else _infix(glyphs, k, a, b)
        if length and k > a:
            cut[k] = 1
            cut[k + length] = 1
        k += max(length, 1)


@kernel
def _octet(glyphs: Glyphs, k: int, b: int) -> tuple[int, int]:
    """The decimal number of one to three digits at `k`, and where it ends; -1 where there is none."""
    value, end = 0, k
    while end < b and end - k < 3 and glyphs[end] & DIGIT:
        value = value * 10 + (glyphs[end] & CODE) - ord("0")
        end += 1
    return (value, end) if end > k else (-1, k)


@kernel
def _address(glyphs: Glyphs, a: int, b: int) -> int:
    """Where a public IPv4 address that begins at `a` ends, or -1."""
    first, k = _octet(glyphs, a, b)
    if first < 1 or first > 223 or first in (10, 127):
        return -1
    second = 0
    for place in range(3):
        if k >= b or glyphs[k] & CODE != ord("."):
            return -1
        value, k = _octet(glyphs, k + 1, b)
        if value < 0 or value > 255 or (place == 2 and value in (0, 255)):
            return -1
        if place == 0:
            second = value
    private = (first == 169 and second == 254) or (first == 192 and second == 168) or (first == 172 and 16 <= second <= 31)
    return -1 if private else k


@kernel
def _domain(glyphs: Glyphs, a: int, b: int) -> int:
    """Where a domain name that begins at `a` ends, or -1: labels, then a last one of 2 to 63 lower-case letters."""
    k, label, labels, lower = a, a, 0, True
    while k < b:
        code = glyphs[k] & CODE
        if code == ord("."):
            if k == label or not glyphs[label] & HOST or not glyphs[k - 1] & HOST or k - label > 64:
                return -1
            label, labels, lower = k + 1, labels + 1, True
        elif glyphs[k] & HOST or code in (ord("_"), ord("-")):
            lower = lower and glyphs[k] & LOWER != 0
        else:
            break
        k += 1
    return k if labels and lower and 2 <= k - label <= 63 else -1


@kernel
def _ends_host(glyphs: Glyphs, a: int, b: int) -> bool:
    """Whether a port, a path or nothing is all that follows a host that ends at `a`, which is -1 where there is none."""
    k = a
    if 0 <= k < b and glyphs[k] & CODE == ord(":"):
        k += 1
        while k < b and glyphs[k] & DIGIT:
            k += 1
        if not 2 <= k - a - 1 <= 5:
            return False
    if k < 0 or k == b:
        return k == b
    code = glyphs[k] & CODE
    return code in (ord("/"), ord("?"), ord("#"))


@kernel
def _after_scheme(glyphs: Glyphs, a: int, b: int) -> int:
    k = a
    while k < b and glyphs[k] & SCHEME:
        k += 1
    slashes = k + 2 < b and glyphs[k] & CODE == ord(":") and glyphs[k + 1] & CODE == ord("/") and glyphs[k + 2] & CODE == ord("/")
    return k + 3 if slashes and k - a >= 2 else a


@kernel
def _is_url(glyphs: Glyphs, a: int, b: int) -> bool:
    start = _after_scheme(glyphs, a, b)
    for k in range(start, b):
        # Whatever stands before an at sign is a name and a password, and there may be many signs.
        if k > start and (k == start + 1 or glyphs[k - 1] & CODE != ord("@")):
            continue
        if _ends_host(glyphs, _domain(glyphs, k, b), b) or _ends_host(glyphs, _address(glyphs, k, b), b):
            return True
    return False


@kernel
def _mark_pieces(pieces: np.uint64, cut: Marks, a: int, b: int) -> None:
    for k in range(a + 1, b):
        cut[k] = 0
    k = a
    while pieces:
        cut[k] = 1
        k += int(pieces & np.uint64(255))
        pieces >>= np.uint64(8)


@kernel
def _next_word(cut: Marks, k: int, m: int) -> int:
    k += 1
    while k < m and not cut[k]:
        k += 1
    return k


@kernel
def _merge(pos: Counts, data: Bytes, keys: Hashes, pieces: Hashes, cut: Marks, m: int) -> None:
    """Give neighbours that spell an exception together its own pieces, the longest that begins at each word."""
    a = 0
    while a < m:
        after = b = _next_word(cut, a, m)
        for _ in range(_MOST_MERGED - 1):
            if b == m:
                break
            b = _next_word(cut, b, m)
            slot = exception_of(keys, data, pos[a], pos[b])
            if slot >= 0:
                _mark_pieces(pieces[slot], cut, a, b)
                after = b
        a = after


@kernel
def mark_words(glyphs: Glyphs, pos: Counts, data: Bytes, keys: Hashes, pieces: Hashes, cut: Marks, m: int) -> None:
    """Set `cut[k]` to 1 where a word of the chunk of `m` glyphs begins, to 0 elsewhere.

    `pos` has `m + 1` byte positions in `data`; `cut` has room for `m + 1` marks.
    """
    for k in range(1, m + 1):
        cut[k] = 0
    cut[0] = 1
    a, b, slot = 0, m, np.int64(-1)
    while a < b:
        slot = exception_of(keys, data, pos[a], pos[b])
        if slot >= 0:
            break
        prefix = _prefix(glyphs, a, b)
        if prefix:
            slot = exception_of(keys, data, pos[a + prefix], pos[b])
            if slot >= 0:
                a += prefix
                break
        suffix = _suffix(glyphs, pos, data, keys, a + prefix, b)
        if suffix:
            b -= suffix
            cut[b] = 1
            slot = exception_of(keys, data, pos[a], pos[b])
            if slot >= 0:
                break
        if not prefix and not suffix:
            break
        a += prefix
        cut[a] = 1
    if slot >= 0:
        _mark_pieces(pieces[slot], cut, a, b)
    elif a < b and not _is_url(glyphs, a, b):
        _mark_infixes(glyphs, cut, a, b)
    _merge(pos, data, keys, pieces, cut, m)
