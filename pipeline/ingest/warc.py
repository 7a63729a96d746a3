"""WARC 1.0 and 1.1 (ISO 28500), and so WET; gzip, Zstandard or plain: `response` and `conversion` records are documents."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pipeline.content_coding import BrokenCodingError, Decoder, TooLargeError
from pipeline.ingest.cuts import Cut
from pipeline.ingest.headers import MAX_DIGITS, Headers
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, GZIP_MAGIC, PIECE_BYTES, ZSTD_MAGICS, Frames, Members, Stream, window
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row, utc
from pipeline.recipe import Source

VERSION = 5
USES = ("fastwarc", "brotli")
DOCUMENTS = (WarcRecordType.response, WarcRecordType.conversion)


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:  # noqa: ARG001  # every reader is asked so
    """Between records, where one begins together with a gzip member if the file is packed; none behind the first damage.

    Zstandard is read from its beginning.
    """
    opened = window(stream)
    due, place = every, _Place(opened)
    if opened.peek(4)[:4] in ZSTD_MAGICS:
        return
    try:
        for number, record in enumerate(place.records()):
            at = place.offset(record)
            if at >= due and place.begins(record):
                yield Cut(at, number)
                due = at + every
            _skip(record)
    except DAMAGE:
        return


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:  # noqa: ARG001  # every reader is given the source
    """A row for each document record. Where the file cannot be read on, a last row says so: nothing ends in silence."""
    place, number, offset, url = _Place(window(stream, given.start, given.end)), given.first_row, given.start, None
    try:
        for record in place.records():
            offset, url = given.start + place.offset(record), _url(record)
            if record.record_type in DOCUMENTS:
                yield _row(record, given, offset, number)
            else:
                _skip(record)
            number, url = number + 1, None
    except DAMAGE as error:
        why = place.damage or error
        yield _damage("truncated" if isinstance(why, EOFError) else "unreadable", why, offset, url, given, number)


class _Place:
    """Where in the file its records lie: of gzip, where the member begins in which one does; of Zstandard, the byte unpacked."""

    def __init__(self, opened: io.BufferedReader) -> None:
        # Members are unpacked here: fastwarc's own way tells no places in a member of many records, and ends at an empty one.
        self._members = Members(opened, quiet=True) if opened.peek(2).startswith(GZIP_MAGIC) else None
        self._packed = Frames(opened, quiet=True) if opened.peek(4)[:4] in ZSTD_MAGICS else self._members
        self._stream = Headers(io.BufferedReader(self._packed, PIECE_BYTES) if self._packed else opened)

    def records(self) -> Iterator[WarcRecord]:
        """All of them; one of DAMAGE where the file cannot be read on, which fastwarc may take for its end."""
        yield from ArchiveIterator(cast(BinaryIO, self._stream), parse_http=False)
        if self.damage:
            raise self.damage
        if self._stream.read(1):
            raise OSError("the file goes on behind what can be read of it")

    def offset(self, record: WarcRecord) -> int:
        return self._members.start(self._plain(record))[1] if self._members else self._plain(record)

    def _plain(self, record: WarcRecord) -> int:
        return self._stream.place(record.stream_pos)

    @property
    def damage(self) -> Exception | None:
        """What is wrong with a gzip member or a Zstandard frame, where something is."""
        return self._packed.damage if self._packed else None

    def begins(self, record: WarcRecord) -> bool:
        """Whether a reader could begin here."""
        return self._members is None or self._members.start(self._plain(record))[0] == self._plain(record)


def _row(record: WarcRecord, given: Input, offset: int, number: int) -> Row:
    """The row of a document record, the file's record `number`."""
    key = (record.record_id or f"{given.digest}:{number}").encode("utf-8", "surrogatepass")
    found = Row(key, offset, url=_url(record), fetched_at=_date(record))
    if record.content_length > MAX_PAYLOAD_BYTES:
        return replace(found, bytes=_skip(record), error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
    length = _length(record)
    block = record.reader.read()
    if len(block) < length:
        raise EOFError("the file ends inside a record")
    found = replace(found, bytes=length, content_type=record.headers.get("Content-Type"))
    if problem := _bad_digest(record, block):
        return replace(found, error="bad_digest", error_detail=problem)
    if record.record_type == WarcRecordType.conversion:
        return replace(found, text=block.decode("utf-8", "replace"))
    return _http(found, block) if record.is_http else replace(found, content=block)


def _http(found: Row, block: bytes) -> Row:
    """The payload of a message, decoded apart from the file: one that cannot be would spoil the reading of what follows."""
    message = WarcRecord()
    message.is_http = True
    message.set_bytes_content(block)
    try:
        message.parse_http(auto_decode="transfer")
        status = message.http_headers.status_code if message.http_headers else None
        if isinstance(status, int) and status // 100 != 2:  # of a status line that is none, it is the line
            return replace(found, error="http_status", error_detail=str(status))
        content = _decoded(message)
    except (OSError, BrokenCodingError) as error:
        return replace(found, error="undecodable", error_detail=str(error))
    except TooLargeError as error:
        return replace(found, error="too_big", error_detail=str(error))
    found = replace(found, content_type=message.http_content_type, charset=message.http_charset)
    return replace(found, bytes=len(content), content=content)


def _decoded(message: WarcRecord) -> bytes:
    """The body without its content coding. One that says gzip and is none was decoded by whoever wrote the file."""
    body: bytes = message.reader.read()
    coding = (message.http_headers.get("Content-Encoding") if message.http_headers else None) or ""
    if coding.strip().lower().removeprefix("x-") == "gzip" and not body.startswith(GZIP_MAGIC):
        return body
    decoder = Decoder(coding, MAX_PAYLOAD_BYTES)
    content = b"".join(decoder.feed(body))
    decoder.close()
    return content


def _bad_digest(record: WarcRecord, block: bytes) -> str | None:
    """What is wrong with a block that is not the one whose digest its header names (SHA-1 or SHA-256; Base32 or hexadecimal)."""
    algorithm, _, wanted = (record.headers.get("WARC-Block-Digest") or "").partition(":")
    algorithm = algorithm.strip().lower().replace("-", "")
    if algorithm not in ("sha1", "sha256"):
        return None
    digest = hashlib.new(algorithm, block, usedforsecurity=False)
    spellings = (base64.b32encode(digest.digest()).decode().rstrip("="), digest.hexdigest().upper())
    return None if wanted.strip().upper().rstrip("=") in spellings else f"expected {algorithm}:{wanted}, found {spellings[0]}"


def _url(record: WarcRecord) -> str | None:
    """WARC 1.0 writes the URI in angle brackets."""
    url = record.headers.get("WARC-Target-URI")
    return url and url.removeprefix("<").removesuffix(">")


def _length(record: WarcRecord) -> int:
    """Bytes of the record's block, as its header says."""
    told = record.headers.get("Content-Length")
    if not told:
        raise EOFError("the file ends inside a record's header")
    digits = told.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS and int(digits) == record.content_length):
        raise EOFError(f"expected a Content-Length in digits, not {told[:40]!r}")
    return record.content_length


def _skip(record: WarcRecord) -> int:
    length = _length(record)
    if record.reader.consume() < length:
        raise EOFError("the file ends inside a record")
    return length


def _date(record: WarcRecord) -> datetime | None:
    """When it was fetched; None where that is no time."""
    try:
        return utc(record.record_date)
    except (ValueError, OverflowError):
        return None


def _damage(kind: str, error: Exception, offset: int, url: str | None, given: Input, number: int) -> Row:
    return Row(f"{given.digest}:{number}:{kind}".encode(), offset, url=url, error=kind, error_detail=str(error))
