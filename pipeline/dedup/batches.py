"""Documents that meet, dealt into batches that fit in memory: what has no meeting in common is compared apart.

Two documents can only be a pair where they are of one component of the graph of meetings; so no division into batches of whole
components changes what is found. A batch lies on disk until its turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.dedup.bands import Meetings
from pipeline.dedup.minhash import Values
from pipeline.dedup.precedence import Rows
from pipeline.dedup.shingles import Sets, unpacked
from pipeline.kernels import kernel


class Batch(NamedTuple):
    """Documents with all that they meet, rows ascending; meetings are numbered by their place here."""

    rows: Rows
    met: Meetings
    signatures: Values
    sets: Sets


class Deal(NamedTuple):
    """Which rows are of which batch; rows ascending."""

    rows: Rows
    batches: Rows

    @property
    def size(self) -> int:
        """How many batches there are."""
        return int(self.batches.max(initial=-1)) + 1

    def between(self, first: int, count: int) -> Deal:
        """Those of `count` rows from `first` on."""
        start, end = np.searchsorted(self.rows, [first, first + count])
        return Deal(self.rows[start:end], self.batches[start:end])


def deal(met: Meetings, weights: Rows, most: int) -> Deal:
    """Whole components, in order of their first rows, into batches of at most `most` of weight; one that is heavier has its own.

    `weights` are those of the rows that meet others, ascending.
    """
    rows, members = np.unique(met.rows, return_inverse=True)
    roots = np.arange(len(rows))
    _unite(members, met.buckets, roots)
    together = np.argsort(roots, kind="stable")
    heads = np.flatnonzero(np.diff(roots[together], prepend=-1))
    numbers = np.empty(len(heads), np.int64)
    _fill(np.add.reduceat(weights[together], heads) if len(heads) else np.empty(0, np.int64), most, numbers)
    batches = np.empty(len(rows), np.int64)
    batches[together] = np.repeat(numbers, np.diff(heads, append=len(rows)))
    return Deal(rows, batches)


class Spill:
    """The signatures and shingles of each batch's documents, in files of a folder."""

    def __init__(self, folder: Path, permutations: int, count: int) -> None:
        self._schema = pa.schema(
            [("row", pa.int64()), ("signature", pa.list_(pa.uint32(), permutations)), ("shingles", pa.large_list(pa.uint64()))]
        )
        self._paths = [folder / f"batch-{number:05d}.arrow" for number in range(count)]
        self._writers = [pa.ipc.new_stream(str(path), self._schema) for path in self._paths]

    def write(self, part: Deal, signatures: Values, sets: pa.LargeListArray) -> None:
        """Put some documents where they belong; a row of `signatures` and `sets` each."""
        signed = pa.FixedSizeListArray.from_arrays(pa.array(signatures.reshape(-1)), signatures.shape[1])
        table = pa.record_batch([pa.array(part.rows), signed, sets], schema=self._schema)
        for number in np.unique(part.batches):
            self._writers[number].write_batch(table.take(pa.array(np.flatnonzero(part.batches == number))))

    def close(self) -> None:
        """All is written."""
        for writer in self._writers:
            writer.close()

    def read(self, number: int, met: Meetings) -> Batch:
        """One batch; `met` are its meetings, by row."""
        with pa.ipc.open_stream(str(self._paths[number])) as stream:
            table = stream.read_all()
        table = table.take(np.argsort(table["row"].to_numpy())).combine_chunks()
        rows = table["row"].to_numpy()
        signed, sets = (table[name].chunk(0) for name in ("signature", "shingles"))
        matrix = signed.flatten().to_numpy().reshape(len(rows), -1)
        return Batch(rows, met._replace(rows=np.searchsorted(rows, met.rows)), matrix, unpacked(sets))


def divided(met: Meetings, dealt: Deal) -> Iterable[Meetings]:
    """The meetings of each batch, their buckets numbered anew."""
    numbers = dealt.batches[np.searchsorted(dealt.rows, met.rows)]
    by_batch = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[by_batch], np.arange(dealt.size + 1))
    for start, end in pairwise(bounds):
        part = met.where(by_batch[start:end])
        yield part._replace(buckets=np.unique(part.buckets, return_inverse=True)[1])


@kernel
def _unite(members: Rows, buckets: Rows, roots: Rows) -> None:
    """Lower each member's root to the first of all that it meets, however far away. Buckets stand together."""
    for i in range(1, len(members)):
        if buckets[i] != buckets[i - 1]:
            continue
        one, other = _root(roots, members[i]), _root(roots, members[i - 1])
        if one < other:
            roots[other] = one
        else:
            roots[one] = other
    for member in range(len(roots)):
        roots[member] = _root(roots, member)


@kernel
def _root(roots: Rows, member: int) -> int:
    while roots[member] != member:
        roots[member] = roots[roots[member]]  # halves the way for who comes next
        member = roots[member]
    return member


@kernel
def _fill(weights: Rows, most: int, numbers: Rows) -> None:
    number, filled = 0, 0
    for i in range(len(weights)):
        if filled and filled + weights[i] > most:
            number, filled = number + 1, 0
        filled += weights[i]
        numbers[i] = number
