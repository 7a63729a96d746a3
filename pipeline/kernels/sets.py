"""Sets of 64-bit hashes in arrays of their caller's: open addressing, zero where a slot is empty; or ascending, where they stay."""

from __future__ import annotations

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.strings import Hashes


def set_room(most: int) -> int:
    """The slots that an array must have for sets of up to `most` keys."""
    return max(16, 1 << (2 * most).bit_length())


@kernel
def clear(keys: Hashes, needed: int) -> int:
    """Empty as many slots as a set of `needed` keys is quick with; their number less one."""
    size = 16
    while size < 2 * needed:
        size *= 2
    for slot in range(size):
        keys[slot] = 0
    return size - 1


@kernel
def slot_for(keys: Hashes, mask: int, key: np.uint64) -> np.int64:
    """Where the key stands, or the empty slot where it would."""
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def place_of(ascending: Hashes, key: np.uint64) -> int:
    """Where the key stands among ascending ones, or -1."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) >> 1
        if ascending[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ascending) and ascending[low] == key else -1
