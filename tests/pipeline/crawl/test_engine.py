"""Whole crawls of small sites over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from warcio.archiveiterator import ArchiveIterator

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import Progress, crawl
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.records import record_id
from pipeline.schema import CRAWL_LOG
from pipeline.step import digest

from .loopback import Crawled, Servers, links

Run = Callable[..., Crawled]


def text(body: str, **headers: str) -> web.Response:
    return web.Response(text=body, headers=headers)


def test_a_site_is_fetched_whole_and_every_url_has_a_row(servers: Servers, run: Run) -> None:
    site = servers.site(
        {
            "/": links("/a", "/b?y=1&x=2", "/gone", "/data", "/picture.png", "http://elsewhere.example/", "/plain"),
            "/a": links("/", "b?x=2&y=1#top", text="ä"),
            "/b?x=2&y=1": links(),
            "/data": web.json_response({}),
            "/plain": text("just text"),
        }
    )
    crawled = run(site.url())
    assert {url: row["outcome"] for url, row in crawled.log.items()} == {
        site.url(): "fetched",
        site.url("/a"): "fetched",
        site.url("/b?x=2&y=1"): "fetched",
        site.url("/plain"): "fetched",
        site.url("/gone"): "status",
        site.url("/data"): "content_type",
        site.url("/picture.png"): "content_type",
        "http://elsewhere.example/": "scope",
    }
    assert Counter(site.requests) == Counter(["/robots.txt", "/", "/a", "/b?x=2&y=1", "/gone", "/data", "/plain"])
    assert {url for url, _ in crawled.records} == {url for url, row in crawled.log.items() if row["outcome"] == "fetched"}
    assert crawled.report.outcomes == {"fetched": 4, "status": 1, "content_type": 2, "scope": 1}
    assert (crawled.report.fetched, crawled.report.seen) == (4, 8)


def test_the_log_says_where_from_how_deep_and_what(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links("/a"), "/a": links("/b"), "/b": "end"})
    crawled = run(site.url())
    row = crawled.log[site.url("/b")]
    assert (row["depth"], row["referrer"], row["host"], row["status"], row["bytes"]) == (2, site.url("/a"), site.host, 200, 3)
    assert row["record_id"] == record_id(row["url"], row["payload_digest"])
    assert row["seen_at"] <= row["fetched_at"]
    import pyarrow.parquet as pq

    assert pq.read_schema(crawled.folder / "crawl_log/part-00000.parquet").equals(CRAWL_LOG)


def test_coded_bodies_are_kept_decoded_and_the_head_says_so(servers: Servers, run: Run) -> None:
    async def coded(request: web.Request) -> web.StreamResponse:
        response = web.Response(text=links("/b", text="x" * 5000), content_type="text/html")
        response.enable_compression(web.ContentCoding.gzip)
        response.enable_chunked_encoding()
        return response

    site = servers.site({"/": coded, "/b": "b"})
    crawled = run(site.url())
    bodies = dict(crawled.records)
    assert bodies[site.url()].decode() == links("/b", text="x" * 5000)
    with (crawled.folder / crawled.report.files[0]).open("rb") as stream:
        (head,) = [
            r.http_headers for r in ArchiveIterator(stream) if r.rec_type == "response" and r.rec_headers["WARC-Target-URI"] == site.url()
        ]
    assert head.get_header("X-Crawler-Content-Encoding") == "gzip"
    assert head.get_header("Content-Encoding") is None
    assert head.get_header("Transfer-Encoding") is None


def test_files_rotate_and_the_manifest_lists_the_closed_ones(servers: Servers, run: Run) -> None:
    import random

    rng = random.Random(0)
    pages = {f"/p{i}": links(text=rng.randbytes(200_000).hex()) for i in range(12)}
    site = servers.site({"/": links(*pages), **pages})
    crawled = run(site.url(), rotate_mb=1)
    manifest = json.loads((crawled.folder / "crawl.json").read_text())
    assert len(manifest["files"]) >= 2
    assert [file["name"] for file in manifest["files"]] == sorted(path.name for path in crawled.folder.glob("*.warc.gz*"))
    for file in manifest["files"]:
        path = crawled.folder / file["name"]
        assert (path.stat().st_size, digest(path)) == (file["bytes"], file["sha256"])
        with path.open("rb") as stream:
            assert sum(record.rec_type == "response" for record in ArchiveIterator(stream)) == file["records"]
    assert sum(file["records"] for file in manifest["files"]) == len(crawled.records) == 13
    assert not list(crawled.folder.glob("*.open"))


def test_a_finished_crawl_is_not_done_again(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links()})
    first = run(site.url())
    asked = len(site.requests)
    again = run(site.url())
    assert (first.report.already_done, again.report.already_done) == (False, True)
    assert again.report.outcomes == first.report.outcomes
    assert len(site.requests) == asked
    with pytest.raises(CrawlError, match="other settings"):
        run(site.url(), max_depth=1)


def test_a_crawl_of_nothing_is_finished_too(servers: Servers, run: Run) -> None:
    site = servers.site({})
    crawled = run(site.url())
    assert crawled.outcome(site.url()) == "status"
    assert json.loads((crawled.folder / "crawl.json").read_text())["files"] == []
    assert not list(crawled.folder.glob("*.warc*"))


def test_a_limit_is_kept_exactly_by_many_hosts_at_once(servers: Servers, run: Run) -> None:
    sites = [servers.site({"*": lambda request: links(*(f"{request.path}x{i}" for i in range(3)))}) for _ in range(8)]
    crawled = run(*(site.url() for site in sites), max_pages=13)
    assert crawled.report.fetched == len(crawled.records) == 13


def test_noindex_and_noai_pages_are_read_for_links_and_not_kept(servers: Servers, run: Run) -> None:
    site = servers.site(
        {
            "/": links("/noindex", "/noai", "/header", "/nofollow"),
            "/noindex": links("/behind", head='<meta name="robots" content="noindex">'),
            "/noai": links(head='<meta name="robots" content="NoAI, noimageai">'),
            "/header": lambda request: web.Response(text=links(), content_type="text/html", headers={"X-Robots-Tag": "noindex"}),
            "/nofollow": links("/never", head='<meta name="robots" content="nofollow">'),
            "/behind": "kept",
            "/never": "never",
        }
    )
    crawled = run(site.url())
    outcomes = {url.removeprefix(site.url("")): row["outcome"] for url, row in crawled.log.items()}
    assert outcomes == {
        "/": "fetched",
        "/noindex": "noindex",
        "/noai": "noindex",
        "/header": "noindex",
        "/nofollow": "fetched",
        "/behind": "fetched",
        "/never": "nofollow",
    }
    assert {url for url, _ in crawled.records} == {site.url("/"), site.url("/nofollow"), site.url("/behind")}
    assert "/never" not in site.requests


def test_two_crawls_at_once_in_one_folder_are_refused(servers: Servers, tmp_path: Path) -> None:
    site = servers.site({"/": links()})
    config = CrawlConfig(seeds=(site.url(),), allow_hosts=(site.host,), delay_s=0)
    seen: list[Any] = []

    def second(now: Progress) -> None:
        seen.append(now)
        with pytest.raises(CrawlError, match="at work"):
            crawl(config, tmp_path)

    crawl(config, tmp_path, second)
    assert seen[-1].fetched == 1
    assert seen[-1].queued == 0


def test_a_failure_of_the_disk_ends_the_crawl_with_that_failure(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.crawl.warc import Archive

    def full(self: Archive) -> None:
        raise OSError(28, "No space left on device")

    site = servers.site({"/": links("/a"), "/a": "a"})
    config = CrawlConfig(seeds=(site.url(),), allow_hosts=(site.host,), delay_s=0)
    with monkeypatch.context() as patched:
        patched.setattr(Archive, "sync", full)
        with pytest.raises(OSError, match="No space left"):
            crawl(config, tmp_path)
    assert not (tmp_path / "crawl.json").exists()
    assert crawl(config, tmp_path).fetched == 2


def test_a_canonical_page_in_scope_is_fetched_and_the_one_that_names_it_is_kept(servers: Servers, run: Run) -> None:
    elsewhere = '<link rel="canonical" href="http://elsewhere.example/">'
    site = servers.site(
        {
            "/": links("/list?page=2", "/b", "/text"),
            "/list?page=2": links(head='<link rel="canonical" href="/list">'),
            "/list": "the list",
            "/b": links(head=elsewhere),
            "/text": text("plain", Link='</other>; rel="canonical"'),
            "/other": "other",
        }
    )
    crawled = run(site.url())
    assert {url: row["canonical"] for url, row in crawled.log.items() if row["canonical"]} == {
        site.url("/list?page=2"): site.url("/list"),
        site.url("/b"): "http://elsewhere.example/",
        site.url("/text"): site.url("/other"),
    }
    kept = {"/", "/list?page=2", "/list", "/b", "/text", "/other"}
    assert {url.removeprefix(site.url("")) for url, _ in crawled.records} == kept
    assert crawled.outcome("http://elsewhere.example/") == "scope"
    assert crawled.log[site.url("/list")]["referrer"] == site.url("/list?page=2")


def test_limits_on_a_number_leave_out_the_same_pages_of_a_host_in_every_crawl(servers: Servers, run: Run) -> None:
    import random

    async def slow(request: web.Request) -> str:
        await asyncio.sleep(random.random() * 0.004)
        number = int(request.path.rsplit("/", 1)[1] or 0)
        return links(*(f"/{kind}/{number * 3 + step}" for kind in ("a", "b") for step in (1, 2, 3)))

    site = servers.site({"*": slow, "/robots.txt": "", "/": links("/a/0", "/b/0")})
    found = [
        {url: row["outcome"] for url, row in run(site.url(), folder=f"{name}{number}", **{name: 25}).log.items()}
        for name in ("max_pages", "max_pages_per_host", "max_pages_per_shape")
        for number in range(2)
    ]
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert found[4] == found[5]
    assert [Counter(each.values())["fetched"] for each in found[::2]] == [25, 25, 51]
