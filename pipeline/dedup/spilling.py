"""Tables of 64-bit numbers that memory cannot hold: written in pieces sorted by their first column, read again by ranges of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.dedup.precedence import Rows
from pipeline.kernels.strings import Hashes


class Spill:
    """Rows on their way to files in a folder: a piece is written once there are so many."""

    def __init__(self, folder: Path, columns: int, rows_at_once: int) -> None:
        self._folder, self._columns, self._rows_at_once = folder, columns, rows_at_once
        self._waiting: list[Hashes] = []
        self._rows = 0
        self.places: list[Path] = []
        folder.mkdir()

    def add(self, rows: Hashes) -> None:
        """Add rows: an array of (columns, rows)."""
        if rows.shape[0] != self._columns:
            raise ValueError(f"expected {self._columns} columns, not {rows.shape[0]}")
        self._waiting.append(rows)
        self._rows += rows.shape[1]
        if self._rows >= self._rows_at_once:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._rows:
            rows = np.concatenate(self._waiting, axis=1)
            place = self._folder / f"{len(self.places)}.npy"
            np.save(place, rows[:, np.argsort(rows[0])])
            self.places.append(place)
        self._waiting, self._rows = [], 0


def runs(places: Sequence[Path], columns: int, rows_at_once: int) -> Iterator[Hashes]:
    """All rows of some files in ascending order of the first column, a range of it at a time.

    A run has about `rows_at_once` rows where the first column is spread evenly over 64 bits; rows of one number are never parted.
    """
    total = sum(np.load(place, mmap_mode="r").shape[1] for place in places)
    count = 1 + total // rows_at_once
    edges = [(run << 64) // count for run in range(count)] + [None]
    for low, high in pairwise(edges):
        parts = [np.empty((columns, 0), np.uint64)]
        for place in places:
            spilled = np.load(place, mmap_mode="r")
            begin = np.searchsorted(spilled[0], np.uint64(low))
            end = spilled.shape[1] if high is None else np.searchsorted(spilled[0], np.uint64(high))
            parts.append(spilled[:, begin:end].copy())  # a view would hold its file open
        both = np.concatenate(parts, axis=1)
        yield both[:, np.argsort(both[0])]


def within(places: Sequence[Path], columns: int, lows: Hashes, highs: Hashes) -> tuple[Rows, Hashes]:
    """The rows whose first column is in one of some ranges, half open: by range and first column, with the range of each."""
    ranges, parts = [np.empty(0, np.int64)], [np.empty((columns, 0), np.uint64)]
    for place in places:
        spilled = np.load(place, mmap_mode="r")
        begins, ends = np.searchsorted(spilled[0], lows), np.searchsorted(spilled[0], highs)
        counts = ends - begins
        skipped = np.repeat(begins - np.cumsum(counts) + counts, counts)
        parts.append(np.asarray(spilled[:, skipped + np.arange(len(skipped))]))
        ranges.append(np.repeat(np.arange(len(lows)), counts))
    rows, found = np.concatenate(parts, axis=1), np.concatenate(ranges)
    order = np.lexsort((rows[0], found))
    return found[order], rows[:, order]
