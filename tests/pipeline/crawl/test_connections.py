"""To whom the crawler connects: allowed hosts alone, whatever a page, a redirect, a name, a proxy or a certificate says."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp.connector
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl

from .loopback import Crawled, Names, Servers, links
from .test_hostile import redirect
from .test_survey import index

Run = Callable[..., Crawled]


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


@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/", "http://[::ffff:169.254.169.254]/", "http://169.254.169.254/latest/"])
def test_a_redirect_to_a_local_address_is_refused(servers: Servers, run: Run, place: str) -> None:
    canary = servers.site({"*": "secret"})
    target = place.format(port=canary.host.split(":")[1])
    site = servers.site({"/": redirect(target)})
    crawled = run(site.url(), hosts=["*"])
    (row,) = [row for row in crawled.log.values() if row["url"] != site.url()]
    assert row["outcome"] == "address"
    assert "not globally routable" in row["detail"]
    assert canary.requests == []


# What a recorder at the sockets sees


class _Recorder:
    """Every address that this process connects to, and every name that it looks up, while a block runs."""

    def __init__(self) -> None:
        self.on, self.connected, self.looked_up = False, set[Any](), set[str]()
        sys.addaudithook(self.hear)  # for ever: a hook cannot be taken away

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self.connected.add(arguments[1])
        if self.on and event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.looked_up.add(str(arguments[0]))

    @contextmanager
    def recording(self) -> Iterator[None]:
        self.on, self.connected, self.looked_up = True, set(), set()
        try:
            yield
        finally:
            self.on = False


@pytest.fixture(scope="module")
def recorder() -> _Recorder:
    return _Recorder()


def test_the_recorder_hears_a_connection(recorder: _Recorder, servers: Servers, run: Run) -> None:
    site = servers.site({"/": "page"})
    with recorder.recording():
        run(site.url())
        with pytest.raises(OSError, match=r".+"):
            socket.getaddrinfo("no-such-host.invalid", 80)
    host, port = site.host.split(":")
    assert recorder.connected == {(host, int(port))}
    assert "no-such-host.invalid" in recorder.looked_up


def test_nothing_but_the_allowed_hosts_is_ever_connected_to(recorder: _Recorder, servers: Servers, run: Run) -> None:
    """Links, frames, refreshes, canonicals, redirects of pages, robots.txt and sitemaps, all lead away; none is followed."""
    canary, other = servers.site({"*": "secret"}), servers.site({"/": "other"})
    away = [canary.url("/x"), "http://elsewhere.example/x", "http://[::ffff:169.254.169.254]/x", "http://10.0.0.1/x", "//localhost/x"]
    site = servers.site({f"/r{number}": redirect(target) for number, target in enumerate(away)})
    strange = servers.site({"/robots.txt": redirect(canary.url("/robots.txt")), "/": "strange"})
    site.pages |= {
        "/": links(
            *(*away, *site.pages, other.url(), strange.url(), "/base", "/text"),
            head=f'<link rel="canonical" href="{away[0]}"><meta http-equiv="refresh" content="0; url={away[1]}">',
            text="".join(f'<iframe src="{each}"></iframe><img src="{each}"><script src="{each}"></script>' for each in away),
        ),
        "/base": links("relative", head=f'<base href="{canary.url("/")}">'),
        "/text": lambda request: web.Response(text="t", headers={"Link": f'<{away[0]}>; rel="canonical"', "Refresh": f"0; url={away[0]}"}),
        "/robots.txt": "\n".join(f"Sitemap: {each}" for each in [*away, site.url("/maps")]),
        "/maps": lambda request: web.Response(text=index(*away), content_type="application/xml"),
        "/sitemap.xml": redirect(away[0]),
    }
    allowed = [site.host, other.host, strange.host]
    with recorder.recording():
        crawled = run(site.url(), hosts=allowed, allow_hosts=[*allowed, canary.host], sitemaps=True)
    assert recorder.connected == {(host.split(":")[0], int(host.split(":")[1])) for host in allowed}
    assert recorder.looked_up <= {"127.0.0.1"}
    assert canary.requests == []
    outside = [row for row in crawled.log.values() if row["host"] not in allowed]
    assert len(outside) >= len(away)
    assert {row["outcome"] for row in outside} == {"scope"}
    assert crawled.outcome(other.url()) == "fetched"
    assert crawled.outcome(strange.url()) == "robots"
    assert crawled.log[strange.url()]["detail"] == f"robots.txt leads to {canary.host}, which is no host of this crawl"


def test_environment_proxies_are_ignored(recorder: _Recorder, servers: Servers, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, site = servers.site({"*": "proxied"}), servers.site({"/": "direct"})
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url())
    with recorder.recording():
        crawled = run(site.url())
    assert dict(crawled.records)[site.url()] == b"direct"
    assert proxy.requests == []
    assert recorder.connected == {("127.0.0.1", int(site.host.split(":")[1]))}


# Cookies


def test_no_cookie_comes_back_to_its_host_or_goes_to_another(servers: Servers, tmp_path: Path) -> None:
    def answer(request: web.Request) -> web.Response:
        port = other.host.split(":")[1]
        body = links("/b", f"http://two.cookies.example:{port}/", f"http://cookies.example:{port}/")
        cookies = "a=b; Path=/; Domain=cookies.example"
        return web.Response(text=body, content_type="text/html", headers={"Set-Cookie": cookies})

    other = servers.site({"*": "other"})
    site = servers.site({"*": answer})
    # By name: cookies of bare addresses are kept by no client.
    seed = f"http://one.cookies.example:{site.host.split(':')[1]}/"
    names = ("one.cookies.example", "two.cookies.example", "cookies.example")
    config = CrawlConfig(seeds=(seed,), hosts=("*cookies.example:*",), allow_hosts=names, delay_s=0)
    report = crawl(config, tmp_path, resolver=Names("127.0.0.1"))
    assert report.fetched == 4
    assert len(site.headers) >= 3
    assert len(other.headers) >= 3
    assert not any("Cookie" in headers for headers in (*site.headers, *other.headers))
    assert all(headers["User-Agent"].startswith("corpusmill/") for headers in site.headers)


# Certificates


Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(name: str, days: tuple[int, int], authority: Made | None = None) -> Made:
    """A certificate for an IP address, or an authority's own, valid from and to so many days from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(authority[0].subject if authority else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + datetime.timedelta(days[0])).not_valid_after(now + datetime.timedelta(days[1]))
    builder = builder.add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
    if name != "authority":
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
    return builder.sign(authority[1] if authority else key, hashes.SHA256()), key


