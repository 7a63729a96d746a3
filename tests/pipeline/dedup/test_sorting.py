from __future__ import annotations

import numpy as np
import pytest

from pipeline.dedup.sorting import TALLIES, sort


@pytest.mark.parametrize("count", [0, 1, 2, 47, 48, 49, 1000])
@pytest.mark.parametrize("bound", [1, 3, 2**20, 2**64 - 1])
def test_any_numbers_come_out_ascending_and_their_neighbours_stay(count: int, bound: int) -> None:
    numbers = np.random.default_rng(count).integers(0, bound, count + 6, np.uint64, endpoint=True)
    expected = np.concatenate([numbers[:3], np.sort(numbers[3:-3]), numbers[-3:]])
    sort(numbers, 3, count, np.empty(count, np.uint64), np.empty(TALLIES, np.int64))
    assert numbers.tolist() == expected.tolist()
