"""Near-duplicates: documents whose sets of shingles are alike, each dropped for one that is kept and named.

Sign, band, verify by true Jaccard similarity, then one visit in a total order: no chains, and no pair that was not checked.
In memory are a part's texts and signatures, one band's keys, who meets whom, and the shingles of a batch of those that meet.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup.bands import NO_LIMIT, Meetings, Similarities, band_keys, group, join, layout
from pipeline.dedup.batches import Batch, Deal, Spill, deal, divided
from pipeline.dedup.config import NearConfig
from pipeline.dedup.found import found
from pipeline.dedup.minhash import NOTHING, signature_matrix, signatures
from pipeline.dedup.parts import Earlier, Part, in_memory, numbered
from pipeline.dedup.precedence import DocIds, Rows, precedence
from pipeline.dedup.prefixes import prefix_meetings
from pipeline.dedup.shingles import Flags, shingle_sets
from pipeline.dedup.sweep import Likeness, sweep
from pipeline.dedup.words import Texts
from pipeline.kernels.strings import Hashes

VERSION = 1
USES = ("datasketch", "numpy")  # the permutations

_PLACES = 64  # kept documents that a bucket compares one by one; decides how long it takes, not what is found
_BATCH_BYTES = 256_000_000  # of shingles and signatures that are compared at a time; decides how much memory it takes, no more
_BYTES_OF_TEXT_BYTE = 2  # a word of some letters has a shingle of eight bytes


class Twins(NamedTuple):
    """Rows to drop, in the order of the visit, and for each the kept row that it is like."""

    rows: Rows
    twins: Rows
    similarities: Similarities


class Keys(NamedTuple):
    """The bucket of every row in every band, in a file, and which rows have a word at all."""

    file: Path
    bands: int
    worded: Flags

    def band(self, number: int) -> Hashes:
        """The buckets of one band."""
        count = len(self.worded)
        return np.fromfile(self.file, np.uint64, count, offset=8 * number * count)


def near_duplicates(doc_ids: DocIds, texts: Texts, priority: npt.ArrayLike, config: NearConfig) -> pa.Table:
    """Which documents to drop, and for which kept ones: a row of `FOUND` for each dropped, in the order of the visit.

    Documents are visited by `priority` (int64, smaller first), then by `doc_id`; one is dropped if and only if it is within
    `config.similarity` of one kept before it.
    """
    if len(doc_ids) != len(texts):
        raise ValueError(f"expected as many texts as the {len(doc_ids)} documents, not {len(texts)}")
    parts, sizes = [in_memory(texts, config)], pc.binary_length(texts).fill_null(0).to_numpy().astype(np.int64)
    with tempfile.TemporaryDirectory(prefix="corpusmill-near-") as scratch:
        keys = band(parts, config, Path(scratch))
        twins = find(parts, sizes, keys, precedence(doc_ids, priority), config, Path(scratch))
    return found(doc_ids, *twins)


def band(parts: Sequence[Part], config: NearConfig, scratch: Path) -> Keys:
    """The buckets of all documents, in a file of the folder `scratch`."""
    count = sum(part.size for part in parts)
    bands, rows = layout(config)
    keys = Keys(scratch / "bands", bands, np.zeros(count, np.bool_))
    with keys.file.open("wb") as file:
        for part in parts:
            matrix = part.signatures()
            keys.worded[part.first : part.first + part.size] = (matrix != NOTHING).any(axis=1)
            buckets = np.empty((bands, part.size), np.uint64)
            band_keys(matrix, rows, buckets)
            for number, each in enumerate(buckets):
                file.seek(8 * (number * count + part.first))
                each.tofile(file)
    return keys


def find(
    parts: Sequence[Part], text_bytes: Rows, keys: Keys, order: Rows, config: NearConfig, scratch: Path, earlier: Sequence[Earlier] = ()
) -> Twins:
    """Which rows of the parts are near-duplicates of which, or of documents of `earlier` corpora; files are made in `scratch`.

    Rows are visited in that `order`; those that are not in it take no part.
    """
    ranks = np.full(len(keys.worded), -1, np.int64)
    ranks[order] = np.arange(len(order))
    ranks[~keys.worded] = -1
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        met = join(threads.map(lambda number: _meetings(keys.band(number), number, ranks >= 0, earlier), range(keys.bands)))
    dealt = deal(met, _weights(np.unique(met.rows), text_bytes, config), _BATCH_BYTES)
    spill = Spill(scratch, config.permutations, dealt.size)
    for part, matrix, texts in _readings(parts, earlier, dealt, config):
        spill.write(part, matrix, shingle_sets(texts, config.shingle_words))
    spill.close()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        compared = threads.map(lambda each: _compare(spill.read(*each), ranks, config), enumerate(divided(met, dealt)))
        rows, twins, similarities = (np.concatenate(column) for column in zip(_NO_TWINS, *compared, strict=True))
    visited = np.argsort(ranks[rows])
    return Twins(rows[visited], twins[visited], similarities[visited])


_NO_TWINS = Twins(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def _meetings(buckets: Hashes, number: int, visited: Flags, earlier: Sequence[Earlier]) -> Meetings:
    """Who meets whom in one band."""
    own = np.flatnonzero(visited)
    rows, keys = [own], [buckets[own]]
    asked = np.unique(keys[0]) if earlier else buckets[:0]
    for first, corpus in numbered(earlier, len(buckets)):
        met, older = corpus.meeting(number, asked)
        keys.append(met)
        rows.append(older + first)
    met_rows = np.concatenate(rows)
    everyone = np.ones(len(met_rows), np.bool_)
    return group(np.concatenate(keys), met_rows, np.arange(len(met_rows)) < len(own), everyone, np.broadcast_to(NO_LIMIT, len(met_rows)))


def _weights(rows: Rows, text_bytes: Rows, config: NearConfig) -> Rows:
    """About how many bytes of memory each row takes to compare; one of an earlier corpus as the middle of all others."""
    own = text_bytes[rows[rows < len(text_bytes)]]
    middle = int(np.median(own)) if len(own) else 0
    return np.concatenate([own, np.full(len(rows) - len(own), middle)]) * _BYTES_OF_TEXT_BYTE + 4 * config.permutations


def _readings(
    parts: Sequence[Part], earlier: Sequence[Earlier], dealt: Deal, config: NearConfig
) -> Iterator[tuple[Deal, npt.NDArray[np.uint32], Texts]]:
    """Signatures and texts of all rows that were dealt, a part at a time."""
    for part in parts:
        mine = dealt.between(part.first, part.size)
        if len(mine.rows):
            own = mine.rows - part.first
            yield mine, part.signatures()[own], part.texts(own)
    for first, corpus in numbered(earlier, sum(part.size for part in parts)):
        mine = dealt.between(first, corpus.size)
        if len(mine.rows):
            texts = corpus.texts(mine.rows - first)
            yield mine, signature_matrix(signatures(texts, config)), texts


def _compare(batch: Batch, ranks: Rows, config: NearConfig) -> Twins:
    own = batch.rows < len(ranks)
    # Documents of earlier corpora come first, the oldest before all others.
    order = np.argsort(np.concatenate([ranks[batch.rows[own]], np.arange(np.count_nonzero(~own)) - len(batch.rows)]))
    alike = Likeness(config.similarity, *layout(config))
    twins, similarities, overfull = sweep(order, batch.met, batch.signatures, batch.sets, alike, places=_PLACES)
    if overfull.any():
        crowded = overfull[batch.met.buckets]
        crowd = np.unique(batch.met.rows[crowded])
        met = join([batch.met.where(~crowded), prefix_meetings(crowd, batch.sets, config.similarity, own)])
        twins, similarities, _ = sweep(order, met, batch.signatures, batch.sets, alike, places=len(order))
    dropped = np.flatnonzero(twins >= 0)
    return Twins(batch.rows[dropped], batch.rows[twins[dropped]], similarities[dropped])
