"""Readers: whatever a user has becomes record batches of `schema.INPUT`, a row for every record, readable or not.

A reader is a module with `VERSION`, `USES`, `cuts(stream, every, source) -> Iterator[Cut]` and
`read(stream, input, source) -> Iterator[Row]`; its name is the `format` that a recipe gives a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from pipeline.ingest.inputs import Input
from pipeline.ingest.readers import reader
from pipeline.ingest.rows import Row, batches
from pipeline.recipe import Source
from pipeline.step import versions
from pipeline.store import Store


def reader_spec(source: Source) -> dict[str, Any]:
    """What of the reader and its settings determines the records: part of a shard's fingerprint."""
    module = reader(source)
    settings = source.model_dump(mode="json", exclude={"name", "files", "crawl", "crawled", "common_crawl", "split_mb"})
    return {**settings, "version": module.VERSION, "uses": versions(module.USES)}


def read(source: Source, inputs: Iterable[Input]) -> Iterator[pa.RecordBatch]:
    """All records of some inputs of one source, a bounded number of rows and bytes at a time."""
    return batches(source.name, ((given.name, row) for given in inputs for row in _rows(source, given)))


def _rows(source: Source, given: Input) -> Iterator[Row]:
    if given.error is not None:
        key = f"{given.digest}:unreadable{f':{given.start}' if given.start else ''}"
        yield Row(key.encode(), 0, error="unreadable", error_detail=given.error)
        return
    with Store(given.root).open(given.path) as stream:
        yield from reader(source).read(stream, given, source)
