"""Training sequences from token shards and packing plans, by number.

Both are kept beside the run as memory-mapped arrays derived from the shards: a cache, made again where it is deleted.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store import Store
from training.model import IGNORED
from training.settings import TrainConfig, version

Array = npt.NDArray[Any]
BATCH_DOCUMENTS = 1024


@dataclass(frozen=True)
class Tokens:
    """The documents of a split, end to end. Document i is `values[bounds[i]:bounds[i + 1]]`; `beginning` is the first token of each."""

    values: Array  # uint16 or uint32
    bounds: Array  # int64, one more than documents
    ids: Array  # 16 bytes each
    beginning: int


class Pieces(NamedTuple):
    """Ranges of documents, each at its place in a sequence: arrays of equal length, but `first`.

    `first[s]` to `first[s + 1]` are the pieces of sequence s.
    """

    first: Array
    position: Array
    document: Array
    start: Array
    length: Array

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return len(self.first) - 1


class Batch(NamedTuple):
    """Sequences as arrays (B, T) of int64. Padding has document -1 and is never a target."""

    tokens: Array
    targets: Array  # the next token of the document, `IGNORED` where none is counted
    documents: Array  # index of the token's document in `present`
    present: Array  # the documents, as rows of `Tokens`, each once


def open_tokens(store: Store, path: str, split: str, cache: Path) -> Tokens:
    """A split of a token set. `ValueError` where it holds no document."""
    manifest = version(store, path)
    parts = [f"{path}/{part}" for part in manifest.paths(split)]

    def make(folder: Path) -> None:
        lengths, ids, width, beginning = [], [], "uint16", None
        with (folder / "values.bin").open("wb") as stream:
            for part in parts:
                for batch in store.batches(part, ["doc_id", "tokens"], rows=BATCH_DOCUMENTS):
                    if not batch.num_rows:
                        continue
                    rows = batch["tokens"]
                    values = rows.flatten().to_numpy()
                    width, beginning = values.dtype.name, int(values[0])
                    lengths.append(pc.list_value_length(rows).to_numpy())
                    ids.append(_storage(batch["doc_id"]))
                    stream.write(values.tobytes())
        if beginning is None:
            raise ValueError(f"{store.uri(path)}: documents in the split {split!r} were expected")
        np.save(folder / "bounds.npy", np.concatenate([[0], *lengths]).astype(np.int64).cumsum())
        np.save(folder / "ids.npy", np.concatenate(ids))
        (folder / "form.json").write_text(json.dumps({"width": width, "beginning": beginning}))

    folder = _derived(cache / "tokens" / manifest.fingerprint / split, make)
    form = json.loads((folder / "form.json").read_text())
    values = np.memmap(folder / "values.bin", np.dtype(form["width"]), "r")
    return Tokens(values, np.load(folder / "bounds.npy", "r"), np.load(folder / "ids.npy", "r"), form["beginning"])


def open_order(store: Store, path: str, tokens: Tokens, sequence_tokens: int, cache: Path) -> Pieces:
    """A packing plan over `tokens`. `ValueError` where it is of other documents, of longer sequences, or out of order."""
    manifest = version(store, path)

    def make(folder: Path) -> None:
        columns = ["sequence", "position", "doc_id", "start", "length"]
        table = pa.concat_tables([store.table(f"{path}/{part.path}", columns) for part in manifest.files])
        sequence, position, start, length = (table[name].to_numpy() for name in ("sequence", "position", "start", "length"))
        document = _rows_of(table["doc_id"].combine_chunks(), tokens)
        if document is None or (start + length > np.diff(tokens.bounds)[document]).any():
            raise ValueError(f"{store.uri(path)}: a packing plan over the same token set was expected")
        if (np.diff(sequence) < 0).any() or sequence[0] != 0:
            raise ValueError(f"{store.uri(path)}: rows ordered by sequence, from 0, were expected")
        first = np.searchsorted(sequence, np.arange(sequence[-1] + 2))
        for name, column in zip(Pieces._fields, (first, position, document, start, length), strict=True):
            np.save(folder / f"{name}.npy", column)

    folder = _derived(cache / "order" / manifest.fingerprint, make)
    pieces = Pieces(*(np.load(folder / f"{name}.npy", "r") for name in Pieces._fields))
    longest = int((pieces.position + pieces.length).max())
    if longest > sequence_tokens:
        raise ValueError(f"{store.uri(path)}: sequences of at most {sequence_tokens} tokens were expected, not {longest}")
    return pieces


def batch(tokens: Tokens, pieces: Pieces, first: int, count: int, sequence_tokens: int, *, endings: bool) -> Batch:
    """Sequences `first` to `first + count`; what lies beyond the last is padding.

    A target is the next token of the same document, also where the range ends before it: so over a plan each token is a
    target once. After a document's last token the target is the beginning of another if `endings`, else none.
    """
    shape = (count, sequence_tokens)
    found = Batch(np.full(shape, tokens.beginning, np.int64), np.full(shape, IGNORED, np.int64), np.full(shape, -1, np.int64), np.empty(0))
    last = min(first + count, pieces.sequences)
    own = slice(int(pieces.first[first]), int(pieces.first[last]))
    present, local = np.unique(pieces.document[own], return_inverse=True)
    row = np.repeat(np.arange(last - first), np.diff(pieces.first[first : last + 1]))
    for piece, index in enumerate(range(own.start, own.stop)):
        document, position, length = pieces.document[index], pieces.position[index], pieces.length[index]
        begin, limit = tokens.bounds[document] + pieces.start[index], tokens.bounds[document + 1]
        place = (row[piece], slice(position, position + length))
        found.tokens[place] = tokens.values[begin : begin + length]
        found.documents[place] = local[piece]
        following = tokens.values[begin + 1 : min(begin + length + 1, limit)]
        found.targets[row[piece], position : position + len(following)] = following
        if endings and len(following) < length:
            found.targets[row[piece], position + length - 1] = tokens.beginning
    return found._replace(present=present)


def passes(tokens: Tokens, pieces: Pieces, first: int, count: int, config: TrainConfig) -> list[Batch]:
    """The sequences of a training step, as many at a time as the configuration lets be in memory together."""
    size = config.sequences_per_pass or config.sequences_per_step
    starts = range(first, first + count, size)
    return [batch(tokens, pieces, start, min(size, first + count - start), config.sequence_tokens, endings=True) for start in starts]


def padding(tokens: Tokens, sequence_tokens: int) -> Batch:
    """A sequence in which nothing is to be learnt."""
    shape = (1, sequence_tokens)
    nothing = np.full(shape, -1, np.int64)
    return Batch(np.full(shape, tokens.beginning, np.int64), np.full(shape, IGNORED, np.int64), nothing, np.empty(0, np.int64))


def documents(pieces: Pieces, first: int, count: int) -> Array:
    """The documents in `count` sequences from `first` on, as rows of `Tokens`, each once."""
    return np.unique(pieces.document[pieces.first[first] : pieces.first[min(first + count, pieces.sequences)]])


def by_document(nats: Array, found: Batch) -> tuple[Array, Array]:
    """Summed nats and counted targets of each document in `found.present`, from nats (B, T)."""
    real = found.documents >= 0
    numbers, size = found.documents[real], len(found.present)
    total = np.bincount(numbers, nats[real].astype(np.float64), size)
    return total, np.bincount(numbers, found.targets[real] != IGNORED, size).astype(np.int64)


def _storage(ids: pa.ExtensionArray) -> Array:
    storage = ids.storage
    return np.frombuffer(storage.buffers()[1], "V16", len(storage), 16 * storage.offset).copy()


def _rows_of(ids: pa.ExtensionArray, tokens: Tokens) -> Array | None:
    """The row of each document in `tokens`; None where one is not there."""
    known = pa.Array.from_buffers(pa.binary(16), len(tokens.ids), [None, pa.py_buffer(np.ascontiguousarray(tokens.ids))])
    rows = pc.index_in(ids.storage, value_set=known)
    return None if rows.null_count else rows.to_numpy().astype(np.int64)


def _derived(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder of the cache: as it is, or made aside, flushed and renamed."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        make(aside)
        for path in aside.iterdir():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
        aside.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder
