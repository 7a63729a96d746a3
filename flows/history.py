"""A document's text from step to step: its record is read again and goes through the recipe's steps once more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flows import stages
from flows.job import Job
from pipeline import ingest
from pipeline.shard import Passage, Shard


@dataclass(frozen=True)
class Change:
    """What one step made of a text; `before` is None where there was none."""

    step: str
    before: str | None
    after: str


def of(job: Job, doc_id: uuid.UUID) -> list[Change]:
    """The changes of a document's text, in order; none where no finished shard of the recipe holds the document."""
    for shard in stages.shards(job):
        if _holds(job, shard, doc_id):
            return list(_changes(_record(shard, doc_id), shard))
    return []


def _holds(job: Job, shard: Shard, doc_id: uuid.UUID) -> bool:
    place = f"shards/{shard.fingerprint}"
    manifest = job.store.manifest(place)
    return manifest is not None and any(
        _row(job.store.table(f"{place}/{path}", ["doc_id"]), doc_id) >= 0 for path in manifest.paths("records")
    )


def _row(records: pa.Table | pa.RecordBatch, doc_id: uuid.UUID) -> int:
    """Where the document stands, or -1."""
    column = records["doc_id"]
    storage = column.combine_chunks().storage if isinstance(column, pa.ChunkedArray) else column.storage
    place: int = pc.index(storage, pa.scalar(doc_id.bytes, storage.type)).as_py()
    return place


def _record(shard: Shard, doc_id: uuid.UUID) -> pa.RecordBatch:
    """The document's record, as the reader gives it."""
    for batch in ingest.read(shard.source, shard.inputs):
        if (row := _row(batch, doc_id)) >= 0:
            return batch.slice(row, 1)
    raise LookupError(f"{doc_id}: its record is in shards/{shard.fingerprint}, but in none of the files that were read for it")


def _changes(record: pa.RecordBatch, shard: Shard) -> Iterator[Change]:
    passage = Passage(record)
    for use in shard.steps:
        before = passage.batch["text"][0].as_py()
        passage.apply(use)
        after = passage.batch["text"][0].as_py()
        if after is not None and after != before:
            yield Change(use.name, before, after)
