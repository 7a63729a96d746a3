"""A hostile web: the crawl ends, every URL has its reason, and nothing but the allowed hosts is ever connected to."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crawl import CrawlConfig, crawl

from .loopback import Crawled, Names, Raw, Servers, links

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


# Addresses


def test_no_notation_of_a_local_address_gets_past_the_guard(servers: Servers, run: Run) -> None:
    canary = servers.site({"*": "secret"})
    port = canary.host.split(":")[1]
    names = (
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
    )
    targets = [f"http://{name}:{port}/{i}" for i, name in enumerate(names)]
    others = ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/", "http://10.0.0.1/"]
    pages = {f"/r{i}": redirect(target) for i, target in enumerate([*targets, *others])}
    site = servers.site({"/": links(*targets, *others, *pages), **pages})
    crawled = run(site.url(), hosts=["*"], connect_timeout_s=2.0, max_attempts=1)
    assert canary.requests == []
    for row in crawled.log.values():
        if row["host"] == site.host:
            assert row["outcome"] in ("fetched", "redirect")
        else:
            assert row["outcome"] == "address", row
            assert "not globally routable" in row["detail"]


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::ffff:127.0.0.1",), ("10.1.2.3", "127.0.0.1")])
def test_a_name_that_resolves_to_a_local_address_is_refused(servers: Servers, tmp_path: Path, addresses: tuple[str, ...]) -> None:
    canary = servers.site({"*": "secret"})
    port = canary.host.split(":")[1]
    site = servers.site({"/": links(f"http://rebound.example:{port}/a", f"http://rebound.example:{port}/b")})
    config = CrawlConfig(seeds=(site.url(),), hosts=("*",), allow_hosts=(site.host,), delay_s=0, backoff_s=0, robots_expiry_s=0)
    names = Names(*addresses)
    report = crawl(config, tmp_path, resolver=names)
    assert report.outcomes == {"fetched": 1, "address": 2}
    assert "rebound.example" in names.asked
    assert canary.requests == []


def test_a_name_that_moves_to_a_local_address_between_two_requests_is_refused(servers: Servers, tmp_path: Path) -> None:
    """The rules are fetched through an allowed alias; the guard looks at each connection, not at an earlier answer."""
    canary = servers.site({"*": "secret"})
    port = canary.host.split(":")[1]
    seed = servers.site({"/": redirect(f"http://evil.example:{port}/x")})
    config = CrawlConfig(seeds=(f"http://good.example:{seed.host.split(':')[1]}/",), hosts=("*",), allow_hosts=("good.example",), delay_s=0)
    assert crawl(config, tmp_path, resolver=Names("127.0.0.1")).outcomes == {"redirect": 1, "address": 1}
    assert canary.requests == []


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


async def unasked_brotli(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Encoding: br", "Content-Length: 4") + b"\x0b\x00\x80a")


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
        (unasked_brotli, 1),
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


async def dripping_body(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 1000"))
    await _drip(writer)


async def dripping_head(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await _drip(writer)


async def _drip(writer: asyncio.StreamWriter) -> None:
    for _ in range(300):
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


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (dripping_body, "longer than 0.6 seconds"),
        (dripping_head, "longer than 0.6 seconds"),
        (endless_body, "more than 1000000 bytes sent"),
        (announced_too_big, "more than 1000000 bytes announced"),
        (gzip_bomb, "more than 2000000 bytes decoded"),
    ],
)
def test_a_page_without_end_meets_a_limit_once(servers: Servers, run: Run, answer: Raw, limit: str) -> None:
    hostile, good = servers.raw(answer), servers.site({"/": "good"})
    began = time.monotonic()
    crawled = run(hostile.url(), good.url(), page_timeout_s=0.6, max_body_bytes=1_000_000, max_decoded_bytes=2_000_000)
    assert (crawled.outcome(hostile.url()), crawled.log[hostile.url()]["detail"]) == ("limit", limit)
    assert crawled.outcome(good.url()) == "fetched"
    assert hostile.requests.count("/") == 1
    assert time.monotonic() - began < 5


def test_the_error_page_of_a_broken_charset_is_kept_as_bytes(servers: Servers, run: Run) -> None:
    body = "<a href='/ä'>ä</a>".encode("latin-1")
    site = servers.site({"/": lambda request: web.Response(body=body, headers={"Content-Type": "text/html; charset=utf-8"})})
    assert dict(run(site.url(), max_depth=0).records) == {site.url(): body}


# Failing hosts


def test_retry_after_is_waited_for(servers: Servers, run: Run) -> None:
    answers = iter([(429, "1"), (200, "")])

    def busy(request: web.Request) -> web.Response:
        status, wait = next(answers)
        return web.Response(status=status, text="page", content_type="text/html", headers={"Retry-After": wait} if wait else {})

    site = servers.site({"/": busy})
    crawled = run(site.url())
    assert outcomes(crawled) == {"/": "fetched"}
    assert site.times[-1] - site.times[-2] >= 0.99


def test_attempts_back_off_and_end(servers: Servers, run: Run) -> None:
    site = servers.site({"/": lambda request: web.Response(status=503)})
    crawled = run(site.url(), backoff_s=0.1, max_attempts=3)
    assert (crawled.outcome(site.url()), crawled.log[site.url()]["status"]) == ("status", 503)
    gaps = [b - a for a, b in zip(site.times[1:], site.times[2:], strict=False)]
    assert len(gaps) == 2
    assert gaps[0] >= 0.09
    assert gaps[1] >= 0.19


def test_a_wait_beyond_the_bound_is_not_tried_again(servers: Servers, run: Run) -> None:
    site = servers.site({"/": lambda request: web.Response(status=503, headers={"Retry-After": "7200"})})
    assert outcomes(run(site.url(), max_backoff_s=0.1)) == {"/": "status"}
    assert site.requests.count("/") == 1


def test_a_host_that_only_fails_is_given_up(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links(*(f"/{i}" for i in range(20))), "*": lambda request: web.Response(status=503)})
    site.pages["/robots.txt"] = ""
    crawled = run(site.url(), max_attempts=1, max_failures_in_a_row=4)
    assert Counter(outcomes(crawled).values()) == {"fetched": 1, "status": 4, "error": 16}
    assert len(site.requests) == 6


def test_a_dead_host_is_left_after_its_robots_txt(servers: Servers, run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        site = servers.site({"/": links(f"{dead}/a", f"{dead}/b")})
        crawled = run(site.url(), f"{dead}/a", max_attempts=2)
    assert crawled.outcome(site.url()) == "fetched"
    assert crawled.outcome(f"{dead}/a") == crawled.outcome(f"{dead}/b") == "robots"


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


# Certificates


def test_an_invalid_certificate_is_an_error(servers: Servers, run: Run, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))

    asked: list[bytes] = []
    server = servers._call(asyncio.start_server(answer, "127.0.0.1", 0, ssl=_self_signed(tmp_path)))
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    good = servers.site({"/": links(url)})
    crawled = run(good.url(), url, max_attempts=1)
    assert crawled.outcome(url) == "robots"
    assert "ertificate" in crawled.log[url]["detail"]
    assert crawled.outcome(good.url()) == "fetched"
    assert not any(asked)


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder: Any = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    none = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)
    (folder / "both.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
