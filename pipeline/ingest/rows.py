"""Rows that a reader yields, gathered into Arrow batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pyarrow as pa
from xxhash import xxh3_128_digest

from pipeline import schema

MAX_ROWS = 512
MAX_BYTES = 32_000_000
MAX_DETAIL_CHARS = 500  # of why a record could not be read
MAX_LINE_BYTES = 16_000_000  # of one record of JSON or CSV, which takes up to thirty times as much where it is many small values
MAX_PAYLOAD_BYTES = 64_000_000  # of one record; a larger one is not held in memory


@dataclass(frozen=True)
class Row:
    """One record as it was found. `key` identifies it within its source."""

    key: bytes
    offset: int
    id: str | None = None
    url: str | None = None
    fetched_at: datetime | None = None
    content_type: str | None = None
    charset: str | None = None
    content: bytes | None = None
    text: str | None = None
    error: str | None = None
    error_detail: str | None = None
    bytes: int = 0  # of the payload


def utc(when: datetime | None) -> datetime | None:
    """A time in UTC; one that names no zone is taken to be. None for one that no calendar of ours holds."""
    if when is None:
        return None
    try:
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None


def host(url: str | None) -> str | None:
    """Host and port of a URL, lower-cased, without user information."""
    if url is None:
        return None
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower() or None
    except ValueError:  # a bracket that is no IPv6 address: a hostile URL has no host
        return None


def batches(source: str, rows: Iterable[tuple[str, Row]]) -> Iterator[pa.RecordBatch]:
    """Batches of `schema.INPUT` of rows and the names of their files.

    Each has at most MAX_ROWS rows and, but for a single large row, MAX_BYTES of payload.
    """
    held: list[tuple[str, Row]] = []
    size = 0
    for file, row in rows:
        if held and (len(held) == MAX_ROWS or size + row.bytes > MAX_BYTES):
            yield _batch(source, held)
            held, size = [], 0
        held.append((file, row))
        size += row.bytes
    if held:
        yield _batch(source, held)


def _batch(source: str, named: list[tuple[str, Row]]) -> pa.RecordBatch:
    rows = [row for _, row in named]
    urls = [carriable(row.url) for row in rows]
    texts = [carriable(row.text) for row in rows]
    columns = {
        "doc_id": schema.doc_ids([schema.doc_id(source, row.key) for row in rows]),
        "source": [source] * len(rows),
        "id": [carriable(row.id) for row in rows],
        "url": urls,
        "host": [host(url) for url in urls],
        "fetched_at": [row.fetched_at for row in rows],
        "file": [carriable(file) for file, _ in named],
        "offset": [row.offset for row in rows],
        "bytes": [row.bytes for row in rows],
        "digest": [_digest(row.content, text) for row, text in zip(rows, texts, strict=True)],
        "content_type": [carriable(row.content_type) for row in rows],
        "error": [row.error for row in rows],
        "error_detail": [carriable(row.error_detail and row.error_detail[:MAX_DETAIL_CHARS]) for row in rows],
        "content": [row.content for row in rows],
        "charset": [carriable(row.charset) for row in rows],
        "text": texts,
    }
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in schema.INPUT], schema=schema.INPUT)


def _digest(content: bytes | None, text: str | None) -> bytes | None:
    if content is None and text is None:
        return None
    return xxh3_128_digest((text or "").encode() if content is None else content)


def carriable(text: str | None) -> str | None:
    """Text that UTF-8 can carry: a lone surrogate, which JSON and headers can smuggle in, becomes U+FFFD."""
    return None if text is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
