"""The WARC 1.1 records of one exchange (ISO 28500:2017): what came, what was asked, and what else is known of it."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fastwarc.warc import WarcRecord, WarcRecordType

from pipeline.crawl.fetch import Response

_PROFILES = "http://netpreserve.org/warc/1.1/revisit"
NOT_MODIFIED, IDENTICAL = f"{_PROFILES}/server-not-modified", f"{_PROFILES}/identical-payload-digest"
_DATE = "%Y-%m-%dT%H:%M:%S.%fZ"
FIELDS = "application/warc-fields"
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "corpusmill:warc-record")


def payload_digest(payload: bytes) -> str:
    """SHA-1 in Base32, labelled, as WARC readers expect."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode()


def record_id(url: str, digest: str) -> str:
    """The id of a response record: derived from URL and payload digest, so that the same answer has the same id."""
    return uuid.uuid5(_IDS, f"{url}\0{digest}").urn


@dataclass(frozen=True)
class Exchange:
    """A response to be kept, with its request and the way that led to it.

    `original_at` makes it a revisit: when the response record was fetched that has the same payload, in microseconds since 1970.
    """

    response: Response
    digest: str  # of the payload
    depth: int
    via: str | None = None
    canonical: str | None = None
    original_at: int | None = None

    @property
    def url(self) -> str:
        """What was asked for."""
        return self.response.url.text

    @property
    def response_id(self) -> str:
        """The id of the response record that holds the payload, in this crawl or in an earlier one."""
        return record_id(self.url, self.digest)

    @property
    def id(self) -> str:
        """The id of the first of the exchange's own records."""
        if self.original_at is None:
            return self.response_id
        return uuid.uuid5(_IDS, f"revisit\0{self.response_id}\0{self.response.fetched_at}").urn


def of(exchange: Exchange) -> Iterator[tuple[WarcRecord, bytes | None]]:
    """Response or revisit, request, metadata: each with the SHA-1 of its payload where it has one, or refers to one."""
    answer = _answer(exchange)
    request = _record(WarcRecordType.request, _derived("request", exchange), exchange)
    request.set_bytes_content(exchange.response.request_head)
    for record, other in ((answer, _derived("request", exchange)), (request, exchange.id)):
        record.headers["WARC-Concurrent-To"] = f"<{other}>"
        if exchange.response.address:
            record.headers["WARC-IP-Address"] = exchange.response.address
    yield answer, base64.b32decode(exchange.digest.removeprefix("sha1:"))
    yield request, None
    yield _metadata(exchange), None


def _answer(exchange: Exchange) -> WarcRecord:
    if exchange.original_at is None:
        record = _record(WarcRecordType.response, exchange.id, exchange)
        record.set_bytes_content(exchange.response.response_head + (exchange.response.body or b""))
        return record
    record = _record(WarcRecordType.revisit, exchange.id, exchange)
    record.headers["WARC-Profile"] = NOT_MODIFIED if exchange.response.status == 304 else IDENTICAL
    record.headers["WARC-Refers-To"] = f"<{exchange.response_id}>"
    record.headers["WARC-Refers-To-Target-URI"] = exchange.url
    record.headers["WARC-Refers-To-Date"] = _date(exchange.original_at)
    record.headers["Content-Type"] = "application/http; msgtype=response"
    record.set_bytes_content(exchange.response.response_head)
    return record


def _metadata(exchange: Exchange) -> WarcRecord:
    record = _record(WarcRecordType.metadata, _derived("metadata", exchange), exchange)
    record.headers["WARC-Concurrent-To"] = f"<{exchange.id}>"
    record.headers["WARC-Refers-To"] = f"<{exchange.id}>"
    record.headers["Content-Type"] = FIELDS
    known = {"via": exchange.via, "depth": exchange.depth, "fetchTimeMs": exchange.response.duration_ms, "canonical": exchange.canonical}
    record.set_bytes_content(fields({name: value for name, value in known.items() if value is not None}))
    return record


def fields(known: dict[str, str | int]) -> bytes:
    """A block of the type application/warc-fields."""
    return "".join(f"{name}: {value}\r\n" for name, value in known.items()).encode()


def information(file: str, software: str) -> WarcRecord:
    """The record that a file begins with."""
    record = WarcRecord()
    record.init_headers(WarcRecordType.warcinfo, uuid.uuid4().urn.removeprefix("urn:").encode())
    record.headers["WARC-Date"] = datetime.now(UTC).strftime(_DATE)
    record.headers["WARC-Filename"] = file
    record.headers["Content-Type"] = FIELDS
    record.set_bytes_content(fields({"software": software, "format": "WARC File Format 1.1", "robots": "obey (RFC 9309)"}))
    return record


def _record(kind: WarcRecordType, urn: str, exchange: Exchange) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(kind, urn.removeprefix("urn:").encode())
    record.is_http = kind != WarcRecordType.metadata
    record.headers["WARC-Date"] = _date(exchange.response.fetched_at)
    record.headers["WARC-Target-URI"] = exchange.url
    return record


def _derived(kind: str, exchange: Exchange) -> str:
    return uuid.uuid5(_IDS, f"{kind}\0{exchange.id}").urn


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime(_DATE)
