"""Generated documents whose similarities are known, and what brute force says of them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from pipeline import schema
from pipeline.dedup.shingles import shingle_sets

WORDS = 100
SHINGLE_WORDS = 5


def doc_ids(count: int, tag: str = "") -> pa.Array:
    return schema.doc_ids([hashlib.blake2b(f"{tag}{i}".encode(), digest_size=16).digest() for i in range(count)])


def words(rng: np.random.Generator, count: int = WORDS) -> list[str]:
    return [f"w{number}" for number in rng.integers(0, 2**62, count)]


def like(document: list[str], similarity: float, rng: np.random.Generator) -> list[str]:
    """A document of as many words whose Jaccard similarity to the first is the one asked for, or barely more."""
    shingles = len(document) - SHINGLE_WORDS + 1
    shared = int(np.ceil(2 * shingles * similarity / (1 + similarity) - 1e-9)) + SHINGLE_WORDS - 1
    return document[:shared] + words(rng, len(document) - shared)


def planted(count: int, low: float, high: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Two lists of `count` texts: the second's is like the first's in the same place, by `low` to `high`."""
    rng = np.random.default_rng(seed)
    originals = [words(rng) for _ in range(count)]
    copies = [like(document, similarity, rng) for document, similarity in zip(originals, np.linspace(low, high, count), strict=True)]
    return [" ".join(document) for document in originals], [" ".join(document) for document in copies]


def jaccard_matrix(texts: pa.Array, shingle_words: int = SHINGLE_WORDS) -> npt.NDArray[np.float64]:
    """The similarity of every pair of texts, counted without signatures or bands."""
    sets = shingle_sets(texts, shingle_words)
    _, columns = np.unique(sets.values.to_numpy(), return_inverse=True)
    sizes = np.diff(sets.offsets.to_numpy())
    member = csr_array((np.ones(len(columns), np.int64), columns, sets.offsets.to_numpy()))
    shared = (member @ member.T).toarray()
    union = sizes[:, None] + sizes[None, :] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)


def pairs(found: pa.Table, ids: pa.Array) -> dict[int, tuple[int, float]]:
    """What was found, by row number: dropped → (kept, similarity)."""
    rows = {value: row for row, value in enumerate(ids.storage.to_pylist())}
    dropped, kept = (found[name].combine_chunks().storage.to_pylist() for name in ("doc_id", "duplicate_of"))
    return {rows[a]: (rows[b], s) for a, b, s in zip(dropped, kept, found["similarity"].to_pylist(), strict=True)}
