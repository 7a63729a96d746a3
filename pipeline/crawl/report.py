"""What a finished crawl leaves beside its WARC files: the crawl log, and last the manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.frontier import KEPT, Frontier
from pipeline.crawl.manifest import MANIFEST
from pipeline.crawl.records import record_id
from pipeline.crawl.warc import file_name
from pipeline.schema import CRAWL_LOG
from pipeline.store import Store, Version

LOG, FILE = "crawl_log", "part-00000.parquet"
_ROWS = 65_536


def write(folder: Path, config: CrawlConfig, frontier: Frontier) -> dict[str, Any]:
    """Write the log, then the manifest, each whole or not at all. Returns the manifest."""
    _write_log(folder, frontier)
    closed = [warc for warc in frontier.warcs() if warc.sha256]
    said = {
        "fingerprint": config.fingerprint,
        "config": config.model_dump(mode="json"),
        "files": [{"name": file_name(warc.number), "bytes": warc.bytes, "sha256": warc.sha256, "records": warc.records} for warc in closed],
        "outcomes": frontier.outcomes(),
        "finished_at": time.time_ns() // 1000,  # microseconds since 1970, UTC: an edition goes on from the last
    }
    Store(folder).write(MANIFEST, json.dumps(said, indent=1).encode())
    return said


def _write_log(folder: Path, frontier: Frontier) -> None:
    with Version(Store(folder), LOG).parquet(FILE, CRAWL_LOG) as log:
        for batch in _batches(frontier.log()):
            log.write(batch)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _ROWS)):
        made = [_row(*row) for row in some]
        yield pa.RecordBatch.from_pylist(made, schema=CRAWL_LOG)


def _row(*found: Any) -> dict[str, Any]:
    """A row of the log, of one of the frontier."""
    *same, referrer, warc, offset, etag, last_modified, canonical, _ = found
    names = ("url", "host", "depth", "outcome", "detail", "status", "seen_at", "fetched_at", "bytes", "payload_digest")
    row = dict(zip(names, same, strict=True))
    row |= {"referrer": referrer, "offset": offset, "etag": etag, "last_modified": last_modified, "canonical": canonical}
    row["warc"] = None if warc is None else file_name(warc)
    row["record_id"] = record_id(row["url"], row["payload_digest"]) if row["outcome"] in KEPT else None
    return row
