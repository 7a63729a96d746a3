"""Files of documents → token rows in sorted runs on local disk: the part of packing that many processes share.

Which process encodes what, by which engine and in what order changes no byte of what is made of the runs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from pipeline import schema
from pipeline.store import Store
from pipeline.tokenizer import SPLITS, Encoder, load
from pipeline.tokenizer.checked import MismatchError, checked
from pipeline.tokenizer.encoder import Tokens
from pipeline.tokenizer.engines import Engine, EngineName, engine

RUN_TOKENS = 2**25  # sorted in memory at once
BATCH_DOCUMENTS = 256  # read and encoded at once

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoding:
    """Some of a corpus's files of documents, by number and path, to be encoded into runs in `folder`."""

    root: str
    files: tuple[tuple[int, str], ...]
    tokenizer: str
    engine: EngineName
    seed: int
    folder: str


def run(task: Encoding) -> dict[str, int]:
    """Write the runs `<split>-<file>-<number>.arrow`, each sorted by key.

    Counts: files by the engine that encoded them, files that were encoded again because their engine gave other tokens than
    `tokenizers`, and documents that were looked at for that.
    """
    store, counts = Store(task.root), Counter[str]()
    encoder, fast = _made(task.root, task.tokenizer, task.engine)
    shared = _Runs(Path(task.folder), f"shared-{task.files[0][0]:06}")  # what is left of each file: small files fill a run together
    for number, path in task.files:
        used, own = fast, _Runs(Path(task.folder), f"{number:06}")
        try:
            looked_at = _encode(store, path, encoder, used, task.seed, own)
        except MismatchError as error:
            _LOG.warning("%s: %s; the whole file is encoded again by tokenizers", path, error)
            own.forget()
            used = Engine("tokenizers", encoder.pieces)
            looked_at = _encode(store, path, encoder, used, task.seed, own)
            counts["files_encoded_again"] += 1
        for rows in own.held:
            shared.add(rows)
        counts[f"files_by_{used.name}"] += 1
        counts["documents_checked"] += looked_at
    shared.spill()
    return dict(counts)


@lru_cache(maxsize=1)  # a version never changes, and a process has many tasks of one
def _made(root: str, tokenizer: str, wanted: EngineName) -> tuple[Encoder, Engine]:
    encoder = load(Store(root), tokenizer)
    return encoder, engine(encoder, wanted)


def token_schema(encoder: Encoder) -> pa.Schema:
    """The schema of an encoder's token shards."""
    return schema.tokens(pa.from_numpy_dtype(encoder.width))


class _Runs:
    """Rows that become sorted runs on disk, `RUN_TOKENS` at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        self.held: list[pa.RecordBatch] = []
        self._folder, self._name, self._tokens, self._written = folder, name, 0, 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Hold some rows; a full run goes to disk."""
        self.held.append(rows)
        self._tokens += len(rows["tokens"].values)
        if self._tokens >= RUN_TOKENS:
            self.spill()

    def spill(self) -> None:
        """Write what is held."""
        for split in SPLITS if self.held else ():
            own = pa.Table.from_batches(self.held).filter(pc.field("split") == split).drop_columns("split")
            if own.num_rows:
                own = ordered(own)
                with pa.ipc.new_file(self._folder / f"{split}-{self._name}-{self._written:06}.arrow", own.schema) as writer:
                    writer.write_table(own)
        self.held, self._tokens, self._written = [], 0, self._written + 1

    def forget(self) -> None:
        """As if nothing had been added."""
        for run in self._folder.glob(f"*-{self._name}-*.arrow"):
            run.unlink()
        self.held, self._tokens = [], 0


def _encode(store: Store, path: str, encoder: Encoder, used: Engine, seed: int, runs: _Runs) -> int:
    """Encode one file of documents; how many were checked."""
    looked_at = 0
    for batch in _documents(store, path):
        ids = batch["doc_id"].storage.to_pylist()
        rows, more = checked(encoder, used, ids, batch["text"].to_pylist())
        runs.add(_rows(batch, ids, rows, encoder, seed))
        looked_at += more
    return looked_at


def _documents(store: Store, path: str) -> Iterator[pa.RecordBatch]:
    for batch in store.batches(path, ["doc_id", "source", "split", "text"], rows=BATCH_DOCUMENTS):
        if unknown := set(batch["split"].to_pylist()) - set(SPLITS):
            raise ValueError(f"{store.uri(path)}: a split of {', '.join(SPLITS)} was expected, not {', '.join(map(repr, unknown))}")
        yield batch


def _rows(batch: pa.RecordBatch, ids: list[bytes], rows: list[Tokens], encoder: Encoder, seed: int) -> pa.RecordBatch:
    """Documents as token rows, with their `split`, and the `key` that they are shuffled by."""
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return pa.record_batch(
        {
            "split": batch["split"],
            "key": np.fromiter((xxh3_64_intdigest(doc_id, seed) for doc_id in ids), np.uint64, len(ids)),
            "doc_id": batch["doc_id"].storage,
            "source": batch["source"],
            "bytes": pc.binary_length(batch["text"]).cast(pa.int64()),
            "tokens": pa.ListArray.from_arrays(offsets, np.concatenate(rows), type=token_schema(encoder).field("tokens").type),
        }
    )


def ordered(rows: pa.Table) -> pa.Table:
    """By key; `doc_id` orders the rows whose keys collide."""
    return rows.sort_by([("key", "ascending"), ("doc_id", "ascending")]).combine_chunks()
