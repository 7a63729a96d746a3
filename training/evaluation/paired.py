"""How much better one of two recipes is, by models of several seeds each on the same documents."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]

# Student's t that 2.5 % exceed, by degrees of freedom from 1 on; beyond, so near the normal's that it is rounded up.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T_BEYOND = 2.2


class Difference(NamedTuple):
    """Bits per byte of B less those of A, and its standard error, the root of the sum of two squares."""

    value: float
    documents_error: float  # as if another draw of documents were measured
    seeds_error: float  # as if other seeds were trained from; not a number where there is but one
    documents: int
    seeds: int

    @property
    def error(self) -> float:
        """Of both; of the documents alone where there is but one seed."""
        return math.hypot(self.documents_error, 0.0 if math.isnan(self.seeds_error) else self.seeds_error)

    @property
    def tells(self) -> bool:
        """Whether it can be held against chance: one seed says nothing of how much another would differ."""
        return self.seeds > 1

    @property
    def bound(self) -> float:
        """What a difference exceeds in 5 % of comparisons in which there is none: few seeds tell their own spread badly.

        Student's t of as many degrees of freedom as the two errors have together (Satterthwaite 1946), times the error.
        """
        parts = [(self.documents_error, self.documents - 1), (self.seeds_error, self.seeds - 1)]
        known = sum(error**4 / freedom for error, freedom in parts if freedom > 0)
        freedom = int(self.error**4 / known) if known else 0
        return self.error * (_T[max(freedom, 1) - 1] if freedom <= len(_T) else _T_BEYOND)


def bits_per_byte(nats: Array, size: Array) -> Array:
    """Of each seed, over all documents: `nats` are (seeds, documents), `size` are bytes."""
    return nats.sum(axis=1) / (math.log(2) * size.sum())


def difference(a: Array, b: Array, size: Array) -> Difference:
    """From the nats (seeds, documents) of models of A and of B; seed by seed they began and went on alike.

    The spread over documents is that of the ratio of two sums, the seeds' mean of each document taken; that over seeds is
    of the seeds' differences over all documents.
    """
    by_seed = bits_per_byte(b, size) - bits_per_byte(a, size)
    value = float(by_seed.mean())
    bits = (b - a).mean(axis=0) / math.log(2)
    count, seeds = len(size), len(by_seed)
    influence = (bits - value * size) / size.sum()
    documents_error = math.sqrt(count / (count - 1) * float((influence**2).sum())) if count > 1 else math.nan
    seeds_error = float(by_seed.std(ddof=1)) / math.sqrt(seeds) if seeds > 1 else math.nan
    return Difference(value, documents_error, seeds_error, count, seeds)
