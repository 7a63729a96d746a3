"""From tables of words or lines back to rows: counts and shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint8]


@kernel
def _count_flag(row_offsets: Counts, flags: Flags, flag: int, out: Counts) -> None:
    for row in range(len(out)):
        count = 0
        for i in range(row_offsets[row], row_offsets[row + 1]):
            count += flags[i] & flag != 0
        out[row] = count


def count_flag(row_offsets: Counts, flags: Flags, flag: np.uint8) -> Counts:
    """How many entries of each row carry the flag."""
    out = np.empty(len(row_offsets) - 1, np.int64)
    _count_flag(row_offsets, flags, int(flag), out)
    return out


@kernel
def _count_distinct(row_offsets: Counts, hashes: Hashes, wanted: Hashes, out: Counts) -> None:
    for row in range(len(out)):
        count, own = 0, hashes[row_offsets[row] : row_offsets[row + 1]]
        for place in range(len(wanted)):
            times = 0
            for i in range(len(own)):
                times += own[i] == wanted[place]
            count += times > 0
        out[row] = count


def count_distinct(row_offsets: Counts, hashes: Hashes, wanted: Hashes) -> Counts:
    """How many of the wanted hashes each row has, each counted once."""
    out = np.empty(len(row_offsets) - 1, np.int64)
    _count_distinct(row_offsets, hashes, wanted, out)
    return out


def share(part: Numbers, whole: Numbers) -> npt.NDArray[np.float64]:
    """`part / whole` row by row; a share of nothing is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole), np.float64), where=whole != 0)
