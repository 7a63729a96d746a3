"""A later edition of a crawl: what has not changed is not fetched again, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline.crawl import editions
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.records import payload_digest, record_id
from pipeline.crawl.warc import Archive
from pipeline.ingest import inputs, read
from pipeline.recipe import Source
from pipeline.store import Store

from .loopback import Crawled, Servers, Site, links, validated

Run = Callable[..., Crawled]
DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


def outcomes(crawled: Crawled) -> dict[str, str]:
    return {"/" + url.split("/", 3)[3]: row["outcome"] for url, row in crawled.log.items()}


def shape_of(crawled: Crawled) -> dict[str, Any]:
    """What the next edition of an unchanged site has in common with this one."""
    same = ("depth", "detail", "bytes", "payload_digest", "record_id", "etag", "last_modified", "canonical")
    return {url: tuple(row[name] for name in same) for url, row in crawled.log.items()}


def _run_to_a_full_disk(run: Run, site: Site, monkeypatch: pytest.MonkeyPatch, folder: str, earlier: str) -> None:
    def full(self: Archive) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "sync", full)
        with pytest.raises(OSError, match="No space"):
            run(site.url(), folder=folder, earlier=earlier)


@pytest.fixture
def site(servers: Servers) -> Site:
    return servers.site(
        {
            "/": validated(links("/a", "/old", "/private", "/gone"), etag='"1"'),
            "/robots.txt": "User-agent: *\nDisallow: /private",
            "/a": validated(links("/b", "/b?x=1", head='<link rel="canonical" href="/c">'), modified=DATE),
            "/b": validated(links("/d", head='<meta name="robots" content="nofollow">'), etag='W/"b"', modified=DATE),
            "/b?x=1": links("/plain"),
            "/c": validated(links("/deep", head='<meta name="robots" content="noindex">'), etag='"c"'),
            "/deep": links(text="without validators"),
            "/old": lambda request: web.Response(status=301, headers={"Location": "/a"}),
            "/plain": lambda request: web.Response(text="plain"),
        }
    )


def test_an_unchanged_site_is_crawled_whole_again(site: Site, run: Run) -> None:
    first = run(site.url(), folder="first")
    asked = sorted(site.requests)
    site.requests.clear()
    second = run(site.url(), folder="second", earlier="first")
    assert sorted(site.requests) == asked
    assert shape_of(second) == shape_of(first)
    after = {"fetched": "unchanged"}
    assert outcomes(second) == {path: after.get(outcome, outcome) for path, outcome in outcomes(first).items()}
    assert second.records == []
    assert second.report.fetched == 0
    statuses = {"/" + url.split("/", 3)[3]: row["status"] for url, row in second.log.items()}
    assert statuses == {
        **dict.fromkeys(["/", "/a", "/b"], 304),
        **dict.fromkeys(["/b?x=1", "/c", "/deep", "/plain"], 200),
        **dict(zip(["/old", "/gone", "/private", "/d"], [301, 404, None, None], strict=True)),
    }


def test_the_third_edition_still_knows_the_first(site: Site, run: Run) -> None:
    first = run(site.url(), folder="first")
    run(site.url(), folder="second", earlier="first")
    third = run(site.url(), folder="third", earlier="second")
    assert shape_of(third) == shape_of(first)
    assert third.records == []


def test_requests_ask_with_the_validators_as_they_were_sent(site: Site, run: Run) -> None:
    run(site.url(), folder="first")
    assert not any("If-None-Match" in headers or "If-Modified-Since" in headers for headers in site.headers)
    site.headers.clear()
    site.requests.clear()
    run(site.url(), folder="second", earlier="first")
    asked = {path: (h.get("If-None-Match"), h.get("If-Modified-Since")) for path, h in zip(site.requests, site.headers, strict=True)}
    assert {path: pair for path, pair in asked.items() if any(pair)} == {
        "/": ('"1"', None),
        "/a": (None, DATE),
        "/b": ('W/"b"', DATE),
    }, "of /c, which asked not to be kept, there is no record to refer to"


def test_what_changed_is_fetched_and_what_is_new_is_found(site: Site, run: Run) -> None:
    run(site.url(), folder="first")
    site.pages["/a"] = validated(links("/new"), etag='"2"')
    site.pages["/new"] = "new"
    second = run(site.url(), folder="second", earlier="first")
    assert [(url, body) for url, body in second.records] == [(site.url("/a"), links("/new").encode()), (site.url("/new"), b"new")]
    assert "/b" not in outcomes(second), "nothing leads there any more"
    assert second.log[site.url("/a")]["etag"] == '"2"'


def test_a_page_that_returns_to_what_it_was_refers_to_the_first_record(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "one"})
    first = run(site.url(), folder="1")
    site.pages["/"] = "two"
    assert outcomes(run(site.url(), folder="2", earlier="1")) == {"/": "fetched"}
    site.pages["/"] = "one"
    third = run(site.url(), folder="3", earlier="2")
    assert outcomes(third) == {"/": "unchanged"}
    assert third.log[site.url()]["record_id"] == first.log[site.url()]["record_id"]


def test_editions_together_hold_each_payload_of_a_url_once(site: Site, run: Run) -> None:
    held = []
    for number, text in enumerate(["one", "two", "one", "three"]):
        site.pages["/plain"] = text
        crawled = run(site.url(), folder=str(number), earlier=str(number - 1) if number else None)
        held += [record_id(url, payload_digest(body)) for url, body in crawled.records]
    assert len(held) == len(set(held)) == 6 + 2


def test_the_log_says_where_the_records_lie(site: Site, run: Run) -> None:
    import fastwarc

    run(site.url(), folder="first")
    second = run(site.url(), folder="second", earlier="first")
    rows = [row for row in second.log.values() if row["warc"]]
    assert {row["outcome"] for row in rows} == {"unchanged"}
    for row in rows:
        with (second.folder / row["warc"]).open("rb") as stream:
            stream.seek(row["offset"])
            record = next(iter(fastwarc.ArchiveIterator(stream, record_types=fastwarc.warc.WarcRecordType.any_type)))
            assert record.headers["WARC-Target-URI"] == row["url"]
            assert record.headers["WARC-Refers-To"] == f"<{row['record_id']}>" == f"<{record_id(row['url'], row['payload_digest'])}>"


def test_a_page_that_now_forbids_it_is_not_kept(servers: Servers, run: Run) -> None:
    site = servers.site({"/": validated(links("/a"), etag='"1"'), "/a": "a"})
    run(site.url(), folder="first")
    site.pages["/"] = validated(links("/a"), etag='"1"', **{"X-Robots-Tag": "noai"})
    second = run(site.url(), folder="second", earlier="first")
    assert outcomes(second) == {"/": "noindex", "/a": "unchanged"}
    assert second.log[site.url()]["status"] == 304


def test_a_page_that_no_longer_forbids_it_is_kept_though_its_validator_stands(servers: Servers, run: Run) -> None:
    kept, refused = validated("page", etag='"1"'), validated("page", etag='"1"', **{"X-Robots-Tag": "noindex"})
    site = servers.site({"/": links("/never", "/once"), "/never": refused, "/once": kept})
    run(site.url(), folder="1")
    site.pages["/once"] = refused
    second = run(site.url(), folder="2", earlier="1")
    assert outcomes(second) == {"/": "unchanged", "/never": "noindex", "/once": "noindex"}
    site.pages |= {"/never": kept, "/once": kept}
    third = run(site.url(), folder="3", earlier="2")
    assert outcomes(third) == {"/": "unchanged", "/never": "fetched", "/once": "unchanged"}
    assert [url for url, _ in third.records] == [site.url("/never")]


def test_a_source_read_after_a_killed_edition_has_each_document_once(
    servers: Servers, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = servers.site({"/": links("/a"), "/a": "one"})
    source = tmp_path / "raw/s"
    run(site.url(), folder="raw/s")
    site.pages["/a"] = "two"
    _run_to_a_full_disk(run, site, monkeypatch, "raw/s/e1", "raw/s")
    with pytest.raises(CrawlError, match=r"e1: .*not finished"):
        editions.earlier(source, "e2")
    before = editions.earlier(source, "e1")
    assert before == source
    run(site.url(), folder="raw/s/e1", earlier="raw/s")
    assert editions.earlier(source, "e2") == source / "e1"
    run(site.url(), folder="raw/s/e2", earlier="raw/s/e1")
    crawled = Source(name="s", crawled="s")
    rows = [row for batch in read(crawled, inputs.find(Store(tmp_path), crawled, tmp_path)) for row in batch.to_pylist()]
    assert len(rows) == len({row["doc_id"] for row in rows}) == 3


def test_what_other_rules_read_is_not_taken_over(servers: Servers, run: Run) -> None:
    page = '<a rel="nofollow" href="/a">a</a>'
    site = servers.site({"/": validated(page, etag='"1"'), "/a": "a"})
    assert outcomes(run(site.url(), folder="first")) == {"/": "fetched", "/a": "nofollow"}
    second = run(site.url(), folder="second", earlier="first", follow_nofollow=True)
    assert outcomes(second) == {"/": "unchanged", "/a": "fetched"}
    assert second.log[site.url()]["status"] == 200, "it was read anew, by the rules of today"


def test_a_304_that_nobody_asked_for_is_a_status(servers: Servers, run: Run) -> None:
    site = servers.site({"/": lambda request: web.Response(status=304)})
    assert outcomes(run(site.url(), folder="first")) == {"/": "status"}


def test_a_validator_that_cannot_be_sent_back_is_none(servers: Servers, run: Run) -> None:
    site = servers.site({"/": validated("page", etag='"' + "x" * 2000 + '"')})
    assert run(site.url()).log[site.url()]["etag"] is None


def test_pages_count_against_the_limit_though_they_are_unchanged(servers: Servers, run: Run) -> None:
    pages = {f"/{i}": validated(f"page {i}", etag=f'"{i}"') for i in range(6)}
    site = servers.site({"/": validated(links(*pages), etag='"r"'), **pages})
    run(site.url(), folder="first")
    second = run(site.url(), folder="second", earlier="first", max_pages=4)
    assert sorted(outcomes(second).values()) == ["limit"] * 3 + ["unchanged"] * 4


def test_the_manifest_counts_responses(site: Site, run: Run) -> None:
    run(site.url(), folder="first")
    second = run(site.url(), folder="second", earlier="first")
    (file,) = json.loads((second.folder / "crawl.json").read_text())["files"]
    assert file["records"] == 0


def test_a_begun_edition_goes_on_from_the_crawl_it_began_from(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(site.url(), folder="first")
    _run_to_a_full_disk(run, site, monkeypatch, "second", "first")
    second = run(site.url(), folder="second", earlier=None)
    assert "fetched" not in outcomes(second).values()


def test_a_finished_frontier_is_one_file_that_reading_leaves_alone(site: Site, run: Run) -> None:
    first = run(site.url(), folder="first")
    before = {path.name: path.read_bytes() for path in first.folder.iterdir() if path.is_file()}
    assert sorted(before) == ["crawl-00000.warc.gz", "crawl.json", "crawl.lock", "frontier.sqlite"]
    run(site.url(), folder="second", earlier="first")
    assert {path.name: path.read_bytes() for path in first.folder.iterdir() if path.is_file()} == before


def test_an_earlier_crawl_without_its_frontier_is_an_error(site: Site, run: Run, tmp_path: Path) -> None:
    first = run(site.url(), folder="first")
    (first.folder / "frontier.sqlite").unlink()
    with pytest.raises(CrawlError, match=r"first/frontier.sqlite: not there; expected"):
        run(site.url(), folder="second", earlier="first")


def test_a_frontier_of_another_version_is_an_error(site: Site, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "frontier.sqlite") as connection:
        connection.execute("create table urls (id int)")
    config = CrawlConfig(seeds=(site.url(),), allow_hosts=(site.host,), delay_s=0)
    with pytest.raises(CrawlError, match="made by another version"):
        crawl(config, tmp_path)
