"""WARC 1.1 files (ISO 28500:2017): one gzip member a record, whole records only, closed under their final names.

A file being written has the suffix `.open`; what of it counts is up to the offset that the frontier has committed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord, WarcRecordType

from pipeline.crawl.fetch import Response
from pipeline.crawl.urls import Url

OPEN = ".open"
_GZIP_LEVEL = 6
_RECORD_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "corpusmill:warc-record")


def payload_digest(payload: bytes) -> str:
    """SHA-1 in Base32, labelled, as WARC readers expect."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode()


def record_id(url: str, digest: str) -> str:
    """The id of a response record: derived from URL and payload digest, so that the same answer has the same id."""
    return uuid.uuid5(_RECORD_IDS, f"{url}\0{digest}").urn


def file_name(number: int) -> str:
    """The name of the crawl's WARC file of that number."""
    return f"crawl-{number:05}.warc.gz"


@dataclass(frozen=True)
class Exchange:
    """A response to be kept, with its request."""

    url: Url
    response: Response
    digest: str

    @property
    def payload(self) -> bytes:
        """The decoded body."""
        return self.response.body or b""


class Archive:
    """The WARC file being written: `number` and `offset` say where the next record comes to lie."""

    def __init__(self, folder: Path, number: int, offset: int, software: str) -> None:
        self._folder, self._software = folder, software
        self.number, self.offset = number, offset
        self._stream = self._resume()

    def append(self, exchange: Exchange) -> int:
        """Write response and request; returns the response record's offset."""
        if self.offset == 0:
            self._write(self._warcinfo())
        at = self.offset
        response, request = _records(exchange)
        self._write(response, exchange.digest)
        self._write(request)
        return at

    def sync(self) -> None:
        """Everything written so far is on disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def next(self) -> None:
        """Close the file under its final name and go on with the next number. An empty file leaves no trace."""
        self.close()
        path = self._path()
        if self.offset:
            path.rename(path.with_name(file_name(self.number)))
            sync_folder(self._folder)
        else:
            path.unlink()
        self.number, self.offset = self.number + 1, 0
        self._stream = self._path().open("ab")

    def close(self) -> None:
        """Flush and close the file as it is."""
        self.sync()
        self._stream.close()

    def discard(self) -> None:
        """Take away the file that was begun and holds nothing."""
        self.close()
        self._path().unlink()

    def _path(self) -> Path:
        return self._folder / (file_name(self.number) + OPEN)

    def _resume(self) -> io.BufferedWriter:
        path = self._path()
        closed = path.with_name(file_name(self.number))
        if closed.exists():
            # Killed between the renaming and the commit that says so.
            closed.rename(path)
        present = path.stat().st_size if path.exists() else 0
        if present < self.offset:
            raise OSError(f"{path}: {present} bytes, expected at least the {self.offset} that the frontier has committed")
        stream = path.open("ab")
        stream.truncate(self.offset)
        return stream

    def _write(self, record: WarcRecord, digest: str | None = None) -> None:
        member = io.BytesIO()
        writer = GzipWriter(member, compression_level=_GZIP_LEVEL)
        record.write(writer, checksum_data=True, payload_digest=base64.b32decode(digest.removeprefix("sha1:")) if digest else None)
        writer.finish()
        self.offset += self._stream.write(member.getvalue())

    def _warcinfo(self) -> WarcRecord:
        name = file_name(self.number)
        record = _record(WarcRecordType.warcinfo, uuid.uuid4().urn, datetime.now(UTC))
        record.headers["WARC-Filename"] = name
        record.headers["Content-Type"] = "application/warc-fields"
        fields = {"software": self._software, "format": "WARC File Format 1.1", "robots": "obey (RFC 9309)"}
        record.set_bytes_content("".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode())
        return record


def _records(exchange: Exchange) -> tuple[WarcRecord, WarcRecord]:
    answer = exchange.response
    when = datetime.fromtimestamp(answer.fetched_at / 1_000_000, UTC)
    response_id = record_id(exchange.url.text, exchange.digest)
    request_id = uuid.uuid5(_RECORD_IDS, f"request\0{response_id}").urn
    response = _record(WarcRecordType.response, response_id, when)
    request = _record(WarcRecordType.request, request_id, when)
    for record, other in ((response, request_id), (request, response_id)):
        record.is_http = True
        record.headers["WARC-Target-URI"] = exchange.url.text
        record.headers["WARC-Concurrent-To"] = f"<{other}>"
    response.set_bytes_content(answer.response_head + exchange.payload)
    request.set_bytes_content(answer.request_head)
    return response, request


def _record(kind: WarcRecordType, urn: str, when: datetime) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(kind, urn.removeprefix("urn:").encode())
    record.headers["WARC-Date"] = when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return record


def sync_folder(folder: Path) -> None:
    """A renamed file stays renamed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
