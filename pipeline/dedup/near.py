"""Near-duplicates: documents whose sets of shingles are alike, each dropped for one that is kept and named.

Sign, band, verify by true Jaccard similarity, then one visit in a total order: no chains, and no pair that was not checked.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import schema
from pipeline.dedup.bands import Meetings, join, layout, meetings
from pipeline.dedup.config import NearConfig
from pipeline.dedup.found import found
from pipeline.dedup.minhash import NOTHING, fewest_matches, signature_matrix, signatures
from pipeline.dedup.precedence import DocIds, Rows, precedence
from pipeline.dedup.prefixes import prefix_meetings
from pipeline.dedup.shingles import shingle_sets
from pipeline.dedup.sweep import Likeness, sweep
from pipeline.dedup.words import Flags

VERSION = 1
USES = ("datasketch", "numpy")

Texts = pa.Array | pa.ChunkedArray
Signed = pa.FixedSizeListArray
_ROOM = 64  # kept documents that a bucket compares one by one; decides how long it takes, not what is found


def near_duplicates(
    doc_ids: DocIds, texts: Texts, priority: npt.ArrayLike, config: NearConfig, fixed: Flags | None = None, signed: Signed | None = None
) -> pa.Table:
    """Which documents to drop, and for which kept ones: a row of `FOUND` for each dropped, in the order of the visit.

    Documents are visited by `priority` (int64, smaller first), then by `doc_id`; one is dropped if and only if it is within
    `config.similarity` of one kept before it. Those that are `fixed` (flags; of earlier corpora) come first and are
    never dropped. `signed` holds their `signatures` under the same settings, where they are known already.
    """
    order = precedence(doc_ids, priority)
    fixed = np.zeros(len(order), np.bool_) if fixed is None else fixed
    order = np.concatenate([order[fixed[order]], order[~fixed[order]]])
    return _find(doc_ids, texts, order, ~fixed, np.ones(len(order), np.bool_), config, signed or signatures(texts, config))


def overlaps(
    train_ids: DocIds, train_texts: Texts, held_out_ids: DocIds, held_out_texts: Texts, config: NearConfig | None = None
) -> pa.Table:
    """Which training documents are like a held-out one: a row of `FOUND` for each, by `doc_id`, with the most similar one.

    A similarity of 0.5 or more, unless `config` says otherwise.
    """
    config = config or NearConfig(similarity=0.5)
    doc_ids = _chained(held_out_ids, train_ids, schema.DOC_ID)
    texts = _chained(held_out_texts, train_texts, pa.large_string())
    training = np.arange(len(texts)) >= len(held_out_texts)
    return _find(doc_ids, texts, precedence(doc_ids, training.astype(np.int64)), training, ~training, config, signatures(texts, config))


def _find(doc_ids: DocIds, texts: Texts, order: Rows, asking: Flags, twins_of: Flags, config: NearConfig, signed: Signed) -> pa.Table:
    """Look for a twin for each row that asks, among those that may be one."""
    if not len(doc_ids) == len(texts) == len(signed):
        raise ValueError(f"expected as many texts and signatures as the {len(doc_ids)} documents, not {len(texts)} and {len(signed)}")
    matrix = signature_matrix(signed)
    worded = (matrix != NOTHING).any(axis=1)
    asking, kept = worded & asking, worded & twins_of
    bands, rows = layout(config)
    met = join(meetings(matrix, band, rows, asking, kept) for band in range(bands))
    involved = np.zeros(len(order), np.bool_)
    involved[met.rows] = True
    sets = shingle_sets(texts, config.shingle_words, involved)
    starts, shingles = sets.offsets.to_numpy(), sets.values.to_numpy()
    alike = Likeness(config.similarity, fewest_matches(config.similarity, config.permutations), bands, rows)
    order = order[involved[order]]
    twins, similarities, overfull = sweep(order, met, matrix, starts, shingles, alike, _ROOM)
    if overfull.any():
        crowded = overfull[met.buckets]
        parted = prefix_meetings(np.unique(met.rows[crowded]), starts, shingles, config.similarity, asking, kept)
        met = join([Meetings(*(column[~crowded] for column in met)), parted])
        twins, similarities, _ = sweep(order, met, matrix, starts, shingles, alike, len(order))
    dropped = order[twins[order] >= 0]
    return found(doc_ids, dropped, twins[dropped], similarities[dropped])


def _chained(first: Texts, second: Texts, kind: pa.DataType) -> pa.ChunkedArray:
    chunks = [chunk for array in (first, second) for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
