"""Arrow strings as the kernels see them: offsets and bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.eight import eight_bytes, letters_first

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINISHER = np.uint64(0xBF58476D1CE4E5B9)
_EIGHT = np.uint64(8)
_HALF = np.uint64(32)


class Strings(NamedTuple):
    """Row `i` is `data[offsets[i] : offsets[i + 1]]`, UTF-8; a null row is empty."""

    offsets: Counts
    data: Bytes


def strings(array: pa.Array) -> Strings:
    """The offsets and bytes of a `string` or `large_string` array, sliced or not; the bytes are not copied."""
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise TypeError(f"expected an array of strings, not of {array.type}")
    width: npt.DTypeLike = np.int32 if pa.types.is_string(array.type) else np.int64
    _, offsets, data = array.buffers()
    if not len(array) or offsets is None:
        return Strings(np.zeros(len(array) + 1, np.int64), np.zeros(0, np.uint8))
    view = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1]
    # Both arrays are made read-only, as Arrow's own are: one type, so one compilation.
    starts = view.astype(np.int64)
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return Strings(starts, content)


@kernel
def mix(state: np.uint64, value: np.uint64) -> np.uint64:
    """The next state of a 64-bit hash: for a fixed state, different values never collide."""
    state = (state ^ value) * _MULTIPLIER
    state = (state ^ (state >> _HALF)) * _FINISHER
    return state ^ (state >> _HALF)


@kernel
def combine(state: np.uint64, value: np.uint64) -> np.uint64:
    """The next state of a hash over a sequence of hashes: their order counts."""
    return mix(state * _FINISHER, value)


@kernel
def hash_bytes(data: Bytes, start: int, end: int) -> np.uint64:
    """A 64-bit hash of `data[start:end]`; not for secrets."""
    state, word, i = np.uint64(0), np.uint64(0), start
    while i + 8 <= end:
        state = mix(state, eight_bytes(data, i))
        i += 8
    if i < end and i + 8 <= len(data):
        word = eight_bytes(data, i) >> np.uint64(8 * (8 - (end - i)))
    else:
        for k in range(i, end):
            word = (word << _EIGHT) | np.uint64(data[k])
    return mix(state + np.uint64(end - start) * _FINISHER, word)


@kernel
def hash_letters(data: Bytes, start: int, end: int) -> tuple[int, np.uint64]:
    """Where the run of ASCII letters from `start` on ends, and the hash of its bytes."""
    state, word, i = np.uint64(0), np.uint64(0), start
    while i + 8 <= end:
        eight = eight_bytes(data, i)
        letters = letters_first(eight)
        if letters < 8:
            word = eight >> np.uint64(8 * (8 - letters)) if letters else np.uint64(0)
            return i + letters, mix(state + np.uint64(i + letters - start) * _FINISHER, word)
        state = mix(state, eight)
        i += 8
    while i < end and ord("a") <= (data[i] | 0x20) <= ord("z"):
        word = (word << _EIGHT) | np.uint64(data[i])
        i += 1
    return i, mix(state + np.uint64(i - start) * _FINISHER, word)


@kernel
def _hash_rows(offsets: Counts, data: Bytes, out: Hashes) -> None:
    for row in range(len(out)):
        out[row] = hash_bytes(data, offsets[row], offsets[row + 1])


def hashes(array: pa.Array) -> Hashes:
    """A 64-bit hash of each string: that of the same bytes as a word in a `WordTable`."""
    out = np.empty(len(array), np.uint64)
    _hash_rows(*strings(array), out)
    return out


@kernel
def decode(data: Bytes, i: int) -> tuple[np.int64, int]:
    """The code point at byte `i` of valid UTF-8, and its bytes."""
    first = np.int64(data[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[i + 1] & 0x3F), 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | np.int64(data[i + 1] & 0x3F) << 6 | (data[i + 2] & 0x3F), 3
    return (first & 0x07) << 18 | np.int64(data[i + 1] & 0x3F) << 12 | np.int64(data[i + 2] & 0x3F) << 6 | (data[i + 3] & 0x3F), 4


@kernel
def decode_before(data: Bytes, end: int) -> tuple[np.int64, int]:
    """The code point that ends before byte `end` of valid UTF-8, and its bytes."""
    i = end - 1
    while i > 0 and data[i] & 0xC0 == 0x80:
        i -= 1
    return decode(data, i)


def count_byte(array: pa.Array, byte: int) -> Counts:
    """How often each string has a byte."""
    offsets, data = strings(array)
    places = np.flatnonzero(data[offsets[0] : offsets[-1]] == byte) + offsets[0]
    return np.diff(np.searchsorted(places, offsets))
