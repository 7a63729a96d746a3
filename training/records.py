"""What a run writes down of every step: Parquet parts closed with each checkpoint, and a stream in between.

`steps/` and `document_losses/` hold parts named by their first and last step. `progress.jsonl` gets a line as each step ends: the
step's row, or `{"attempt": n}` where a process started. After a kill, steps are done again and stand in it twice, equal
but for their time.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.schema import DOC_ID, DOCUMENT_LOSSES, STEPS
from pipeline.store import Part, Store

Row = dict[str, Any]
TAKEN, ROLLED_BACK = "taken", "rolled_back"


class Records:
    """The rows since the last checkpoint, and the parts closed before it."""

    def __init__(
        self, store: Store, run: str, stream: Path, closed: list[Part], open_from: int = sys.maxsize, named: Set[str] = frozenset()
    ) -> None:
        """`closed` are the parts of the checkpoint that the run goes on from; those of them from the step `open_from` on are taken up
        again, since they may yet be rolled back. `named` are the paths of parts that other checkpoints need.
        """
        self._store, self._run = store, run
        self.closed = [part for part in closed if _first_step(part) < open_from]
        taken_up = [part.path for part in closed if part not in self.closed]
        self._steps: list[Row] = [row for path in taken_up if path.startswith("steps/") for row in self._table(path).to_pylist()]
        self._losses = [self._table(path) for path in taken_up if not path.startswith("steps/")]
        _remove_all_but(store, run, named | {part.path for part in closed})
        self.attempt = sum("attempt" in row and "step" not in row for row in rows(stream))
        _end_torn_line(stream)
        self._stream = stream
        self._say({"attempt": self.attempt})

    def _table(self, path: str) -> pa.Table:
        return self._store.table(f"{self._run}/{path}")

    def add(self, row: Row, ids: npt.NDArray[Any], losses: npt.NDArray[Any], targets: npt.NDArray[Any]) -> None:
        """One step: its row (`schema.STEPS` but the attempt), and its documents with their mean losses and counts of targets."""
        row = {**row, "attempt": self.attempt}
        row |= {name: row[name] if math.isfinite(row[name]) else None for name in ("loss", "gradient_norm")}
        self._steps.append(row)
        storage = pa.Array.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(np.ascontiguousarray(ids))])
        columns = [
            pa.array(np.full(len(ids), row["step"], np.int64)),
            pa.ExtensionArray.from_storage(DOC_ID, storage),
            pa.array(losses.astype(np.float32), from_pandas=True),  # null where it is no number
            pa.array(targets.astype(np.int32)),
        ]
        self._losses.append(pa.table(columns, schema=DOCUMENT_LOSSES))
        self._say(row)

    def roll_back(self) -> None:
        """The steps since the last part have moved no weights after all; those that had not anyway still say why."""
        for row in self._steps:
            if row["outcome"] == TAKEN:
                row["outcome"] = ROLLED_BACK
                self._say(row)

    def note(self, **measured: float) -> None:
        """What was measured after the last step added."""
        self._steps[-1] |= measured
        self._say(self._steps[-1])

    def close_part(self) -> None:
        """Write what was added since the last part."""
        if self._steps:
            name = f"part-{self._steps[0]['step']:08}-{self._steps[-1]['step']:08}.parquet"
            self._write(f"steps/{name}", pa.Table.from_pylist(self._steps, schema=STEPS))
            self._write(f"document_losses/{name}", pa.concat_tables(self._losses))
            self._steps, self._losses = [], []

    def _write(self, name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        part = self._store.write(f"{self._run}/{name}", sink.getvalue().to_pybytes())
        self.closed.append(replace(part, path=name, rows=table.num_rows))

    def _say(self, row: Row) -> None:
        with self._stream.open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def rows(stream: Path) -> Iterator[Row]:
    """The whole lines of a progress stream, none where there is no file yet."""
    if stream.exists():
        with stream.open("rb") as lines:
            for line in lines:
                if line.endswith(b"}\n"):
                    yield json.loads(line)


def _first_step(part: Part) -> int:
    return int(Path(part.path).stem.split("-")[1])


def _end_torn_line(stream: Path) -> None:
    """End a line that a killed process left half-written: readers pass over it."""
    if stream.exists() and stream.stat().st_size:
        with stream.open("rb+") as lines:
            lines.seek(-1, os.SEEK_END)
            if lines.read() != b"\n":
                lines.write(b"\n")


def _remove_all_but(store: Store, run: str, named: Set[str]) -> None:
    """Remove parts that no checkpoint names: their steps are done again."""
    for folder in ("steps", "document_losses"):
        for name in store.list(f"{run}/{folder}"):
            if f"{folder}/{name}" not in named:
                store.fs.delete_file(store.path(f"{run}/{folder}/{name}"))
