"""Near-duplicates: documents whose sets of shingles are alike, each dropped for one that is kept and named.

Sign, band, verify by true Jaccard similarity, then one visit in a total order: no chains, and no pair that was not checked.
In memory are a part's texts and signatures, one band's keys, who meets whom, and the shingles of a batch of those that meet.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.dedup.bands import NO_LIMIT, Meetings, Similarities, band_keys, group, join, layout
from pipeline.dedup.batches import Batch, Deal, Spill, deal, divided
from pipeline.dedup.config import NearConfig
from pipeline.dedup.found import found
from pipeline.dedup.minhash import NOTHING, signature_matrix, signatures
from pipeline.dedup.parts import Earlier, Part, in_memory
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


class Roles(NamedTuple):
    """By row: its place in the total order of the visit, who asks for a twin, and who may be one."""

    ranks: Rows
    asking: Flags
    kept: Flags


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


def near_duplicates(doc_ids: DocIds, texts: Texts, priority: npt.ArrayLike, config: NearConfig, *, fixed: Flags | None = None) -> pa.Table:
    """Which documents to drop, and for which kept ones: a row of `FOUND` for each dropped, in the order of the visit.

    Documents are visited by `priority` (int64, smaller first), then by `doc_id`; one is dropped if and only if it is within
    `config.similarity` of one kept before it. Those that are `fixed` (flags) come first and are never dropped.
    """
    order = precedence(doc_ids, priority)
    fixed = np.zeros(len(order), np.bool_) if fixed is None else fixed
    order = np.concatenate([order[fixed[order]], order[~fixed[order]]])
    return _of_texts(doc_ids, texts, Roles(places(order), ~fixed, np.ones(len(order), np.bool_)), config)


def overlaps(
    train_ids: DocIds, train_texts: Texts, held_out_ids: DocIds, held_out_texts: Texts, config: NearConfig | None = None
) -> pa.Table:
    """Which training documents are like a held-out one: a row of `FOUND` for each, by `doc_id`, with the most similar one.

    A similarity of 0.5 or more, unless `config` says otherwise.
    """
    doc_ids = _chained(held_out_ids, train_ids, schema.DOC_ID)
    texts = _chained(held_out_texts, train_texts, pa.large_string())
    training = np.arange(len(texts)) >= len(held_out_texts)
    roles = Roles(places(precedence(doc_ids, training.astype(np.int64))), training, ~training)
    return _of_texts(doc_ids, texts, roles, config or NearConfig(similarity=0.5))


def places(order: Rows) -> Rows:
    """Of rows in an order, the place of each by row."""
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _of_texts(doc_ids: DocIds, texts: Texts, roles: Roles, config: NearConfig) -> pa.Table:
    if len(doc_ids) != len(texts):
        raise ValueError(f"expected as many texts as the {len(doc_ids)} documents, not {len(texts)}")
    parts, sizes = [in_memory(texts, config)], pc.binary_length(texts).fill_null(0).to_numpy().astype(np.int64)
    with tempfile.TemporaryDirectory(prefix="corpusmill-near-") as scratch:
        (keys,) = band(parts, [config], Path(scratch))
        twins = find(parts, sizes, keys, roles, config, Path(scratch))
    return found(doc_ids, *twins)


def band(parts: Sequence[Part], configs: Sequence[NearConfig], scratch: Path) -> list[Keys]:
    """The buckets of all documents under each of some settings with the same signatures, in files of the folder `scratch`."""
    count = sum(part.size for part in parts)
    layouts, worded = [layout(config) for config in configs], np.zeros(count, np.bool_)
    made = [Keys(scratch / f"bands-{number}", bands, worded) for number, (bands, _) in enumerate(layouts)]
    with ExitStack() as stack:
        files = [stack.enter_context(keys.file.open("wb")) for keys in made]
        for part in parts:
            matrix = part.signatures()
            worded[part.first : part.first + part.size] = (matrix != NOTHING).any(axis=1)
            for (bands, rows), file in zip(layouts, files, strict=True):
                buckets = np.empty((bands, part.size), np.uint64)
                band_keys(matrix, rows, buckets)
                for number, each in enumerate(buckets):
                    file.seek(8 * (number * count + part.first))
                    each.tofile(file)
    return made


def find(
    parts: Sequence[Part], text_bytes: Rows, keys: Keys, roles: Roles, config: NearConfig, scratch: Path, earlier: Sequence[Earlier] = ()
) -> Twins:
    """Which rows of the parts are near-duplicates of which, or of documents of `earlier` corpora; files are made in `scratch`."""
    roles = Roles(roles.ranks, keys.worded & roles.asking, keys.worded & roles.kept)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        met = join(threads.map(lambda number: _meetings(keys.band(number), number, roles, earlier), range(keys.bands)))
    dealt = deal(met, _weights(np.unique(met.rows), text_bytes, config), _BATCH_BYTES)
    spill = Spill(scratch, config.permutations, dealt.size)
    for part, matrix, texts in _readings(parts, earlier, dealt, config):
        spill.write(part, matrix, shingle_sets(texts, config.shingle_words))
    spill.close()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        compared = threads.map(lambda each: _compare(spill.read(*each), roles, config), enumerate(divided(met, dealt)))
        rows, twins, similarities = (np.concatenate(column) for column in zip(_NO_TWINS, *compared, strict=True))
    visited = np.argsort(roles.ranks[rows])
    return Twins(rows[visited], twins[visited], similarities[visited])


_NO_TWINS = Twins(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def _meetings(buckets: Hashes, number: int, roles: Roles, earlier: Sequence[Earlier]) -> Meetings:
    """Who meets whom in one band."""
    rows, keys = [np.arange(len(buckets))], [buckets]
    first, asked = len(buckets), np.unique(buckets[roles.asking]) if earlier else buckets[:0]
    for corpus in earlier:
        met, older = corpus.meeting(number, asked)
        keys.append(met)
        rows.append(older + first)
        first += corpus.size
    older_rows = sum(map(len, rows[1:]))
    asks, enters = (np.concatenate([flags, np.full(older_rows, value)]) for flags, value in ((roles.asking, False), (roles.kept, True)))
    return group(np.concatenate(keys), np.concatenate(rows), asks, enters, np.broadcast_to(NO_LIMIT, len(asks)))


def _weights(rows: Rows, text_bytes: Rows, config: NearConfig) -> Rows:
    """About how many bytes of memory each row takes to compare; one of an earlier corpus as the middle of all others."""
    own = text_bytes[rows[rows < len(text_bytes)]]
    middle = int(np.median(own)) if len(own) else 0
    return np.concatenate([own, np.full(len(rows) - len(own), middle)]) * _BYTES_OF_TEXT_BYTE + 4 * config.permutations


def _readings(
    parts: Sequence[Part], earlier: Sequence[Earlier], dealt: Deal, config: NearConfig
) -> Iterator[tuple[Deal, npt.NDArray[np.uint32], Texts]]:
    """Signatures and texts of all rows that were dealt, a part at a time."""
    first = 0
    for part in parts:
        mine = dealt.between(part.first, part.size)
        first = part.first + part.size
        if len(mine.rows):
            own = mine.rows - part.first
            yield mine, part.signatures()[own], part.texts(own)
    for corpus in earlier:
        mine = dealt.between(first, corpus.size)
        if len(mine.rows):
            texts = corpus.texts(mine.rows - first)
            yield mine, signature_matrix(signatures(texts, config)), texts
        first += corpus.size


def _compare(batch: Batch, roles: Roles, config: NearConfig) -> Twins:
    own = batch.rows < len(roles.ranks)
    mine = batch.rows[own]
    # Documents of earlier corpora come first, the oldest before all others.
    ranks = np.concatenate([roles.ranks[mine], np.arange(np.count_nonzero(~own)) - len(batch.rows)])
    order = np.argsort(ranks)
    asking = np.concatenate([roles.asking[mine], np.zeros(np.count_nonzero(~own), np.bool_)])
    kept = np.concatenate([roles.kept[mine], np.ones(np.count_nonzero(~own), np.bool_)])
    alike = Likeness(config.similarity, *layout(config))
    twins, similarities, overfull = sweep(order, batch.met, batch.signatures, batch.sets, alike, places=_PLACES)
    if overfull.any():
        crowded = overfull[batch.met.buckets]
        crowd = np.unique(batch.met.rows[crowded])
        met = join([batch.met.where(~crowded), prefix_meetings(crowd, batch.sets, config.similarity, asking, kept)])
        twins, similarities, _ = sweep(order, met, batch.signatures, batch.sets, alike, places=len(order))
    dropped = np.flatnonzero(twins >= 0)
    return Twins(batch.rows[dropped], batch.rows[twins[dropped]], similarities[dropped])


def _chained(first: DocIds | Texts, second: DocIds | Texts, kind: pa.DataType) -> pa.ChunkedArray:
    chunks = [chunk for array in (first, second) for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
