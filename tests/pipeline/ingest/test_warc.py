"""A row for each response and conversion record; where a file cannot be read on, one row more, that says so."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import warc_bytes
from fastwarc.stream_io import ZstdWriter, zstd_train_dictionary_from_samples

from pipeline import ingest, recount, schema
from pipeline.ingest import warc
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import ReadFailedError
from pipeline.recipe import Source

from .reading import zstd

SOURCE = Source(name="web", files=("x",))
PAGES = [
    ("response", "http://H.example:8000/1", b"<p>one " * 20),
    ("request", "http://h.example/1", b""),
    ("conversion", "http://h.example/2", "zwei ä".encode()),
    ("revisit", "http://h.example/3", b""),
    ("metadata", "http://h.example/4", b"a: b"),
    ("response", "http://h.example/5", b""),
]


def read(tmp_path: Path, data: bytes, counted: bool = True) -> list[dict[str, Any]]:
    """The rows of a file of these bytes; `counted`: by the second path as well."""
    (tmp_path / "x.warc").write_bytes(data)
    given = Input(str(tmp_path), "x.warc", "x.warc", "d1gest", len(data))
    found = []
    for batch in ingest.read(SOURCE, [given]):
        batch.validate(full=True)
        assert batch.schema == schema.INPUT
        found += batch.to_pylist()
    assert not counted or len(found) == recount.count(SOURCE, given)
    assert len({row["doc_id"] for row in found}) == len(found)
    return found


def record(headers: bytes, block: bytes, version: bytes = b"WARC/1.1") -> bytes:
    """A record written by hand."""
    return version + b"\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(block) + block + b"\r\n\r\n"


RESPONSE = b"WARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Type: application/http; msgtype=response\r\n"


@pytest.mark.parametrize("gz", [True, False])
def test_responses_and_conversions_are_documents(tmp_path: Path, gz: bool) -> None:
    found = read(tmp_path, warc_bytes(PAGES, gz))
    assert [(row["url"], row["host"], row["content"], row["text"], row["error"]) for row in found] == [
        ("http://H.example:8000/1", "h.example:8000", PAGES[0][2], None, None),
        ("http://h.example/2", "h.example", None, "zwei ä", None),
        ("http://h.example/5", "h.example", b"", None, None),
    ]
    assert [row["bytes"] for row in found] == [140, 7, 0]
    assert (found[0]["content_type"], found[0]["charset"], found[1]["content_type"]) == ("text/html", "utf-8", "text/plain")
    assert found[0]["fetched_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("gz", [True, False])
def test_offsets_lead_to_records(tmp_path: Path, gz: bool) -> None:
    data = warc_bytes(PAGES, gz)
    for row in read(tmp_path, data):
        there = data[row["offset"] :]
        assert (gzip.GzipFile(fileobj=io.BytesIO(there)).read(5) if gz else there[:5]) == b"WARC/"


def test_the_record_id_identifies_a_record(tmp_path: Path) -> None:
    found = read(tmp_path, record(RESPONSE, b"HTTP/1.1 200 OK\r\n\r\nx"))[0]
    assert found["doc_id"].bytes == schema.doc_id("web", b"<urn:uuid:1>")


def test_records_without_an_id_are_known_by_where_they_stand(tmp_path: Path) -> None:
    bare = record(b"WARC-Type: conversion\r\n", b"text")
    first = read(tmp_path, gzip.compress(bare))[0]
    assert first["doc_id"].bytes == schema.doc_id("web", b"d1gest:0")
    assert len(read(tmp_path, gzip.compress(bare * 3) + gzip.compress(bare))) == 4  # three in one member


def test_a_uri_in_angle_brackets_is_taken_out_of_them(tmp_path: Path) -> None:
    found = read(tmp_path, record(b"WARC-Type: conversion\r\nWARC-Target-URI: <http://h.example/>\r\n", b"text", b"WARC/1.0"))
    assert found[0]["url"] == "http://h.example/"


@pytest.mark.parametrize(
    "header", [b"WARC-Date: yesterday\r\n", b"", b"WARC-Target-URI: \xff\xfe\r\n", b"Content-Type: application/http\r\n"]
)
def test_odd_headers_leave_the_record(tmp_path: Path, header: bytes) -> None:
    assert [row["error"] for row in read(tmp_path, record(b"WARC-Type: response\r\n" + header, b"HTTP/1.1 200"))] == [None]


def test_payloads_are_decoded_as_they_were_sent(tmp_path: Path) -> None:
    packed = gzip.compress(b"<p>hello" * 10)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
    plain = record(RESPONSE, head + b"\r\n" + packed)
    chunked = record(RESPONSE, head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))
    for data in (plain, chunked):
        assert read(tmp_path, data)[0]["content"] == b"<p>hello" * 10


def test_a_payload_that_cannot_be_decoded_costs_itself_alone(tmp_path: Path) -> None:
    bad = record(RESPONSE, b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\nnot deflate at all")
    found = read(tmp_path, bad + warc_bytes(PAGES, gz=False))
    assert [row["error"] for row in found] == ["undecodable", None, None, None]


def test_a_payload_that_is_too_big_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "MAX_PAYLOAD_BYTES", 300)
    large = ("response", "http://h.example/large", b"x" * 400)
    bomb = record(RESPONSE, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 10_000))
    found = read(tmp_path, warc_bytes([large, *PAGES], gz=False) + bomb)
    assert [row["error"] for row in found] == ["too_big", None, None, None, "too_big"]
    assert found[0]["content"] is None
    assert found[0]["bytes"] > 400


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_an_empty_file_has_no_records(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == []


@pytest.mark.parametrize("gz", [True, False])
def test_a_file_cut_anywhere_but_between_records_ends_with_a_record_that_says_so(tmp_path: Path, gz: bool) -> None:
    pages = [(kind, url, payload[:20]) for kind, url, payload in PAGES[:3]]
    data = warc_bytes(pages, gz)
    silent = []
    for cut in range(1, len(data)):
        found = read(tmp_path, data[:cut])
        assert [row["error"] for row in found[:-1]] == [None] * (len(found) - 1)
        if not found or found[-1]["error"] is None:
            silent.append(cut)
    starts = {0, *(row["offset"] for row in read(tmp_path, data))}
    # Silent are cuts between two records: in plain files those are the four bytes that end each.
    assert len(silent) == (len(pages) if gz else 5 * len(pages) + 4)
    assert starts - {0} <= set(silent)


def test_a_cut_record_keeps_its_url(tmp_path: Path) -> None:
    data = warc_bytes(PAGES[:1], gz=False)
    found = read(tmp_path, data[:-20])
    assert [(row["error"], row["url"], row["content"]) for row in found] == [("truncated", "http://H.example:8000/1", None)]


@pytest.mark.parametrize("data", [b"no warc file\n" * 9, b"\x1f\x8b garbage" * 9, b"\0" * 99], ids=["text", "gzip", "zeros"])
def test_garbage_is_one_record_that_says_so(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, data)
    assert [(row["error"], row["offset"]) for row in found] == [(found[0]["error"], 0)]
    assert found[0]["error"] in ("unreadable", "truncated")


@pytest.mark.parametrize("gz", [True, False])
def test_damage_never_raises_nor_passes_in_silence(tmp_path: Path, gz: bool) -> None:
    data, choice = warc_bytes(PAGES, gz), random.Random(0)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[choice.randrange(len(data))] ^= choice.randrange(1, 256)
        found = read(tmp_path, bytes(damaged), counted=False)
        if gz:  # where every byte is covered by a checksum, but for the members' heads
            assert len(found) == 3 or found[-1]["error"]


def test_a_disk_that_fails_stops_the_run() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 300:
                raise OSError(5, "Input/output error")
            return super().read(100)

    with pytest.raises(ReadFailedError, match="Input/output error"):
        list(warc.read(Failing(warc_bytes(PAGES)), Input("", "x", "x", "d", 0), SOURCE))


def bare(block: bytes, length: bytes = b"%d", end: bytes = b"\n\n") -> bytes:
    """A record whose header's lines end in LF alone."""
    return b"WARC/1.1\nWARC-Type: conversion\nContent-Length: " + length % len(block) + b"\n\n" + block + end


