"""Many bytes at a time: what numba has no name for."""

# ruff: noqa: ARG001  # numba calls with all of them

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.kernels import kernel

Bytes = npt.NDArray[np.uint8]

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_FROM_A = np.uint64(0x80 - ord("a")) * _ONES
_AFTER_Z = np.uint64(0x80 - ord("z") - 1) * _ONES
_FROM_SPACE = np.uint64(0x80 - 0x20) * _ONES
_LINE_FEEDS = np.uint64(10) * _ONES
_CASE = np.uint64(0x20) * _ONES
_SPACES, _DELETES = _CASE, np.uint64(0x7F) * _ONES


def _eight_bytes(_: Any, data: Any, i: Any) -> Any:
    """The eight bytes at `data[i]`, the first one highest; the caller sees to it that there are eight."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        loaded = builder.load(place)
        loaded.align = 1
        return builder.bswap(loaded)

    return types.uint64(data, types.int64), code


def _leading_zeros(_: Any, value: Any) -> Any:
    """The zero bits above the highest one; 64 of 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


def _move_bytes(_: Any, data: Any, start: Any, out: Any, at: Any, size: Any) -> Any:
    """Write `data[start : start + size]` to `out[at:]`, which may overlap."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2))
        target, source = builder.gep(target, [arguments[3]]), builder.gep(source, [arguments[1]])
        cgutils.raw_memmove(builder, target, source, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(data, types.int64, out, types.int64, types.int64), code


# What numba compiles into the callers.
eight_bytes: Any = intrinsic(_eight_bytes)  # (bytes, place) to a uint64
move_bytes: Any = intrinsic(_move_bytes)  # (bytes, place, bytes to write, place, size) to nothing
leading_zeros: Any = intrinsic(_leading_zeros)  # uint64 to a uint64


@kernel
def letters_first(eight: np.uint64) -> int:
    """How many of eight bytes, the first one highest, come before the first that is no ASCII letter."""
    low = (eight | _CASE) & ~_HIGH
    letters = (low + _FROM_A) & ~(low + _AFTER_Z) & ~eight & _HIGH
    return int(leading_zeros(~letters & _HIGH)) >> 3


@kernel
def plain_first(eight: np.uint64) -> int:
    """How many of eight bytes, the first one highest, come before the first that is a control character or no ASCII."""
    controls = ~((eight & ~_HIGH) + _FROM_SPACE) & _HIGH
    return int(leading_zeros(controls | (eight & _HIGH))) >> 3


@kernel
def _equal(eight: np.uint64, bytes_wanted: np.uint64) -> np.uint64:
    """The highest bit of each byte that is as in the other number."""
    other = eight ^ bytes_wanted
    return ~(((other & ~_HIGH) + ~_HIGH) | other | ~_HIGH)


@kernel
def spaces_in(eight: np.uint64) -> np.uint64:
    """The highest bit of each byte that is a space."""
    return _equal(eight, _SPACES)


@kernel
def signs_first(eight: np.uint64) -> int:
    """How many of eight bytes, the first one highest, come before the first that is neither a visible sign of ASCII nor a space."""
    controls = ~((eight & ~_HIGH) + _FROM_SPACE) & _HIGH
    return int(leading_zeros(controls | (eight & _HIGH) | _equal(eight, _DELETES))) >> 3


@kernel
def any_of_two(eight: np.uint64, one: int, another: int) -> int:
    """How many of eight bytes, the first one highest, come before the first that is one of two."""
    return int(leading_zeros(_equal(eight, np.uint64(one) * _ONES) | _equal(eight, np.uint64(another) * _ONES))) >> 3


@kernel
def in_range(eight: np.uint64, first: int, last: int) -> np.uint64:
    """The highest bit of each of eight bytes, all of them ASCII, that lies from `first` to `last`."""
    return (eight + np.uint64(0x80 - first) * _ONES) & ~(eight + np.uint64(0x7F - last) * _ONES) & _HIGH


@kernel
def count_bytes(highest: np.uint64) -> int:
    """How many bytes have their highest bit, which is the only one that may be set."""
    return int((highest >> np.uint64(7)) * _ONES >> np.uint64(56))


@kernel
def is_ascii(eight: np.uint64) -> bool:
    """Whether all of eight bytes are."""
    return eight & _HIGH == 0


@kernel
def to_any(data: Bytes, i: int, end: int, one: int, another: int, third: int) -> int:
    """The first byte from byte `i` on that is one of three, or `end`."""
    while i + 8 <= end:
        eight = eight_bytes(data, i)
        found = _equal(eight, np.uint64(one) * _ONES) | _equal(eight, np.uint64(another) * _ONES) | _equal(eight, np.uint64(third) * _ONES)
        if found:
            return i + (int(leading_zeros(found)) >> 3)
        i += 8
    while i < end and data[i] != one and data[i] != another and data[i] != third:
        i += 1
    return i


@kernel
def to_line_feed(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """The first line feed from byte `i` on, or `end`; and the characters before it, of valid UTF-8."""
    chars = 0
    while i + 8 <= end:
        eight = eight_bytes(data, i)
        found = _equal(eight, _LINE_FEEDS)
        # Bytes within a character begin with the bits 10.
        within = (eight >> np.uint64(7)) & ~(eight >> np.uint64(6)) & _ONES
        if found:
            count = int(leading_zeros(found)) >> 3
            inner = within >> np.uint64(8 * (8 - count)) if count else np.uint64(0)
            return i + count, chars + count - int(inner * _ONES >> np.uint64(56))
        chars += 8 - int(within * _ONES >> np.uint64(56))
        i += 8
    while i < end and data[i] != 10:
        chars += data[i] & 0xC0 != 0x80
        i += 1
    return i, chars
