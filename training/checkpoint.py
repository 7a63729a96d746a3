"""Checkpoints that a run goes on from exactly: weights, optimizer state, random state, and where it was.

Each is a version of its own, `checkpoints/<step>`, where the step is the number of steps done. Every rank writes what it
holds, as safetensors with an index in JSON that says which rows of which tensor lie where: so any number of ranks reads
what any other number wrote. Tensors are copied to the host at once and written while training goes on; the manifest with
its checksums comes last, when all ranks have written.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from typing import Any, NamedTuple

import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.store import MANIFEST, Part, Store, Version
from training.ranks import TIMEOUT, Ranks, local

FILE_BYTES = 2**29  # serialised at once
POLL_S = 0.05
STATE = "state.json"
State = dict[str, Any]


class Rows(NamedTuple):
    """Where some rows of a tensor lie; a tensor without dimensions is one row."""

    file: str
    first_row: int
    shape: tuple[int, ...]  # of the whole tensor
    dtype: str


class _Held(NamedTuple):
    first_row: int
    shape: tuple[int, ...]
    rows: Tensor  # on the host


class Checkpoints:
    """The checkpoints of a run, written in turn by a thread of their own."""

    def __init__(self, store: Store, run: str, ranks: Ranks, keep: int) -> None:
        self._store, self._run, self._ranks, self._keep = store, run, ranks, keep
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self._attempt = ranks.told(time.time_ns())  # tells what these ranks wrote from what was left by others

    def begin(self, step: int, tensors: Mapping[str, Tensor], state: State, keep: Set[int | None] = frozenset()) -> None:
        """Copy everything to the host and begin to write it, once the one begun before is there.

        When it is there, all but the newest checkpoints and those of the steps `keep` go.
        """
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._write, step, dict(self._own(tensors)), state, keep)

    def finish(self) -> None:
        """Wait until what was begun exists, for every rank."""
        if self._writing:
            self._writing.result()
        self._ranks.wait()

    def read(self, step: int) -> Saved:
        """As `read`, of the checkpoint after so many steps."""
        return read(self._store, place(self._run, step), self._ranks)

    def close(self) -> None:
        """Finish, and end the thread."""
        self.finish()
        self._thread.shutdown()

    def _own(self, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, _Held]]:
        """What this rank writes of each tensor: its rows of it, or where all ranks hold it alike the first rank all of it."""
        for key, tensor in tensors.items():
            found = local(tensor)
            if found.sharded or self._ranks.first:
                yield key, _Held(found.first_row, tuple(tensor.shape), found.rows.detach().to("cpu", copy=True).contiguous())

    def _write(self, step: int, held: dict[str, _Held], state: State, keep: Set[int | None]) -> None:
        """Write this rank's rows; on the first rank wait for the others', and make the checkpoint exist."""
        folder = place(self._run, step)
        version = Version(self._store, folder)
        index: dict[str, Rows] = {}
        for number, keys in enumerate(_files(held)):
            file = f"rank-{self._ranks.rank:05}-{number:05}.safetensors"
            version.write(file, save({key: held[key].rows for key in keys}))
            for key in keys:
                first_row, shape, rows = held[key]
                index[key] = Rows(file, first_row, shape, str(rows.dtype).removeprefix("torch."))
        told = {"attempt": self._attempt, "files": [asdict(part) for part in version.parts], "tensors": index}
        version.write(_index(self._ranks.rank), json.dumps(told).encode())
        if self._ranks.first:
            for rank in range(1, self._ranks.world):
                version.include(self._others(folder, rank))
            version.write(STATE, json.dumps(state).encode())
            spec = {"kind": "checkpoint", "run": self._run.rpartition("/")[2], "step": step}
            version.commit(spec, {"step": step, "ranks": self._ranks.world})
            prune(self._store, self._run, self._keep, keep)

    def _others(self, folder: str, rank: int) -> list[Part]:
        """What another rank has written, once it has."""
        name, until = _index(rank), time.monotonic() + TIMEOUT.total_seconds()
        while time.monotonic() < until:
            if self._store.exists(f"{folder}/{name}"):
                raw = self._store.read(f"{folder}/{name}")
                told = json.loads(raw)
                if told["attempt"] == self._attempt:
                    return [*(Part(**part) for part in told["files"]), Part(name, len(raw), hashlib.sha256(raw).hexdigest())]
            time.sleep(POLL_S)
        raise TimeoutError(f"{self._store.uri(folder)}: rank {rank} was expected to write its part within {TIMEOUT}")


class Saved:
    """A checkpoint on disk."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder
        manifest = store.manifest(folder)
        if manifest is None:
            raise ValueError(f"{store.uri(folder)}: a finished checkpoint was expected there")
        self.step = manifest.counts["step"]
        self._rows: dict[str, dict[str, Rows]] = {}  # by file, then by tensor
        for rank in range(manifest.counts["ranks"]):
            for key, (file, first_row, shape, dtype) in json.loads(store.read(f"{folder}/{_index(rank)}"))["tensors"].items():
                self._rows.setdefault(file, {})[key] = Rows(file, first_row, tuple(shape), dtype)
        self.tensors: dict[str, Rows] = {key: rows for found in self._rows.values() for key, rows in found.items()}

    @property
    def state(self) -> State:
        """What the trainer gave beside tensors."""
        return json.loads(self._store.read(f"{self._folder}/{STATE}"))

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Fill each tensor, or this rank's rows of it, a file in memory at a time. `ValueError` where the shapes are others."""
        for key, tensor in tensors.items():
            if key not in self.tensors or self.tensors[key].shape != tuple(tensor.shape):
                raise ValueError(f"{self._store.uri(self._folder)}: {key}: a tensor of shape {tuple(tensor.shape)} was expected")
        for file, rows in self._rows.items():
            if rows.keys() & tensors.keys():
                found = load(self._store.read(f"{self._folder}/{file}"))
                for key in rows.keys() & tensors.keys():
                    _fill(tensors[key], found[key], rows[key].first_row)