def shared(tmp_path: Path, parts: Sequence[bytes]) -> bytes:
    """Zstandard frames whose dictionary comes first."""
    samples = [b"WARC/1.1\r\nWARC-Type: conversion\r\nContent-Length: %d\r\n\r\n" % size * 9 for size in range(1_000)]
    with ZstdWriter(str(tmp_path / "shared"), dictionary=zstd_train_dictionary_from_samples(samples, 1_000)) as writer:
        for part in parts:
            writer.write(part)
            writer.finish()
    return (tmp_path / "shared").read_bytes()


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n"])
def test_header_lines_may_end_in_lf_alone(tmp_path: Path, end: bytes) -> None:
    usual = record(b"WARC-Type: conversion\r\n", b"usual")
    data = bare(b"first\nWARC/1.1\n", end=end) + usual + bare(b"last", end=end)
    parts = (bare(b"first\nWARC/1.1\n", end=end), usual + bare(b"last"))
    packs = (gzip.compress(data), b"".join(map(gzip.compress, parts)), zstd(data), b"".join(map(zstd, parts)), shared(tmp_path, parts))
    for packed in (data, *packs):
        assert [row["text"] for row in read(tmp_path, packed)] == ["first\nWARC/1.1\n", "usual", "last"]
    for row in read(tmp_path, data):
        assert data[row["offset"] :].startswith(b"WARC/1.1")


def test_a_file_of_such_headers_cut_anywhere_ends_with_a_record_that_says_so(tmp_path: Path) -> None:
    data = bare(b"one") + bare(b"two")
    silent = [cut for cut in range(1, len(data)) if not (found := read(tmp_path, data[:cut])) or found[-1]["error"] is None]
    whole = len(bare(b"one"))
    assert silent == [whole - 2, whole - 1, whole, len(data) - 2, len(data) - 1]
    packed = zstd(bare(b"one")) + zstd(bare(b"two"))
    silent = [cut for cut in range(1, len(packed)) if not (found := read(tmp_path, packed[:cut])) or found[-1]["error"] is None]
    assert silent == [len(zstd(bare(b"one")))]


@pytest.mark.parametrize(
    ("length", "error"), [(b"0%d", None), (b"%d ", None), (b"+%d", "truncated"), (b"0x%d", "truncated"), (b"%d" + b"9" * 5000, "truncated")]
)
def test_a_length_is_what_its_digits_say(tmp_path: Path, length: bytes, error: str | None) -> None:
    found = read(tmp_path, record(b"WARC-Type: metadata\r\n", b"") + bare(b"text", length) + b"\n")
    assert [(row["text"], row["error"]) for row in found] == [(None if error else "text", error)]


def test_two_lengths_are_none(tmp_path: Path) -> None:
    found = read(tmp_path, record(b"WARC-Type: conversion\r\nContent-Length: 3\r\n", b"text") * 2)
    assert [row["error"] for row in found] == ["truncated"]
