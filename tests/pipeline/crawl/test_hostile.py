"""A hostile web: the crawl ends, every URL has its reason, and nothing but the allowed hosts is ever connected to."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import Callable
from itertools import permutations

import brotli
import pytest
from aiohttp import web

from pipeline.confined.child import Limits
from pipeline.crawl import confined

from .loopback import Crawled, Raw, Servers, links

Run = Callable[..., Crawled]


def redirect(place: str, status: int = 302) -> Callable[[web.Request], web.Response]:
    return lambda request: web.Response(status=status, headers={"Location": place})


def outcomes(crawled: Crawled) -> dict[str, str]:
    return {"/" + url.split("/", 3)[3]: row["outcome"] for url, row in crawled.log.items()}


# Redirects


def test_redirect_loops_and_chains_end(servers: Servers, run: Run) -> None:
    def chain(request: web.Request) -> web.Response:
        return redirect(f"/chain/{int(request.path.split('/')[2]) + 1}")(request)

    pages = {f"/chain/{i}": chain for i in range(20)}
    site = servers.site(
        {
            "/": links("/self", "/ping", "/chain/0"),
            "/self": redirect("/self"),
            "/ping": redirect("/pong"),
            "/pong": redirect("/ping"),
            **pages,
        }
    )
    crawled = run(site.url(), max_redirects=3)
    assert outcomes(crawled) == {
        "/": "fetched",
        **dict.fromkeys(["/self", "/ping", "/pong", "/chain/0", "/chain/1", "/chain/2", "/chain/3"], "redirect"),
        "/chain/4": "limit",
    }
    assert max(Counter(site.requests).values()) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_url_of_its_own(servers: Servers, run: Run, status: int) -> None:
    site = servers.site({"/": redirect("page#part", status), "/page": "page"})
    crawled = run(site.url(), max_depth=0)
    assert outcomes(crawled) == {"/": "redirect", "/page": "fetched"}
    assert [url for url, _ in crawled.records] == [site.url("/page")]


@pytest.mark.parametrize("place", ["http://elsewhere.example/", "file:///etc/passwd", "http://[::1", "", "javascript:alert(1)", "/private"])
def test_a_redirect_out_of_scope_is_not_followed(servers: Servers, run: Run, place: str) -> None:
    site = servers.site({"/": redirect(place), "/robots.txt": "User-agent: *\nDisallow: /private", "/private": "no"})
    crawled = run(site.url())
    assert crawled.outcome(site.url()) == "redirect"
    assert crawled.records == []
    assert site.requests == ["/robots.txt", "/"]


# Bodies and heads


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: text/html", *lines, "", ""]).encode()


async def short_body(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 1000") + b"short")


async def reset_body(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 1000") + b"short")
    await writer.drain()
    writer.transport.abort()


async def chunked_garbage(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\nnonsense")


async def no_http(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")


async def nothing(path: str, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def broken_gzip(path: str, writer: asyncio.StreamWriter) -> None:
    body = gzip.compress(b"x" * 100_000)[:-30]
    writer.write(head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)


async def broken_brotli(path: str, writer: asyncio.StreamWriter) -> None:
    body = brotli.compress(b"x" * 100_000)[:-2]
    writer.write(head("Content-Encoding: br", f"Content-Length: {len(body)}") + body)


async def unasked_coding(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Encoding: compress", "Content-Length: 4") + b"\x1f\x9d\x80a")


async def endless_header(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(200):
        writer.write(b"y" * 10_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        (short_body, 2),
        (reset_body, 2),
        (nothing, 2),
        (chunked_garbage, 1),
        (no_http, 1),
        (broken_gzip, 1),
        (broken_brotli, 1),
        (unasked_coding, 1),
        (endless_header, 1),
    ],
)
def test_a_broken_answer_is_an_error_after_bounded_attempts(servers: Servers, run: Run, answer: Raw, attempts: int) -> None:
    broken, good = servers.raw(answer), servers.site({"/": "good"})
    crawled = run(broken.url(), good.url(), max_attempts=2)
    assert crawled.outcome(broken.url()) == "error"
    assert crawled.log[broken.url()]["detail"]
    assert crawled.outcome(good.url()) == "fetched"
    assert broken.requests.count("/") == attempts
    assert [url for url, _ in crawled.records] == [good.url()]


async def long_body(path: str, writer: asyncio.StreamWriter) -> None:
    page = b'<a href="/next">' if path == "/" else b"next"
    writer.write(head(f"Content-Length: {len(page)}") + page + head("Content-Length: 6") + b"forged")


def test_bytes_beyond_the_announced_length_are_no_page(servers: Servers, run: Run) -> None:
    site = servers.raw(long_body)
    crawled = run(site.url(), max_attempts=2)
    assert dict(crawled.records) == {site.url(): b'<a href="/next">', site.url("/next"): b"next"}


async def dripping_body(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 1000"))
    await _drip(writer)


async def dripping_head(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await _drip(writer)


async def _drip(writer: asyncio.StreamWriter) -> None:
    for _ in range(2000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_body(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Transfer-Encoding: chunked"))
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def announced_too_big(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 100000000000") + b"x")


async def gzip_bomb(path: str, writer: asyncio.StreamWriter) -> None:
    body = gzip.compress(b"\0" * 20_000_000)
    writer.write(head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)


async def brotli_bomb(path: str, writer: asyncio.StreamWriter) -> None:
    body = brotli.compress(b"\0" * 20_000_000, quality=3)
    writer.write(head("Content-Encoding: br", f"Content-Length: {len(body)}") + body)


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (dripping_body, "longer than 1 seconds"),
        (dripping_head, "longer than 1 seconds"),
        (endless_body, "more than 1000000 bytes sent"),
        (announced_too_big, "more than 1000000 bytes announced"),
        (gzip_bomb, "more than 2000000 bytes decoded"),
        (brotli_bomb, "more than 2000000 bytes decoded"),
    ],
)
def test_a_page_without_end_meets_a_limit_once(servers: Servers, run: Run, answer: Raw, limit: str) -> None:
    hostile, good = servers.raw(answer), servers.site({"/": "good"})
    began = time.monotonic()
    crawled = run(hostile.url(), good.url(), page_timeout_s=1.0, max_body_bytes=1_000_000, max_decoded_bytes=2_000_000)
    assert (crawled.outcome(hostile.url()), crawled.log[hostile.url()]["detail"]) == ("limit", limit)
    assert crawled.outcome(good.url()) == "fetched"
    assert hostile.requests.count("/") == 1
    assert time.monotonic() - began < 30


def test_the_error_page_of_a_broken_charset_is_kept_as_bytes(servers: Servers, run: Run) -> None:
    body = "<a href='/ä'>ä</a>".encode("latin-1")
    site = servers.site({"/": lambda request: web.Response(body=body, headers={"Content-Type": "text/html; charset=utf-8"})})
    assert dict(run(site.url(), max_depth=0).records) == {site.url(): body}


@pytest.mark.timeout(180)
def test_a_page_that_no_parser_ends_is_kept_and_stops_no_other(servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "QUICK", Limits(cpu_s=0.25, memory_mb=300))
    monkeypatch.setattr(confined, "SLOW", Limits(cpu_s=2.0, memory_mb=300))
    pages = {"/slow": "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">" + links("/x")}
    pages["/large"] = "<p>" + "".join(f"<b x={number}>" for number in range(950)) + "<p>x" * 3_000 + links("/x")
    pages["/private"] = '<meta name="robots" content="noindex">' + pages["/slow"]
    site = servers.site({"/": links(*pages, "/good"), "/good": links("/better"), "/better": "text", **pages})
    crawled = run(site.url())
    kept = dict.fromkeys(("/", "/slow", "/large", "/good", "/better"), "fetched")
    assert outcomes(crawled) == {**kept, "/private": "noindex"}
    assert crawled.log[site.url("/slow")]["detail"] == "links unread: more than 2 s of processor time"
    assert crawled.log[site.url("/large")]["detail"] == "links unread: more than 300 MB"


@pytest.mark.timeout(180)
def test_while_a_page_is_read_pages_of_other_hosts_are_read(servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "SLOW", Limits(cpu_s=2.0, memory_mb=300))
    endless = "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">"
    heavy = ("/1", "/2", "/3")
    slow = servers.site({"/": links(*heavy), **dict.fromkeys(heavy, endless)})
    light = servers.site({"*": lambda request: links(f"/{len(request.path) * 'x'}"), "/robots.txt": ""})
    crawled = run(slow.url(), light.url(), max_depth=20)
    assert set(outcomes(crawled).values()) == {"fetched", "scope"}
    assert [crawled.log[slow.url(path)]["detail"] for path in heavy] == ["links unread: more than 2 s of processor time"] * 3
    assert len(light.requests) == 22
    assert max(light.times) < sorted(slow.times)[-1]


# Traps


def test_an_endless_calendar_ends(servers: Servers, run: Run) -> None:
    def day(request: web.Request) -> str:
        number = int(request.path.rsplit("/", 1)[1])
        return links(f"/calendar/{number + 1}", f"/calendar/{number + 2}", "/about")

    days = servers.site({"/": links("/calendar/1"), "/about": "about", "*": day, "/robots.txt": ""})
    crawled = run(days.url(), max_pages_per_shape=10)
    found = Counter(row["outcome"] for url, row in crawled.log.items() if "calendar" in url)
    assert found["fetched"] == 10
    assert set(found) == {"fetched", "trap"}
    assert crawled.outcome(days.url("/about")) == "fetched"
    assert len(days.requests) == 13


def test_ever_deeper_paths_and_permuted_queries_end(servers: Servers, run: Run) -> None:
    def deeper(request: web.Request) -> str:
        return links(f"{request.path}/more", f"{request.path}/again")

    def facets(request: web.Request) -> str:
        return links(*("/shop?" + "&".join(f"{name}=1" for name in names) for names in permutations("abcd")))

    site = servers.site(
        {"/": links("/deep", "/shop"), "*": lambda request: facets(request) if request.path == "/shop" else deeper(request)}
    )
    site.pages["/robots.txt"] = ""
    crawled = run(site.url(), max_segment_repeats=1, max_path_segments=6)
    found = outcomes(crawled)
    assert found["/shop?a=1&b=1&c=1&d=1"] == "fetched"
    assert sum(path.startswith("/shop?") for path in found) == 1
    assert {found[path] for path in found if path.startswith("/deep")} == {"fetched", "trap"}
    assert len(site.requests) == len(set(site.requests)) < 20


def test_a_page_of_ten_thousand_links(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links(*(f"/page-{i}" for i in range(10_000)))})
    crawled = run(site.url(), max_depth=0)
    assert Counter(outcomes(crawled).values()) == {"fetched": 1, "scope": 10_000}
    assert len(run(site.url(), folder="fewer", max_depth=0, max_links_per_page=100).log) == 101


# Heads


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ((b"301 X", b"Location: /caf\xe9"), "redirect"),
        ((b"200 OK", b"Content-Type: text/\xff"), "content_type"),
        ((b"503 X", b"Retry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT"), "error"),
    ],
)
def test_heads_that_no_type_holds_end_no_crawl(servers: Servers, run: Run, lines: tuple[bytes, ...], outcome: str) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        found = lines if path == "/bad" else (b"404 none",)
        writer.write(b"HTTP/1.1 " + b"\r\n".join((*found, b"Content-Length: 0", b"", b"")))

    site = servers.raw(answer)
    crawled = run(site.url("/bad"), max_attempts=2)
    assert crawled.log[site.url("/bad")]["outcome"] in (outcome, "status")
    if outcome == "redirect":
        assert site.url("/caf%E9") in crawled.log
