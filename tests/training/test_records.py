from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.store import Store
from training.records import Records, rows

ROW = {
    "epoch": 0,
    "first_sequence": 0,
    "sequences": 1,
    "outcome": "taken",
    "loss": 2.0,
    "learning_rate": 0.1,
    "gradient_norm": 1.0,
    "tokens": 7,
    "seconds": 0.5,
    "memory_bytes": 1,
}


def add(records: Records, step: int) -> None:
    ids = np.frombuffer(bytes(range(32)), "V16")
    records.add({"step": step, **ROW}, ids, np.array([1.0, 3.0]), np.array([3, 4]))


def test_parts_after_the_checkpoint_are_removed_before_their_steps_are_done_again(tmp_path: Path) -> None:
    store, stream = Store(tmp_path), tmp_path / "progress.jsonl"
    first = Records(store, "run", stream, [])
    add(first, 0)
    first.close_part()
    saved = list(first.closed)
    add(first, 1)
    first.close_part()
    first.close_part()
    assert store.list("run/steps") == ["part-00000000-00000000.parquet", "part-00000001-00000001.parquet"]
    again = Records(store, "run", stream, saved)
    assert store.list("run/steps") == store.list("run/document_losses") == ["part-00000000-00000000.parquet"]
    add(again, 1)
    again.close_part()
    assert [part.path for part in again.closed[2:]] == [
        "steps/part-00000001-00000001.parquet",
        "document_losses/part-00000001-00000001.parquet",
    ]
    assert [part.rows for part in again.closed] == [1, 2, 1, 2]
    assert store.table("run/steps/part-00000001-00000001.parquet")["attempt"].to_pylist() == [1]


def test_readers_pass_over_a_line_torn_by_a_kill(tmp_path: Path) -> None:
    stream = tmp_path / "progress.jsonl"
    assert list(rows(stream)) == []
    add(Records(Store(tmp_path), "run", stream, []), 0)
    with stream.open("a") as lines:
        lines.write('{"step": 1, "lo')
    assert len(list(rows(stream))) == 2
    records = Records(Store(tmp_path), "run", stream, [])
    assert records.attempt == 1
    add(records, 1)
    assert [row.get("step") for row in rows(stream)] == [None, 0, None, 1]


def test_parts_that_may_yet_be_rolled_back_are_taken_up_again(tmp_path: Path) -> None:
    store, stream = Store(tmp_path), tmp_path / "progress.jsonl"
    first = Records(store, "run", stream, [])
    for step in range(3):
        add(first, step)
        first.close_part()
    again = Records(store, "run", stream, first.closed, open_from=1)
    assert [part.path for part in again.closed] == [
        "steps/part-00000000-00000000.parquet",
        "document_losses/part-00000000-00000000.parquet",
    ]
    add(again, 3)
    again.roll_back()
    again.close_part()
    steps = store.table("run/steps/part-00000001-00000003.parquet")
    assert steps["step"].to_pylist() == [1, 2, 3]
    assert steps["outcome"].to_pylist() == ["rolled_back"] * 3
    assert store.table("run/document_losses/part-00000001-00000003.parquet")["step"].to_pylist() == [1, 1, 2, 2, 3, 3]
