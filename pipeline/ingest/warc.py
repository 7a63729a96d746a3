"""WARC 1.0 and 1.1 (ISO 28500), and so WET; gzip, Zstandard or plain: `response` and `conversion` records are documents."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pipeline.decoding import BrokenCodingError, Decoder, TooLargeError
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, GZIP_MAGIC, PIECE_BYTES, Stream, window
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

VERSION = 2
USES = ("fastwarc",)
DOCUMENTS = (WarcRecordType.response, WarcRecordType.conversion)
_DICTIONARY = range(0x184D2A50, 0x184D2A60)  # first four bytes, little-endian, of a skippable Zstandard frame (RFC 8878)


def cuts(stream: Stream, every: int) -> Iterator[Cut]:
    """Between records, where a gzip member or a frame ends with one; none behind the first damage.

    A file with a Zstandard dictionary in front is read from its beginning.
    """
    opened = window(stream)
    if int.from_bytes(opened.peek(4)[:4], "little") in _DICTIONARY:
        return
    before, due = 0, every
    try:
        for record in _records(opened):
            at = record.stream_pos
            if at >= due and at != before:
                yield Cut(at, 0)
                due = at + every
            before = at
    except DAMAGE:
        return


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:  # noqa: ARG001  # every reader is given the source
    """A row for each document record. Where the file cannot be read on, a last row says so: nothing ends in silence."""
    opened, position, again, url = window(stream, given.start, given.end), 0, -1, None
    held: Row | None = None  # until the next record shows that the gzip member around this one is whole
    try:
        for base, record in _all_records(opened):
            if held:
                yield held
            held = None
            again = again + 1 if base + record.stream_pos == position else 0
            position, url = base + record.stream_pos, _url(record)
            if record.record_type in DOCUMENTS:
                held = _row(record, given, given.start + position, again)
            else:
                _skip(record)
        if held:
            yield held
    except EOFError as error:
        if held:
            yield held
        yield _damage("truncated", error, position, url, given)
    except DAMAGE as error:
        if held and _is_whole(opened, position):
            yield held
        yield _damage("unreadable", error, position, url, given)


def _all_records(stream: io.BufferedReader) -> Iterator[tuple[int, WarcRecord]]:
    """The records, and the offset from which each one's `stream_pos` counts: an empty gzip member ends the parser, not the file."""
    base: int | None = 0
    while base is not None:
        stream.seek(base)
        position = base
        for record in _records(window(stream, base)):
            position = base + record.stream_pos
            yield base, record
        base = _next_member(stream, position)


def _records(stream: io.BufferedReader) -> Iterator[WarcRecord]:
    return iter(ArchiveIterator(cast(BinaryIO, stream), parse_http=False))


def _row(record: WarcRecord, given: Input, offset: int, again: int) -> Row:
    """The row of a document record; `again`: how many records before it lie at its offset, in one gzip member."""
    key = (record.record_id or f"{given.digest}:{offset}:{again}").encode("utf-8", "surrogatepass")
    found = Row(key, offset, url=_url(record), fetched_at=record.record_date)
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
    if not told.strip().isdigit():
        raise EOFError(f"expected a Content-Length in digits, not {told!r}")
    return record.content_length


def _skip(record: WarcRecord) -> int:
    length = _length(record)
    if record.reader.consume() < length:
        raise EOFError("the file ends inside a record")
    return length


def _is_whole(raw: io.BufferedReader, position: int) -> bool:
    """Whether the gzip member, or the frame, that begins here has come through unharmed."""
    raw.seek(position)
    if not raw.peek(2).startswith(GZIP_MAGIC):
        return True
    member = zlib.decompressobj(wbits=31)
    try:
        while not member.eof and (data := member.unconsumed_tail or raw.read(PIECE_BYTES)):
            member.decompress(data, PIECE_BYTES)
    except zlib.error:
        return False
    return member.eof


def _next_member(raw: io.BufferedReader, position: int) -> int | None:
    """Where behind this place another gzip member begins that holds anything. EOFError where the last member is not whole."""
    raw.seek(position)
    data = raw.read(PIECE_BYTES)
    if not data.startswith(GZIP_MAGIC):
        return None
    begin, at, member = position, position, zlib.decompressobj(wbits=31)
    while data:
        held = len(data)
        plain = member.decompress(data, PIECE_BYTES)
        if plain and begin > position:
            return begin
        data = member.unused_data if member.eof else member.unconsumed_tail
        at += held - len(data)
        data = data or raw.read(PIECE_BYTES)
        if member.eof and data:
            begin, member = at, zlib.decompressobj(wbits=31)
    member.flush()
    if not member.eof:
        raise EOFError("the file ends inside a gzip member")
    return None


def _damage(kind: str, error: Exception, position: int, url: str | None, given: Input) -> Row:
    offset = given.start + position
    return Row(f"{given.digest}:{offset}:{kind}".encode(), offset, url=url, error=kind, error_detail=str(error))
