"""Whether a name is one of millions: a set of 64-bit hashes, so that two million names take 64 MB at most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.sets import set_room, slot_for
from pipeline.kernels.strings import Hashes, hashes

Mask = npt.NDArray[np.bool_]


@kernel
def _insert(keys: Hashes, names: Hashes) -> None:
    for i in range(len(names)):
        key = names[i] | np.uint64(1)
        keys[slot_for(keys, len(keys) - 1, key)] = key


@kernel
def _look_up(keys: Hashes, names: Hashes, found: Mask) -> None:
    for i in range(len(names)):
        found[i] = keys[slot_for(keys, len(keys) - 1, names[i] | np.uint64(1))] != 0


def name_set(names: pa.Array) -> Hashes:
    """The set of these strings."""
    keys = np.zeros(set_room(len(names)), np.uint64)
    _insert(keys, hashes(names))
    return keys


def are_in(keys: Hashes, names: pa.Array) -> Mask:
    """Which of the strings are in a set; one in 10¹² of those that are not is taken for one of two million."""
    found = np.empty(len(names), np.bool_)
    _look_up(keys, hashes(names), found)
    return found
