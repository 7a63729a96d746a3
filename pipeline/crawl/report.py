"""What a finished crawl leaves beside its WARC files: the crawl log, and last the manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.frontier import Frontier
from pipeline.crawl.warc import file_name, record_id, sync_folder
from pipeline.schema import CRAWL_LOG

MANIFEST = "crawl.json"
LOG = "crawl_log/part-00000.parquet"
_ROWS = 65_536


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder's finished crawl; None where there is none."""
    path = folder / MANIFEST
    return json.loads(path.read_bytes()) if path.exists() else None


def write(folder: Path, config: CrawlConfig, frontier: Frontier) -> dict[str, Any]:
    """Write the log, then the manifest, each whole or not at all. Returns the manifest."""
    _write_log(folder / LOG, frontier)
    closed = [warc for warc in frontier.warcs() if warc.sha256]
    said = {
        "fingerprint": config.fingerprint,
        "config": config.model_dump(mode="json"),
        "files": [{"name": file_name(warc.number), "bytes": warc.bytes, "sha256": warc.sha256, "records": warc.records} for warc in closed],
        "outcomes": frontier.outcomes(),
    }
    aside = folder / f"{MANIFEST}.aside"
    with aside.open("w", encoding="utf-8") as stream:
        json.dump(said, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(folder / MANIFEST)
    sync_folder(folder)
    return said


def _write_log(path: Path, frontier: Frontier) -> None:
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f"{path.name}.aside")
    with aside.open("wb") as stream:
        with pq.ParquetWriter(stream, CRAWL_LOG, compression="zstd") as writer:
            for batch in _batches(frontier.log()):
                writer.write_batch(batch)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _ROWS)):
        url, host, depth, outcome, detail, status, seen_at, fetched_at, bytes_, digest, referrer = zip(*some, strict=True)
        ids = [record_id(u, d) if o == "fetched" else None for u, o, d in zip(url, outcome, digest, strict=True)]
        columns = (url, host, depth, outcome, detail, status, seen_at, fetched_at, bytes_, digest, ids, referrer)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, CRAWL_LOG, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=CRAWL_LOG)
