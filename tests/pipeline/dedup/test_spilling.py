"""Rows that were spilled come back by ranges, whatever files they are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.dedup.spilling import Spill, runs, within


@pytest.mark.parametrize("rows_at_once", [20, 100, 10_000])
def test_runs_are_all_rows_in_order_and_part_no_number(tmp_path: Path, rows_at_once: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(rng.integers(0, 2**64, 200, np.uint64), 1000), np.arange(1000, dtype=np.uint64)])
    spill = Spill(tmp_path / "rows", 2, rows_at_once)
    for piece in np.array_split(rows, 30, axis=1):
        spill.add(piece)
    spill.flush()
    found = list(runs(spill.places, 2, rows_at_once))
    assert len(found) == 1 + 1000 // rows_at_once
    every = np.concatenate(found, axis=1)
    assert np.all(every[0, 1:] >= every[0, :-1])
    assert sorted(map(tuple, every.T.tolist())) == sorted(map(tuple, rows.T.tolist()))
    numbers = [set(run[0].tolist()) for run in found]
    assert sum(map(len, numbers)) == len(set().union(*numbers))


def test_a_piece_is_written_once_it_is_full(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "rows", 1, 3)
    for count, files in ((2, 0), (1, 1), (0, 1), (5, 2), (2, 2)):
        spill.add(np.zeros((1, count), np.uint64))
        assert len(spill.places) == files
    spill.flush()
    spill.flush()
    assert len(spill.places) == 3


def test_rows_within_ranges(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "rows", 2, 2)
    for number in (5, 9, 3, 7, 5, 1):
        spill.add(np.array([[number], [number * 10]], np.uint64))
    lows, highs = (np.array(edges, np.uint64) for edges in ([7, 0, 3, 100], [8, 1, 6, 200]))
    ranges, rows = within(spill.places, 2, lows, highs)
    assert ranges.tolist() == [0, 2, 2, 2]
    assert rows.tolist() == [[7, 3, 5, 5], [70, 30, 50, 50]]


def test_nothing_was_spilled(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "rows", 3, 2)
    assert [run.shape for run in runs(spill.places, 3, 2)] == [(3, 0)]
    assert within(spill.places, 3, np.zeros(2, np.uint64), np.ones(2, np.uint64))[1].shape == (3, 0)
    with pytest.raises(ValueError, match="expected 3 columns, not 2"):
        spill.add(np.zeros((2, 1), np.uint64))
