"""WARC 1.0 and 1.1 (ISO 28500), gzip or plain: `response` and `conversion` records are documents."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 1
USES = ("fastwarc",)
MAX_PAYLOAD_BYTES = 64_000_000
DOCUMENTS = (WarcRecordType.response, WarcRecordType.conversion)
GZIP_MAGIC = b"\x1f\x8b"
PIECE_BYTES = 1 << 20


def read(stream: BinaryIO, given: Input, source: Source) -> Iterator[Row]:  # noqa: ARG001  # every reader is given the source
    """A row for each document record. Where the file cannot be read on, a last row says so: nothing ends in silence."""
    raw, position, url = _Raw(stream), 0, None
    try:
        for number, record in enumerate(ArchiveIterator(cast(BinaryIO, raw), parse_http=False)):
            position, url = record.stream_pos, _url(record)
            if record.record_type in DOCUMENTS:
                yield _row(record, number, given)
            else:
                _skip(record)
        url = None
        _expect_end(raw, position)
    except EOFError as error:
        yield _damage("truncated", error, position, url, given)
    except (OSError, zlib.error) as error:
        yield _damage("unreadable", error, position, url, given)


class _Raw:
    """The raw file. Where reading it fails, the run stops: that is the machine's fault, and no record's fate."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise RuntimeError(f"a raw file could not be read: {error}") from error

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, position: int) -> int:
        return self._stream.seek(position)


def _row(record: WarcRecord, number: int, given: Input) -> Row:
    key = (record.record_id or f"{given.digest}:{number}").encode("utf-8", "surrogatepass")
    found = Row(key, record.stream_pos, url=_url(record), fetched_at=record.record_date)
    if record.content_length > MAX_PAYLOAD_BYTES:
        return replace(found, bytes=_skip(record), error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
    length = _length(record)
    block = record.reader.read()
    if len(block) < length:
        raise EOFError("the file ends inside a record")
    found = replace(found, bytes=length, content_type=record.headers.get("Content-Type"))
    if record.record_type == WarcRecordType.conversion:
        return replace(found, text=block.decode("utf-8", "replace"))
    return _http(found, block) if record.is_http else replace(found, content=block)


def _http(found: Row, block: bytes) -> Row:
    """The payload of a message, decoded apart from the file: one that cannot be would spoil the reading of what follows."""
    message = WarcRecord()
    message.is_http = True
    message.set_bytes_content(block)
    try:
        message.parse_http(auto_decode="all")
        content = message.reader.read(MAX_PAYLOAD_BYTES + 1)
    except OSError as error:
        return replace(found, error="undecodable", error_detail=str(error))
    found = replace(found, bytes=len(content), content_type=message.http_content_type, charset=message.http_charset)
    if len(content) > MAX_PAYLOAD_BYTES:
        return replace(found, error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes once decoded")
    return replace(found, content=content)


def _url(record: WarcRecord) -> str | None:
    """WARC 1.0 writes the URI in angle brackets."""
    url = record.headers.get("WARC-Target-URI")
    return url and url.removeprefix("<").removesuffix(">")


def _length(record: WarcRecord) -> int:
    """Bytes of the record's block, as its header says."""
    if not record.headers.get("Content-Length"):
        raise EOFError("the file ends inside a record's header")
    return record.content_length


def _skip(record: WarcRecord) -> int:
    length = _length(record)
    if record.reader.consume() < length:
        raise EOFError("the file ends inside a record")
    return length


def _expect_end(raw: _Raw, position: int) -> None:
    """The last gzip member must be whole: one cut off before its first byte of content is no record to the parser."""
    raw.seek(position)
    data = raw.read(PIECE_BYTES)
    if not data.startswith(GZIP_MAGIC):
        return
    member = zlib.decompressobj(wbits=31)
    while data:
        member.decompress(data, PIECE_BYTES)
        data = (member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail) or raw.read(PIECE_BYTES)
        if member.eof and data:
            member = zlib.decompressobj(wbits=31)
    member.flush()
    if not member.eof:
        raise EOFError("the file ends inside a gzip member")


def _damage(kind: str, error: Exception, position: int, url: str | None, given: Input) -> Row:
    return Row(f"{given.digest}:{position}:{kind}".encode(), position, url=url, error=kind, error_detail=str(error))