def context(folder: Path, made: Made) -> ssl.SSLContext:
    private = made[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + made[0].public_bytes(serialization.Encoding.PEM))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "both.pem")
    return served


@pytest.mark.parametrize(
    ("kind", "why"),
    [("good", None), ("expired", "expired"), ("early", "not yet valid"), ("self-signed", "self"), ("other host", "mismatch")],
)
def test_an_invalid_certificate_is_an_error(
    servers: Servers, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, why: str | None
) -> None:
    authority = certificate("authority", (-100, 100))
    days = {"expired": (-20, -10), "early": (10, 20)}.get(kind, (-1, 1))
    name = "10.0.0.1" if kind == "other host" else "127.0.0.1"
    served = certificate(name, days, None if kind == "self-signed" else authority)
    trusting = ssl.create_default_context(cadata=authority[0].public_bytes(serialization.Encoding.PEM).decode())
    # The authority's certificate stands in for those of the system: all else is the crawler's own.
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage")

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.close()

    server = servers._call(asyncio.start_server(quietly, "127.0.0.1", 0, ssl=context(tmp_path, served)))
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    good = servers.site({"/": links(url)})
    crawled = run(good.url(), url, max_attempts=1)
    assert crawled.outcome(good.url()) == "fetched"
    assert crawled.outcome(url) == ("robots" if why else "fetched")
    assert bool(asked) == (why is None)
    if why:
        assert why in crawled.log[url]["detail"]
