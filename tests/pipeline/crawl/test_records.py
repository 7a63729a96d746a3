"""The WARC files of a crawl and of its next edition, as other readers see them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastwarc
import pytest
from aiohttp import web
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator

from pipeline.crawl.records import IDENTICAL, NOT_MODIFIED, payload_digest, record_id

from .loopback import Crawled, Servers, Site, links, validated

Run = Callable[..., Crawled]
Headers = dict[str, str]


@pytest.fixture
def site(servers: Servers) -> Site:
    moves = iter(range(100))
    return servers.site(
        {
            "/": validated(links("/tagged", "/same", "/moving", "/gone", "/hop", text="ä"), etag='"root"'),
            "/tagged": validated(links("/", head='<link rel="canonical" href="/same">'), etag='W/"1"'),
            "/same": lambda request: web.Response(text="the same", content_type="text/html"),
            "/moving": lambda request: web.Response(text=f"now {next(moves)}", content_type="text/html"),
            "/hop": lambda request: web.Response(status=302, headers={"Location": "/same"}),
        }
    )


def read(folder: Path) -> list[tuple[str, Headers, Headers, bytes]]:
    """(type, WARC headers, HTTP headers, payload) of every record, by warcio, with every digest there and valid."""
    found = []
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                body = record.content_stream().read()
                # Of a revisit, whose payload is elsewhere, warcio verifies nothing; fastwarc does, below.
                assert record.digest_checker.passed or record.rec_type == "revisit", "a digest was there, and was verified"
                http = dict(record.http_headers.headers) if record.http_headers else {}
                found.append((record.rec_type, dict(record.rec_headers.headers), http, body))
    return found


def by_fastwarc(folder: Path) -> Counter[str]:
    """How many records of each type fastwarc reads, each with valid digests."""
    kinds: Counter[str] = Counter()
    for path in folder.glob("*.warc.gz"):
        with path.open("rb") as stream:
            for record in fastwarc.ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False):
                kinds[str(record.record_type).rpartition(".")[2]] += 1
                assert record.verify_block_digest()
                if record.record_type == WarcRecordType.response:
                    record.parse_http()
                    assert record.verify_payload_digest()
    return kinds


def test_every_record_is_valid_for_two_readers(site: Site, run: Run) -> None:
    first, second = run(site.url(), folder="first"), run(site.url(), folder="second", earlier="first")
    expected = [
        Counter(warcinfo=1, response=4, request=4, metadata=4),
        Counter(warcinfo=1, response=1, revisit=3, request=4, metadata=4),
    ]
    ids = set()
    for crawled, kinds in zip((first, second), expected, strict=True):
        records = read(crawled.folder)
        assert Counter(kind for kind, *_ in records) == by_fastwarc(crawled.folder) == kinds
        assert all("WARC-Block-Digest" in headers for _, headers, *_ in records)
        assert all(("WARC-Payload-Digest" in headers) == (kind in ("response", "revisit")) for kind, headers, *_ in records)
        assert all(headers.get("WARC-IP-Address") == "127.0.0.1" for kind, headers, *_ in records if kind not in ("warcinfo", "metadata"))
        assert all(headers["WARC-Target-URI"] for kind, headers, *_ in records if kind != "warcinfo")
        assert all(re.fullmatch(r"<urn:uuid:[0-9a-f-]{36}>", headers["WARC-Record-ID"]) for _, headers, *_ in records)
        ids |= {headers["WARC-Record-ID"] for _, headers, *_ in records}
        (path,) = crawled.folder.glob("*.warc.gz")
        assert path.read_bytes().count(b"\x1f\x8b\x08") >= len(records), "one gzip member a record"
    assert len(ids) == sum(map(Counter.total, expected))


def test_a_response_is_whole_and_its_request_and_metadata_point_at_it(site: Site, run: Run) -> None:
    records = read(run(site.url()).folder)
    assert all(headers["WARC-Date"] for _, headers, *_ in records)
    kinds: dict[str, dict[str, tuple[Headers, Headers, bytes]]] = {}
    for kind, headers, http, body in records[1:]:
        kinds.setdefault(kind, {})[headers["WARC-Target-URI"]] = headers, http, body
    for url, (headers, http, body) in kinds["response"].items():
        assert headers["WARC-Payload-Digest"] == payload_digest(body)
        assert headers["WARC-Record-ID"] == f"<{record_id(url, payload_digest(body))}>"
        assert http["Content-Length"] == str(len(body))
        asked, asked_http, _ = kinds["request"][url]
        assert asked["WARC-Concurrent-To"] == headers["WARC-Record-ID"]
        assert headers["WARC-Concurrent-To"] == asked["WARC-Record-ID"]
        assert asked_http["Host"] == site.host
        assert asked["Content-Type"] == "application/http; msgtype=request"
        known, _, _ = kinds["metadata"][url]
        assert known["WARC-Refers-To"] == known["WARC-Concurrent-To"] == headers["WARC-Record-ID"]
        assert known["Content-Type"] == "application/warc-fields"


def test_metadata_say_how_the_page_was_reached_and_how_long_it_took(site: Site, run: Run) -> None:
    records = read(run(site.url()).folder)
    known = {
        headers["WARC-Target-URI"]: dict(line.split(": ", 1) for line in body.decode().splitlines())
        for kind, headers, _, body in records
        if kind == "metadata"
    }
    times = {url: int(fields.pop("fetchTimeMs")) for url, fields in known.items()}
    assert all(0 <= time < 5000 for time in times.values())
    assert known[site.url()] == {"depth": "0"}
    assert known[site.url("/tagged")] == {"depth": "1", "via": site.url(), "canonical": site.url("/same")}


def test_the_time_of_a_fetch_is_that_of_the_whole_body(servers: Servers, run: Run) -> None:
    import asyncio

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        return response

    records = read(run(servers.site({"/": slow}).url()).folder)
    (body,) = [body for kind, *_, body in records if kind == "metadata"]
    assert int(body.split(b"fetchTimeMs: ")[1].split()[0]) >= 300


def test_revisits_refer_to_the_record_that_holds_the_payload(site: Site, run: Run) -> None:
    first, second = run(site.url(), folder="first"), run(site.url(), folder="second", earlier="first")
    dates = {headers["WARC-Record-ID"]: headers["WARC-Date"] for kind, headers, *_ in read(first.folder) if kind == "response"}
    revisits: dict[str, Any] = {
        headers["WARC-Target-URI"]: (headers, http, body) for kind, headers, http, body in read(second.folder) if kind == "revisit"
    }
    profiles = {url.removeprefix(site.url("")): headers["WARC-Profile"] for url, (headers, *_) in revisits.items()}
    assert profiles == {"/": NOT_MODIFIED, "/tagged": NOT_MODIFIED, "/same": IDENTICAL}
    for url, (headers, http, body) in revisits.items():
        assert headers["WARC-Refers-To-Target-URI"] == url
        assert dates[headers["WARC-Refers-To"]] == headers["WARC-Refers-To-Date"]
        assert headers["WARC-Refers-To"] == f"<{record_id(url, headers['WARC-Payload-Digest'])}>"
        assert headers["Content-Type"] == "application/http; msgtype=response"
        assert body == b""
        assert http
