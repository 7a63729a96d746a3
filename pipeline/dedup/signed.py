"""What deduplication asks of every document, measured once a shard and kept: its text's digest and its MinHash signature.

A version depends on a shard's texts and on what was cut from them, not on any bound: what is signed serves every corpus that has
the shard. A signature is stored as its values, little-endian, of 32 bits each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, shard_tables
from pipeline.dedup import exact, near
from pipeline.dedup.config import NearConfig
from pipeline.dedup.exact import Digests, text_digests
from pipeline.dedup.minhash import Values, signature_matrix, signatures
from pipeline.dedup.survivors import texts_of
from pipeline.step import versions
from pipeline.store import Built, Store, Version, fingerprint

VERSION = 1
_FILE = "part-00000.parquet"
_ROWS_AT_ONCE = 4096


class Signing(NamedTuple):
    """A shard to sign: its texts, without what a file of `schema.CUTS` says where one is named."""

    root: str
    shard: str
    cuts: str | None
    config: NearConfig


def place(task: Signing) -> str:
    """Where a shard's signatures lie, or will."""
    return f"signatures/{fingerprint(_spec(task))}"


def sign(tasks: Sequence[Signing]) -> list[Built]:
    """Sign shards, where that is not done already."""
    return [Store(task.root).build("signatures", _spec(task), partial(_write, task)) for task in tasks]


def _spec(task: Signing) -> dict[str, Any]:
    return {
        "version": [VERSION, exact.VERSION, near.VERSION],
        "uses": versions((*exact.USES, *near.USES)),
        "shard": task.shard,
        "cuts": sha256(Store(task.root).read(task.cuts)).hexdigest() if task.cuts else None,
        **task.config.model_dump(include={"shingle_words", "permutations", "seed"}),
    }


def _write(task: Signing, version: Version) -> dict[str, int]:
    doc_ids = shard_tables.table(version.store, task.shard, "texts", ["doc_id"])["doc_id"]
    texts = texts_of(version.store, task.shard, doc_ids, task.cuts)
    kind = _schema(task.config.permutations)
    with version.parquet(_FILE, kind) as rows:
        for batch in pa.table({"doc_id": doc_ids, "text": texts}).to_batches(max_chunksize=_ROWS_AT_ONCE):
            text = batch["text"]
            signed, digests = signature_matrix(signatures(text, task.config)), text_digests(text)
            columns = [batch["doc_id"], pc.binary_length(text).cast(pa.int64()), _packed(digests), _packed(signed)]
            rows.write(pa.record_batch(columns, schema=kind))
    return {"texts": rows.count}


def read(store: Store, signing: str, columns: list[str]) -> pa.Table:
    """Some columns of a signed shard, by its place, in the order of its texts."""
    return store.table(f"{signing}/{_FILE}", columns)


def digests(signed: pa.ChunkedArray) -> Digests:
    """The column `digest` as numbers."""
    return _unpacked(signed, np.dtype(np.uint64))


def matrix(signed: pa.ChunkedArray) -> Values:
    """The column `signature` as a matrix."""
    return _unpacked(signed, np.dtype(np.uint32))


def _schema(permutations: int) -> pa.Schema:
    measured = {"text_bytes": pa.int64(), "digest": pa.binary(16), "signature": pa.binary(4 * permutations)}
    return pa.schema([schema.TEXTS.field("doc_id"), *(pa.field(name, kind, nullable=False) for name, kind in measured.items())])


def _packed(values: npt.NDArray[Any]) -> pa.Array:
    """The bytes of each row."""
    kind = pa.binary(values.shape[1] * values.itemsize)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _unpacked(column: pa.ChunkedArray, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    width = column.type.byte_width
    whole = column.combine_chunks()
    if not len(whole):
        return np.empty((0, width // kind.itemsize), kind)
    values = np.frombuffer(whole.buffers()[1], kind).reshape(-1, width // kind.itemsize)
    return values[whole.offset : whole.offset + len(whole)]