def read(store: Store, folder: str, ranks: Ranks) -> Saved:
    """A checkpoint by its place, once the first rank has read it through; on every rank a `ValueError` that names what is damaged."""
    if ranks.told(int(ranks.first and damaged(store, folder) is not None)):
        raise ValueError(f"{store.uri(damaged(store, folder) or folder)}: damaged: what the checkpoint's manifest says was expected")
    return Saved(store, folder)


def newest(store: Store, run: str) -> int | None:
    """The step of the newest checkpoint that is whole, byte for byte, None where there is none; says which ones are not."""
    for step in _steps(store, run):
        if damaged(store, place(run, step)) is None:
            return step
        print(f"checkpoint {step} of {run} is not whole: falling back to the one before", file=sys.stderr, flush=True)
    return None


def damaged(store: Store, folder: str) -> str | None:
    """The first file of a checkpoint that is not what its manifest says, None where it is whole.

    It is the folder where the manifest is not there, or a file has another size.
    """
    manifest = store.manifest(folder)
    if manifest is None:
        return folder
    return next((f"{folder}/{part.path}" for part in manifest.files if not _as_written(store, folder, part)), None)


def states(store: Store, run: str) -> Iterator[State]:
    """What the trainer gave beside tensors to each checkpoint, but where that is damaged."""
    for folder in (place(run, step) for step in _steps(store, run)):
        manifest = store.manifest(folder)
        if manifest and all(_as_written(store, folder, part) for part in manifest.files if part.path == STATE):
            yield json.loads(store.read(f"{folder}/{STATE}"))


def prune(store: Store, run: str, keep: int, also: Set[int | None] = frozenset()) -> None:
    """Remove all but the newest `keep` that are whole, byte for byte, and those of the steps `also`; says which ones were not."""
    steps = _steps(store, run)
    kept = list(islice((step for step in steps if damaged(store, place(run, step)) is None), keep))
    for step in steps if kept else []:
        if step in kept or step in also:
            continue
        if step > kept[-1]:
            print(f"checkpoint {step} of {run} is not whole: removed", file=sys.stderr, flush=True)
        store.fs.delete_file(store.path(f"{place(run, step)}/{MANIFEST}"))  # first, so that it is there or not
        store.fs.delete_dir(store.path(place(run, step)))


def place(run: str, step: int) -> str:
    """Where the checkpoint after so many steps lies."""
    return f"{run}/checkpoints/{step:08}"


def _steps(store: Store, run: str) -> list[int]:
    """The steps of finished checkpoints, newest first."""
    names = (name for name in store.list(f"{run}/checkpoints") if store.exists(f"{run}/checkpoints/{name}/{MANIFEST}"))
    return sorted(map(int, names), reverse=True)


def _as_written(store: Store, folder: str, part: Part) -> bool:
    return hashlib.sha256(store.read(f"{folder}/{part.path}")).hexdigest() == part.sha256


def _files(held: Mapping[str, _Held]) -> Iterator[list[str]]:
    """The tensors of each file."""
    keys: list[str] = []
    size = 0
    for key, (_, _, rows) in held.items():
        if keys and size + rows.nbytes > FILE_BYTES:
            yield keys
            keys, size = [], 0
        keys.append(key)
        size += rows.nbytes
    yield keys


def _index(rank: int) -> str:
    """The file that says what a rank wrote."""
    return f"rank-{rank:05}.json"


@torch.no_grad()
def _fill(tensor: Tensor, rows: Tensor, first_row: int) -> None:
    """Copy those of the `rows`, the first of which has this number, that `tensor` holds."""
    own = local(tensor)
    if not own.rows.dim():
        own.rows.copy_(rows)
        return
    start, end = max(first_row, own.first_row), min(first_row + len(rows), own.first_row + len(own.rows))
    if start < end:
        own.rows[start - own.first_row : end - own.first_row].copy_(rows[start - first_row : end - first_row])
