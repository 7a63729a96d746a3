"""Near-duplicates: documents whose sets of shingles are alike, each dropped for one that is kept and named.

Sign, band, verify by true Jaccard similarity, then one visit in a total order: no chains, and no pair that was not checked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import schema
from pipeline.dedup.bands import join, layout, meetings
from pipeline.dedup.config import NearConfig
from pipeline.dedup.found import found
from pipeline.dedup.minhash import NOTHING, signature_matrix, signatures
from pipeline.dedup.precedence import DocIds, Rows, precedence
from pipeline.dedup.prefixes import prefix_meetings
from pipeline.dedup.shingles import Flags, shingle_sets, unpacked
from pipeline.dedup.sweep import Likeness, sweep
from pipeline.dedup.words import Texts

VERSION = 1
USES = ("datasketch", "numpy")  # the permutations

_PLACES = 64  # kept documents that a bucket compares one by one; decides how long it takes, not what is found


def near_duplicates(
    doc_ids: DocIds,
    texts: Texts,
    priority: npt.ArrayLike,
    config: NearConfig,
    *,
    fixed: Flags | None = None,
    signed: pa.FixedSizeListArray | None = None,
) -> pa.Table:
    """Which documents to drop, and for which kept ones: a row of `FOUND` for each dropped, in the order of the visit.

    Documents are visited by `priority` (int64, smaller first), then by `doc_id`; one is dropped if and only if it is within
    `config.similarity` of one kept before it. Those that are `fixed` (flags; of earlier corpora) come first and are
    never dropped. `signed` holds their `signatures` under the same settings, where they are known already.
    """
    order = precedence(doc_ids, priority)
    fixed = np.zeros(len(order), np.bool_) if fixed is None else fixed
    roles = _Roles(np.concatenate([order[fixed[order]], order[~fixed[order]]]), ~fixed, np.ones(len(order), np.bool_))
    return _find(doc_ids, texts, signatures(texts, config) if signed is None else signed, roles, config)


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
    roles = _Roles(precedence(doc_ids, training.astype(np.int64)), training, ~training)
    return _find(doc_ids, texts, signatures(texts, config), roles, config)


class _Roles(NamedTuple):
    """The order of the visit, by row number; and by row, who asks for a twin, and who may be one."""

    order: Rows
    asking: Flags
    kept: Flags


def _find(doc_ids: DocIds, texts: Texts, signed: pa.FixedSizeListArray, roles: _Roles, config: NearConfig) -> pa.Table:
    if not len(doc_ids) == len(texts) == len(signed):
        raise ValueError(f"expected as many texts and signatures as the {len(doc_ids)} documents, not {len(texts)} and {len(signed)}")
    matrix = signature_matrix(signed)
    worded = (matrix != NOTHING).any(axis=1)
    asking, kept = worded & roles.asking, worded & roles.kept
    bands, rows = layout(config)
    met = join(meetings(matrix[:, band * rows : (band + 1) * rows], asking, kept) for band in range(bands))
    involved = np.zeros(len(matrix), np.bool_)
    involved[met.rows] = True
    order = roles.order[involved[roles.order]]
    sets = unpacked(shingle_sets(texts, config.shingle_words, involved))
    alike = Likeness(config.similarity, bands, rows)
    twins, similarities, overfull = sweep(order, met, matrix, sets, alike, places=_PLACES)
    if overfull.any():
        crowded = overfull[met.buckets]
        crowd = np.unique(met.rows[crowded])
        met = join([met.where(~crowded), prefix_meetings(crowd, sets, config.similarity, asking, kept)])
        twins, similarities, _ = sweep(order, met, matrix, sets, alike, places=len(order))
    dropped = order[twins[order] >= 0]
    return found(doc_ids, dropped, twins[dropped], similarities[dropped])


def _chained(first: DocIds | Texts, second: DocIds | Texts, kind: pa.DataType) -> pa.ChunkedArray:
    chunks = [chunk for array in (first, second) for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
