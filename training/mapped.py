"""Token shards and packing plans as arrays mapped into memory: a cache beside the run, made again where it is deleted.

It is made once, a bounded number of rows at a time, from a folder of this machine or from an object store. To open it costs
the same however long it is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store import Store
from training.settings import version

Array = npt.NDArray[Any]
Form = dict[str, Any]

_DOCUMENTS_AT_ONCE = 1024
_PIECES_AT_ONCE = 2**16
_FORM = "form.json"


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


_TOKENS = {"bounds": "<i8", "ids": "V16"}
_PIECES = dict(zip(Pieces._fields, ("<i8", "<i4", "<i8", "<i8", "<i4"), strict=True))


def open_tokens(store: Store, path: str, split: str, cache: Path) -> Tokens:
    """A split of a token set. `ValueError` where it holds no document."""
    manifest = version(store, path)

    def make(folder: Path) -> Form:
        form: Form = {}
        with _files(folder, ["values", *_TOKENS]) as (values, bounds, ids):
            end = np.zeros(1, np.int64)
            bounds.write(end.tobytes())
            for part in manifest.paths(split):
                for batch in store.batches(f"{path}/{part}", ["doc_id", "tokens"], rows=_DOCUMENTS_AT_ONCE):
                    ends = end + pc.list_value_length(batch["tokens"]).to_numpy().astype(np.int64).cumsum()
                    if not len(ends):
                        continue
                    own = batch["tokens"].flatten().to_numpy()
                    values.write(own.tobytes())
                    bounds.write(ends.tobytes())
                    ids.write(_storage(batch["doc_id"]).tobytes())
                    end, form = ends[-1:], {"width": own.dtype.name, "beginning": int(own[0])}
        if not form:
            raise ValueError(f"{store.uri(path)}: documents in the split {split!r} were expected")
        return form

    folder, form = _derived(cache / "tokens" / manifest.fingerprint / split, ["values", *_TOKENS], make)
    values, bounds, ids = (_mapped(folder, name, kind) for name, kind in {"values": form["width"], **_TOKENS}.items())
    return Tokens(values, bounds, ids, form["beginning"])


def open_order(store: Store, path: str, tokens: Tokens, sequence_tokens: int, cache: Path) -> Pieces:
    """A packing plan over `tokens`. `ValueError` where it is of other documents, of longer sequences, or out of order."""
    manifest = version(store, path)

    def make(folder: Path) -> Form:
        longest, written, last = 0, 0, -1
        columns = ["sequence", "position", "row", "start", "length"]
        with _files(folder, list(_PIECES)) as files:
            for part in manifest.paths("sequences"):
                for batch in store.batches(f"{path}/{part}", ["doc_id", *columns], rows=_PIECES_AT_ONCE):
                    sequence, position, row, start, length = (batch[name].to_numpy() for name in columns)
                    if not _same_documents(tokens, batch["doc_id"], row, start + length):
                        raise ValueError(f"{store.uri(path)}: a packing plan over the same token set was expected")
                    steps = np.diff(sequence, prepend=last)
                    if ((steps < 0) | (steps > 1)).any() or (last < 0 and sequence[0]):
                        raise ValueError(f"{store.uri(path)}: rows ordered by sequence, from 0, were expected")
                    opening = written + np.flatnonzero(steps)
                    for file, column, kind in zip(files, (opening, position, row, start, length), _PIECES.values(), strict=True):
                        file.write(column.astype(kind).tobytes())
                    longest, last, written = max(longest, int((position + length).max())), int(sequence[-1]), written + len(row)
            files[0].write(np.array([written], "<i8").tobytes())
        return {"longest": longest}

    folder, form = _derived(cache / "order" / manifest.fingerprint, list(_PIECES), make)
    if form["longest"] > sequence_tokens:
        raise ValueError(f"{store.uri(path)}: sequences of at most {sequence_tokens} tokens were expected, not {form['longest']}")
    return Pieces(*(_mapped(folder, name, kind) for name, kind in _PIECES.items()))


def _same_documents(tokens: Tokens, ids: pa.ExtensionArray, rows: Array, ends: Array) -> bool:
    """Whether rows of `tokens` are the documents of these ids, and as long as ranges of them that end there."""
    if rows.min() < 0 or rows.max() >= len(tokens.ids):
        return False
    within = ends <= tokens.bounds[rows + 1] - tokens.bounds[rows]
    return bool(within.all()) and bool((tokens.ids[rows] == _storage(ids)).all())


def _storage(ids: pa.ExtensionArray) -> Array:
    storage = ids.storage
    return np.frombuffer(storage.buffers()[1], "V16", len(storage), 16 * storage.offset)


def _mapped(folder: Path, name: str, kind: str) -> Array:
    return np.asarray(np.memmap(folder / f"{name}.bin", np.dtype(kind), "r"))


@contextmanager
def _files(folder: Path, names: list[str]) -> Iterator[list[BinaryIO]]:
    """Files to write, one for each name."""
    with ExitStack() as stack:
        yield [stack.enter_context((folder / f"{name}.bin").open("wb")) for name in names]


def _derived(folder: Path, names: list[str], make: Callable[[Path], Form]) -> tuple[Path, Form]:
    """A folder of the cache with all its files, and what `make` said of it: as it is, or made aside, flushed and renamed."""
    if not all((folder / name).is_file() for name in [_FORM, *(f"{name}.bin" for name in names)]):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        try:
            (aside / _FORM).write_text(json.dumps(make(aside)))
            for path in aside.iterdir():
                with path.open("rb+") as stream:
                    os.fsync(stream.fileno())
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder, json.loads((folder / _FORM).read_text())
