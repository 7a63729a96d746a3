"""Readers: whatever a user has becomes record batches of `schema.INPUT`, a row for every record, readable or not.

A reader is a module with `VERSION`, `USES` and `read(stream, input, source) -> Iterator[Row]`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import batches
from pipeline.recipe import Source
from pipeline.step import versions
from pipeline.store import Store


def reader_spec(source: Source) -> dict[str, Any]:
    """What of the reader and its settings determines the records: part of a shard's fingerprint."""
    reader = importlib.import_module(f"pipeline.ingest.{source.format}")
    settings = source.model_dump(mode="json", include={"format", "text_key", "id_key", "url_key"})
    return {**settings, "version": reader.VERSION, "uses": versions(reader.USES)}


def read(source: Source, given: Input) -> Iterator[pa.RecordBatch]:
    """All records of one input, a bounded number of rows and bytes at a time."""
    reader = importlib.import_module(f"pipeline.ingest.{source.format}")
    with Store(given.root).open(given.path) as stream:
        yield from batches(source.name, given.name, reader.read(stream, given, source))
