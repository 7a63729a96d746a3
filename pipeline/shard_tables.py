"""The tables of a finished shard: `records`, `texts` and `signals`, row by row of the same inputs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipeline.store import Store

FILE = "part-00000.parquet"  # each table is one file


def place(shard: str, kind: str) -> str:
    """Where a table lies, from the root."""
    return f"shards/{shard}/{kind}/{FILE}"


def table(store: Store, shard: str, kind: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A table, or columns of it."""
    return store.table(place(shard, kind), columns)


def columns(store: Store, shard: str, kind: str) -> Sequence[str]:
    """The names of a table's columns."""
    return store.columns(place(shard, kind))
