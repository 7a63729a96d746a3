"""robots.txt as real servers serve it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from .loopback import Crawled, Servers, links

Run = Callable[..., Crawled]


def text(body: str, status: int = 200, **headers: str) -> Callable[[web.Request], web.Response]:
    return lambda request: web.Response(text=body, status=status, headers=headers)


def outcomes(crawled: Crawled) -> dict[str, str]:
    return {"/" + url.split("/", 3)[3]: row["outcome"] for url, row in crawled.log.items()}


RULES = """
User-agent: *
Disallow: /

User-agent: CorpusMill
Disallow: /private/
Allow: /private/open
Disallow: /*?sort=
Disallow: /end$
Disallow: /%7Etilde
"""


def test_rules_for_us_with_wildcards_are_obeyed(servers: Servers, run: Run) -> None:
    paths = ["/private/a", "/private/open", "/x?sort=1", "/end", "/ending", "/~tilde/a", "/free"]
    site = servers.site({"/": links(*paths), "/robots.txt": text(RULES), "*": "page"})
    crawled = run(site.url())
    refused = {"/private/a", "/x?sort=1", "/end", "/~tilde/a"}
    assert outcomes(crawled) == {path: "robots" if path in refused else "fetched" for path in ["/", *paths]}
    assert not refused & set(site.requests)
    assert site.requests.count("/robots.txt") == 1
    assert refused.isdisjoint(url.removeprefix(site.url("")) for url, _ in crawled.records)


def test_rules_for_everyone_hold_where_none_are_for_us(servers: Servers, run: Run) -> None:
    rules = "User-agent: corpusmillion\nDisallow:\n\nUser-agent: *\nDisallow: /no"
    site = servers.site({"/": links("/no", "/yes"), "/yes": "yes", "/robots.txt": text(rules)})
    assert outcomes(run(site.url())) == {"/": "fetched", "/no": "robots", "/yes": "fetched"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_unavailable_robots_txt_allows(servers: Servers, run: Run, status: int) -> None:
    site = servers.site({"/": "page", "/robots.txt": text("User-agent: *\nDisallow: /", status)})
    assert outcomes(run(site.url())) == {"/": "fetched"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failing_robots_txt_disallows(servers: Servers, run: Run, status: int) -> None:
    site = servers.site({"/": "page", "/robots.txt": text("", status)})
    crawled = run(site.url(), max_attempts=2)
    assert outcomes(crawled) == {"/": "robots"}
    assert crawled.log[site.url()]["detail"] == f"robots.txt: status {status}"
    assert site.requests == ["/robots.txt"] * 2


def test_a_robots_txt_that_never_comes_disallows(servers: Servers, run: Run) -> None:
    async def never(request: web.Request) -> Any:
        await asyncio.sleep(3)

    site = servers.site({"/": "page", "/robots.txt": never})
    crawled = run(site.url(), page_timeout_s=0.2)
    assert outcomes(crawled) == {"/": "robots"}
    assert "/" not in site.requests


def test_a_robots_txt_that_fails_once_is_asked_for_again(servers: Servers, run: Run) -> None:
    answers = iter([503, 200])

    def robots(request: web.Request) -> web.Response:
        return web.Response(status=next(answers), text="User-agent: *\nDisallow: /no")

    site = servers.site({"/": links("/no"), "/robots.txt": robots})
    assert outcomes(run(site.url())) == {"/": "fetched", "/no": "robots"}


def test_a_redirected_robots_txt_is_followed(servers: Servers, run: Run) -> None:
    def moved(place: str) -> Callable[[web.Request], web.Response]:
        return text("", 301, Location=place)

    site = servers.site({"/": links("/no"), "/robots.txt": moved("/r2"), "/r2": moved("/r3"), "/r3": text("User-agent: *\nDisallow: /no")})
    assert outcomes(run(site.url())) == {"/": "fetched", "/no": "robots"}
    loop = servers.site({"/": "page", "/robots.txt": moved("/robots.txt")})
    assert outcomes(run(loop.url(), folder="loop")) == {"/": "fetched"}


def test_a_huge_robots_txt_is_read_up_to_its_bound(servers: Servers, run: Run) -> None:
    rules = "User-agent: *\nDisallow: /early\n" + "# filler\n" * 100_000 + "Disallow: /late\n"
    site = servers.site({"/": links("/early", "/late"), "/late": "late", "/robots.txt": text(rules)})
    assert outcomes(run(site.url())) == {"/": "fetched", "/early": "robots", "/late": "fetched"}


def test_a_host_that_asks_for_days_is_left_alone(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "page", "/robots.txt": text("User-agent: *\nCrawl-delay: 86400")})
    crawled = run(site.url())
    assert outcomes(crawled) == {"/": "robots"}
    assert "86400" in crawled.log[site.url()]["detail"]


def test_rules_expire(servers: Servers, run: Run) -> None:
    answers = iter(["", "User-agent: *\nDisallow: /a"])

    def robots(request: web.Request) -> web.Response:
        return web.Response(text=next(answers))

    site = servers.site({"/": links("/a"), "/robots.txt": robots})
    assert outcomes(run(site.url(), robots_expiry_s=0)) == {"/": "fetched", "/a": "robots"}


def test_garbage_for_a_robots_txt_allows(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "page", "/robots.txt": lambda request: web.Response(body=bytes(range(256)) * 20)})
    assert outcomes(run(site.url())) == {"/": "fetched"}
