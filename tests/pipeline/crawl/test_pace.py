"""Politeness: one request at a time a host, its delay between two, waits that a host asks for, and back-off."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.fetch import FetchError, Response, retry_after_s
from pipeline.crawl.pace import Pace
from pipeline.crawl.urls import parse

from .loopback import Crawled, Servers, Site, links

Run = Callable[..., Crawled]


def gaps(site: Site) -> list[float]:
    """Seconds between requests as they arrive. An answer is sent after its request's time is taken: no delay seems shorter than it was."""
    return [after - before for before, after in zip(site.times, site.times[1:], strict=False)]


def outcomes(crawled: Crawled) -> dict[str, str]:
    return {"/" + url.split("/", 3)[3]: row["outcome"] for url, row in crawled.log.items()}


def response(status: int = 200, retry_after: str | None = None) -> Response:
    headers = CIMultiDictProxy(CIMultiDict({"Retry-After": retry_after} if retry_after is not None else {}))
    return Response(parse("http://h/"), status, "text/html", None, headers, b"", b"", 0, 0, None, b"")


def pace(**settings: Any) -> Pace:
    return Pace(CrawlConfig.model_validate({"seeds": ["http://h/"], "contact": "a@h.example", "delay_s": 0, "backoff_s": 0.05, **settings}))


# One at a time, with the delay between


def test_a_host_has_one_request_at_a_time_whoever_asks() -> None:
    now, most, order = 0, 0, list[int]()

    async def request(number: int) -> Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        order.append(number)
        return response()

    async def all_at_once() -> None:
        turns = pace()
        await asyncio.gather(*(turns.attempts(lambda number=number: request(number), "h") for number in range(8)))  # type: ignore[misc]

    asyncio.run(all_at_once())
    assert most == 1
    assert order == list(range(8))


def test_hosts_wait_for_themselves_alone() -> None:
    async def two_hosts() -> float:
        turns = pace(delay_s=30)

        async def answer() -> Response:
            return response()

        began = time.monotonic()
        await turns.attempts(answer, "a")
        await turns.attempts(answer, "b")
        return time.monotonic() - began

    assert asyncio.run(two_hosts()) < 15


def test_a_host_has_one_request_at_a_time_and_hosts_go_side_by_side(servers: Servers, run: Run) -> None:
    now = most = 0

    async def slow(request: web.Request) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return links(*(f"/{i}" for i in range(8)))

    sites = [servers.site({"*": slow}) for _ in range(6)]
    crawled = run(*(site.url() for site in sites))
    assert all(site.most_together == 1 for site in sites)
    assert crawled.report.fetched == 6 * 9
    assert most > 1


def test_requests_to_a_host_keep_the_delay(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links("/a", "/b"), "/a": "a", "/b": "b"})
    run(site.url(), delay_s=0.15)
    assert len(site.times) == 4
    assert min(gaps(site)) >= 0.149


@pytest.mark.parametrize("rule", ["Crawl-delay: 0.2", "Request-rate: 5/1s"])
def test_a_delay_that_robots_txt_asks_for_is_kept(servers: Servers, run: Run, rule: str) -> None:
    site = servers.site({"/": links("/a"), "/a": "a", "/robots.txt": f"User-agent: *\n{rule}"})
    run(site.url())
    assert len(site.times) == 3
    assert min(gaps(site)) >= 0.199


def test_the_longer_of_two_delays_holds(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links("/a"), "/a": "a", "/robots.txt": "User-agent: *\nCrawl-delay: 0.01"})
    run(site.url(), delay_s=0.15)
    assert min(gaps(site)) >= 0.149


# Waits that a host asks for


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("-1", None), ("1.5", None), ("soon", None), ("", None), (None, None), ("Fri, 32 Foo 2026", None)],
)
def test_retry_after_in_seconds(value: str | None, expected: float | None) -> None:
    assert retry_after_s(response(503, value).headers) == expected


FORMS = {"IMF": "%a, %d %b %Y %H:%M:%S GMT", "RFC 850": "%A, %d-%b-%y %H:%M:%S GMT", "asctime": "%a %b %d %H:%M:%S %Y"}


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """This process's time zone is another for the time of a test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"], indirect=True)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_retry_after_as_a_date(form: str, zone: str) -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    wait_s = retry_after_s(response(503, then.strftime(form)).headers)
    assert wait_s is not None
    assert 60 < wait_s <= 90
    assert retry_after_s(response(503, "Wed, 21 Oct 2015 07:28:00 GMT").headers) == 0
    assert retry_after_s(response(503, format_datetime(then.astimezone(timezone(timedelta(hours=5))))).headers) == pytest.approx(
        wait_s, abs=1.5
    )


def test_a_date_to_wait_for_is_waited_for(servers: Servers, run: Run) -> None:
    until = 0.0

    def busy(request: web.Request) -> web.Response:
        nonlocal until
        if until:
            return web.Response(text="page", content_type="text/html")
        then = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        until = then.timestamp()
        return web.Response(status=429, headers={"Retry-After": format_datetime(then, usegmt=True)})

    site = servers.site({"/": busy})
    crawled = run(site.url())
    assert outcomes(crawled) == {"/": "fetched"}
    assert crawled.log[site.url()]["fetched_at"].timestamp() >= until


def test_retry_after_is_waited_for(servers: Servers, run: Run) -> None:
    answers = iter([(429, "1"), (200, "")])

    def busy(request: web.Request) -> web.Response:
        status, wait = next(answers)
        return web.Response(status=status, text="page", content_type="text/html", headers={"Retry-After": wait} if wait else {})

    site = servers.site({"/": busy})
    crawled = run(site.url())
    assert outcomes(crawled) == {"/": "fetched"}
    assert gaps(site)[-1] >= 0.999


def test_back_off_is_bounded_and_not_for_what_no_attempt_betters() -> None:
    calls = 0

    def failing(*, transient: bool) -> Callable[[], Any]:
        async def request() -> Response:
            nonlocal calls
            calls += 1
            raise FetchError("error", "broken", transient=transient)

        return request

    began = time.monotonic()
    for transient in (True, False):
        with pytest.raises(FetchError):
            asyncio.run(pace(backoff_s=1000, max_backoff_s=0.01, max_attempts=3).attempts(failing(transient=transient), "h"))
    assert calls == 3 + 1
    assert time.monotonic() - began < 30


def test_attempts_back_off_and_end(servers: Servers, run: Run) -> None:
    site = servers.site({"/": lambda request: web.Response(status=503)})
    crawled = run(site.url(), backoff_s=0.1, max_attempts=4)
    assert (crawled.outcome(site.url()), crawled.log[site.url()]["status"]) == ("status", 503)
    assert len(site.times) == 5
    assert [least <= gap for least, gap in zip((0.099, 0.199, 0.399), gaps(site)[1:], strict=True)] == [True] * 3


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
