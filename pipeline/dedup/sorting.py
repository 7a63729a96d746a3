"""Sorting short runs of 64-bit numbers inside of kernels."""

from __future__ import annotations

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

_BYTE = np.uint64(0xFF)
_SHORT = 48  # numbers that are sorted sooner by insertion than by counting

TALLIES = 256  # room that `sort` asks for


@kernel
def sort(numbers: Hashes, start: int, count: int, spare: Hashes, tallies: Counts) -> None:
    """Put `count` numbers from `start` on in ascending order; `spare` has room for as many, `tallies` for `TALLIES`."""
    if count <= _SHORT:
        _insert(numbers, start, count)
        return
    for shift in range(0, 64, 8):
        by = np.uint64(shift)
        tallies[:] = 0
        for i in range(start, start + count):
            tallies[(numbers[i] >> by) & _BYTE] += 1
        if tallies[(numbers[start] >> by) & _BYTE] == count:
            continue
        place = 0
        for byte in range(TALLIES):
            tallies[byte], place = place, place + tallies[byte]
        for i in range(start, start + count):
            byte = (numbers[i] >> by) & _BYTE
            spare[tallies[byte]] = numbers[i]
            tallies[byte] += 1
        for i in range(count):
            numbers[start + i] = spare[i]


@kernel
def _insert(numbers: Hashes, start: int, count: int) -> None:
    for i in range(start + 1, start + count):
        number, k = numbers[i], i
        while k > start and numbers[k - 1] > number:
            numbers[k] = numbers[k - 1]
            k -= 1
        numbers[k] = number
