"""Documents to deduplicate by the million: made-up words as frequent as Zipf says, and a tenth of the documents near-copies.

A copy is of some earlier document of its block, with up to MOST_CHANGED of the words drawn anew: so similar that some copies are
duplicates, and some are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import schema

BLOCK = 10_000  # documents made together
VOCABULARY, WORD_CHARS = 100_000, (2, 11)
WORDS = (150, 250)  # a document
COPIES, MOST_CHANGED = 0.1, 8

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def write(path: Path, documents: int, seed: int = 1, words: tuple[int, int] = WORDS) -> None:
    """So many documents as Parquet: `id`, 32 digits of hex, and `text`."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for block in blocks(documents, seed, words):
            writer.write_batch(block)


def blocks(documents: int, seed: int = 1, words: tuple[int, int] = WORDS) -> Iterator[pa.RecordBatch]:
    """The documents, BLOCK at a time: how many are asked for changes none of them but those of the last block."""
    known = _vocabulary(np.random.default_rng(seed))
    for number, start in enumerate(range(0, documents, BLOCK)):
        draw = np.random.default_rng([seed, number])
        count = min(BLOCK, documents - start)
        ids = [draw.bytes(16).hex() for _ in range(count)]
        yield pa.record_batch([pa.array(ids), _texts(known, count, draw, words)], schema=SCHEMA)


def doc_ids(table: pa.Table) -> pa.Array:
    """The ids as the project knows them."""
    return schema.doc_ids([bytes.fromhex(value) for value in table["id"].to_pylist()])


def _vocabulary(draw: np.random.Generator) -> pa.Array:
    sizes = draw.integers(*WORD_CHARS, VOCABULARY)
    letters = draw.integers(ord("a"), ord("z") + 1, sizes.sum(), np.uint8).tobytes().decode()
    ends = np.cumsum(sizes)
    return pa.array([letters[end - size : end] for size, end in zip(sizes, ends, strict=True)], pa.string())


def _ranks(count: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Of words, each as frequent as one over its rank: what a uniform draw of the logarithm gives."""
    return np.exp(draw.random(count) * np.log(VOCABULARY)).astype(np.int64)


def _texts(known: pa.Array, count: int, draw: np.random.Generator, words: tuple[int, int]) -> pa.Array:
    sizes = draw.integers(*words, count)
    parts = np.split(_ranks(sizes.sum(), draw), np.cumsum(sizes)[:-1])
    for copy in 1 + np.flatnonzero(draw.random(count - 1) < COPIES):
        parts[copy] = parts[draw.integers(copy)].copy()
        changed = draw.integers(0, len(parts[copy]), draw.integers(0, MOST_CHANGED + 1))
        parts[copy][changed] = _ranks(len(changed), draw)
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int32)
    drawn = pa.ListArray.from_arrays(pa.array(ends), known.take(pa.array(np.concatenate(parts))))
    return pc.binary_join(drawn, " ")
