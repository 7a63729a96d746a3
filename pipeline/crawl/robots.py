"""robots.txt (RFC 9309) of every host, cached, and what it asks for.

A 4xx answer allows everything. A 5xx or 429 answer, or none, allows nothing (section 2.3.1.4). Nor does a redirect to a host
that is none of the crawl's: no one asked for a connection to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from protego import Protego

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.fetch import REDIRECTS, Fetcher, FetchError, Response, location
from pipeline.crawl.scope import Scope, Verdict
from pipeline.crawl.urls import Url

PRODUCT = "corpusmill"  # the token by which robots.txt names this crawler
_MAX_BYTES = 512_000  # the least that section 2.5 asks a crawler to read is 500 KiB
_REDIRECTS = 5  # section 2.3.1.2
_RETRY_UNAVAILABLE_S = 600.0

Attempts = Callable[[Callable[[], Awaitable[Response]], str], Awaitable[Response]]


@dataclass(frozen=True)
class Rules:
    """What one host asks for."""

    expires_at: float  # of time.monotonic
    robots: Protego = field(default_factory=Protego)
    delay_s: float = 0.0
    unavailable: Verdict | None = None  # why nothing at all is allowed

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that it names, as they stand there."""
        return tuple(self.robots.sitemaps)

    def refusal(self, url: Url) -> Verdict | None:
        """Why the URL must not be requested, as outcome and detail; None where it may be."""
        if self.unavailable:
            return self.unavailable
        return None if self.robots.can_fetch(url.text, PRODUCT) else ("robots", "disallowed")


class Robots:
    """The rules of hosts, fetched when first asked for."""

    def __init__(self, config: CrawlConfig, scope: Scope, fetcher: Fetcher, attempts: Attempts) -> None:
        self._config, self._scope, self._fetcher, self._attempts = config, scope, fetcher, attempts
        self._rules: dict[str, Rules] = {}

    async def rules(self, url: Url) -> Rules:
        """The rules that hold for a URL's scheme, host and port."""
        known = self._rules.get(url.origin)
        if known is None or known.expires_at <= time.monotonic():
            known = self._rules[url.origin] = await self._fetch(url)
        return known

    async def _fetch(self, url: Url) -> Rules:
        place = Url(url.scheme, url.host, "/robots.txt", "")
        try:
            for _ in range(_REDIRECTS + 1):
                response = await self._request(place)
                target = self._target(response)
                if target is None:
                    return self._understood(response)
                if not self._scope.covers(target):
                    return self._unavailable(("robots", f"robots.txt leads to {target.host}, which is no host of this crawl"))
                place = target
        except FetchError as error:
            refused = error.outcome == "address" and place.host == url.host
            return self._unavailable(("address", error.detail) if refused else ("robots", f"robots.txt: {error.detail}"))
        # More redirects than that may be treated as "unavailable" in the sense of 4xx.
        return self._parsed("")

    async def _request(self, place: Url) -> Response:
        return await self._attempts(lambda: self._fetcher.get(place, lambda status, _: status == 200, _MAX_BYTES), place.host)

    def _target(self, response: Response) -> Url | None:
        if response.status not in REDIRECTS:
            return None
        return self._config.normalise(location(response.headers), response.url.text)

    def _understood(self, response: Response) -> Rules:
        if response.status == 429 or response.status >= 500:
            return self._unavailable(("robots", f"robots.txt: status {response.status}"))
        return self._parsed((response.body or b"").decode("utf-8-sig", "replace"))

    def _parsed(self, text: str) -> Rules:
        robots = Protego.parse(text)
        rate = robots.request_rate(PRODUCT)
        delay_s = max(robots.crawl_delay(PRODUCT) or 0.0, _between_requests_s(rate))
        expires_at = time.monotonic() + self._config.robots_expiry_s
        if delay_s > self._config.max_crawl_delay_s:
            return Rules(expires_at, unavailable=("robots", f"Crawl-delay of {delay_s:g} seconds"))
        return Rules(expires_at, robots, delay_s)

    def _unavailable(self, why: Verdict) -> Rules:
        return Rules(time.monotonic() + min(self._config.robots_expiry_s, _RETRY_UNAVAILABLE_S), unavailable=why)


def _between_requests_s(rate: Any) -> float:
    if rate is None or not rate.requests:
        return 0.0
    try:
        return float(rate.seconds / rate.requests)
    except OverflowError:  # a number beyond all that a float can hold
        return math.inf if rate.seconds > rate.requests else 0.0
