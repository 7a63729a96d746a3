"""Banding: which documents a signature proposes as near-duplicates (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3).

Two documents meet in a band's bucket where all of the band's values agree. Each band is worked on by itself, and says of
a pair what no other band can change; so bands may be done one after another, apart, or from disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import Values
from pipeline.dedup.precedence import Rows
from pipeline.dedup.shingles import Flags
from pipeline.dedup.words import mix
from pipeline.kernels import kernel
from pipeline.kernels.strings import Hashes

Marks = npt.NDArray[np.uint8]
Similarities = npt.NDArray[np.float64]

NO_LIMIT = np.iinfo(np.int64).max
_SOME, _MORE, _ASKS, _ENTERS = (np.uint8(1 << bit) for bit in range(4))
_SLOTS_OF_KEY = 4
_MAX_SLOTS_LOG2 = 28  # bytes of a table
_INTERVALS = 2000  # of similarity, 0 to 1, over which the chances are summed


class Meetings(NamedTuple):
    """Row `rows[i]` looks for twins in bucket `buckets[i]` where `asks[i]`, and can be found there where `enters[i]`.

    It meets rows there that have `limits[i]` shingles or fewer. Buckets are numbered from 0.
    """

    rows: Rows
    buckets: Rows
    asks: Flags
    enters: Flags
    limits: Rows

    def where(self, chosen: Flags | Rows) -> Meetings:
        """Those chosen, in the same numbering of buckets."""
        return Meetings(self.rows[chosen], self.buckets[chosen], self.asks[chosen], self.enters[chosen], self.limits[chosen])


_NONE = Meetings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.bool_), np.empty(0, np.int64))


def proposal_chance(similarity: Similarities, bands: int, rows: int) -> Similarities:
    """The chance that two documents of that Jaccard similarity meet in some band: the S-curve."""
    return 1 - (1 - similarity**rows) ** bands


def layout(config: NearConfig) -> tuple[int, int]:
    """Bands, and rows a band: as given, or as they cost least by `false_negative_weight`."""
    if config.bands is not None and config.rows is not None:
        return config.bands, config.rows
    return _cheapest(config.similarity, config.permutations, config.false_negative_weight)


@cache
def _cheapest(similarity: float, permutations: int, false_negative_weight: float) -> tuple[int, int]:
    """Least weighted sum of the area under the S-curve below the similarity, and over it above: datasketch's criterion."""
    points = (np.arange(_INTERVALS) + 0.5) / _INTERVALS
    vain = points < similarity
    weights = np.where(vain, 1 - false_negative_weight, false_negative_weight)

    def cost(shape: tuple[int, int]) -> float:
        chance = proposal_chance(points, *shape)
        return float(weights @ np.where(vain, chance, 1 - chance))

    shapes = [(bands, rows) for bands in range(1, permutations + 1) for rows in range(1, permutations // bands + 1)]
    return min(shapes, key=cost)


def band_keys(matrix: Values, rows: int, keys: Hashes) -> None:
    """Fill `keys`, (bands, documents), with the bucket of each row of a matrix of signatures in each band of `rows` values."""
    _band_keys(matrix, rows, keys)


def group(keys: Hashes, rows: Rows, asks: Flags, enters: Flags, limits: Rows) -> Meetings:
    """Gather rows, repeated at will, by key: one bucket a key, of those keys where some row asks and some other enters.

    No other bucket can hold a pair.
    """
    likely = _likely(keys, asks, enters)
    if len(likely) == 0:
        return _NONE
    by_key = likely[np.argsort(keys[likely])]
    keys = keys[by_key]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(starts, append=len(keys))
    useful = (sizes > 1) & np.logical_or.reduceat(asks[by_key], starts) & np.logical_or.reduceat(enters[by_key], starts)
    chosen = by_key[np.repeat(useful, sizes)]
    buckets = np.repeat(np.arange(np.count_nonzero(useful)), sizes[useful])
    return Meetings(rows[chosen], buckets, asks[chosen], enters[chosen], limits[chosen])


def _likely(keys: Hashes, asks: Flags, enters: Flags) -> Rows:
    """Where a key may be of such a bucket: nearly all others are out, and need not be sorted."""
    marks = np.zeros(1 << min((len(keys) * _SLOTS_OF_KEY).bit_length(), _MAX_SLOTS_LOG2), np.uint8)
    chosen = np.empty(len(keys), np.bool_)
    _mark(keys, asks, enters, marks)
    _chosen(keys, marks, chosen)
    return np.flatnonzero(chosen)


def join(parts: Iterable[Meetings]) -> Meetings:
    """The meetings of all parts, in one numbering of buckets."""
    joined, numbered = [_NONE], 0
    for part in parts:
        joined.append(part._replace(buckets=part.buckets + numbered))
        numbered += int(part.buckets.max(initial=-1)) + 1
    rows, buckets, asks, enters, limits = (np.concatenate(column) for column in zip(*joined, strict=True))
    return Meetings(rows, buckets, asks, enters, limits)


@kernel
def _band_keys(matrix: Values, rows: int, keys: Hashes) -> None:
    for document in range(len(matrix)):
        for band in range(len(keys)):
            key = np.uint64(0)
            for k in range(band * rows, (band + 1) * rows):
                key = mix(key ^ np.uint64(matrix[document, k]))
            keys[band, document] = key


@kernel
def _mark(keys: Hashes, asks: Flags, enters: Flags, marks: Marks) -> None:
    """For each slot of keys: whether a row asks, whether one enters, and whether there are two."""
    last = np.uint64(len(marks) - 1)
    for i in range(len(keys)):
        slot = keys[i] & last
        own = _SOME | (_ASKS if asks[i] else np.uint8(0)) | (_ENTERS if enters[i] else np.uint8(0))
        marks[slot] |= own | (_MORE if marks[slot] & _SOME else np.uint8(0))


@kernel
def _chosen(keys: Hashes, marks: Marks, chosen: Flags) -> None:
    last = np.uint64(len(marks) - 1)
    for i in range(len(keys)):
        chosen[i] = marks[keys[i] & last] == _SOME | _ASKS | _ENTERS | _MORE
