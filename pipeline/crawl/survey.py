"""The sitemaps of a seed's host, read before its first page: one after another, breadth first, in the order of their listing.

So the limits on their number cut at the same place in every crawl of the same site. What a sitemap lists must be of its own
host (with or without `www.`), unless robots.txt of the seed's host named it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.crawl import sitemap
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.fetch import REDIRECTS, Fetcher, FetchError, Response, location
from pipeline.crawl.pace import Pace
from pipeline.crawl.robots import Rules
from pipeline.crawl.scope import Scope
from pipeline.crawl.urls import Url, parse

_GUESS = "/sitemap.xml"


class Sitemap(NamedTuple):
    """What became of one."""

    url: Url
    via: Url | None  # the index, or the redirect, that led to it
    outcome: str  # sitemap: it was read
    detail: str | None = None
    status: int | None = None
    fetched_at: int | None = None  # microseconds since 1970, UTC
    bytes: int | None = None


@dataclass
class Survey:
    """What the sitemaps of an origin came to; `urls` are the pages they list, each with the sitemap that did so first."""

    origin: str
    sitemaps: list[Sitemap] = field(default_factory=list)
    urls: dict[Url, Url] = field(default_factory=dict)


class _Place(NamedTuple):
    url: Url
    via: Url | None
    level: int  # of indexes; 1: from robots.txt
    hops: int  # redirects in a row
    named: bool  # in robots.txt, it or what led to it: may list other hosts
    guessed: bool  # its absence is nothing to be noted


class Surveyor:
    """Reads the sitemaps of origins. `rules` gives the robots.txt that holds for a URL."""

    def __init__(self, config: CrawlConfig, scope: Scope, fetcher: Fetcher, pace: Pace, rules: Callable[[Url], Awaitable[Rules]]) -> None:
        self._config, self._scope, self._fetcher, self._pace, self._rules = config, scope, fetcher, pace, rules

    async def survey(self, origin: str) -> Survey:
        """Everything that the sitemaps of one origin list, within the limits."""
        made = Survey(origin)
        queue = deque(await self._first(parse(f"{origin}/")))
        seen: set[Url] = set()
        asked = 0
        while queue and asked < self._config.max_sitemaps and len(made.urls) < self._config.max_sitemap_urls:
            place = queue.popleft()
            if place.url in seen or place.hops > self._config.max_redirects:
                continue
            seen.add(place.url)
            read, found = await self._visit(place, made)
            asked += read.outcome != "scope"
            queue.extend(found)
            if not (place.guessed and read.outcome not in ("sitemap", "redirect")):
                made.sitemaps.append(read)
        return made

    async def _first(self, root: Url) -> list[_Place]:
        rules = await self._rules(root)
        named = [url for text in rules.sitemaps if (url := self._config.normalise(text, root.text))]
        places = [_Place(url, None, 1, 0, named=True, guessed=False) for url in dict.fromkeys(named)]
        return [*places, _Place(root._replace(path=_GUESS), None, 1, 0, named=False, guessed=True)]

    async def _visit(self, place: _Place, made: Survey) -> tuple[Sitemap, list[_Place]]:
        if not self._scope.covers(place.url):
            return Sitemap(place.url, place.via, "scope", "host"), []
        rules = await self._rules(place.url)
        self._pace.ask(place.url.host, rules.delay_s)
        if refusal := rules.refusal(place.url):
            return Sitemap(place.url, place.via, *refusal), []
        try:
            response = await self._pace.attempts(lambda: self._fetcher.get(place.url, lambda status, _: status == 200), place.url.host)
        except FetchError as error:
            return Sitemap(place.url, place.via, error.outcome, error.detail), []
        if response.status in REDIRECTS:
            return self._redirected(place, response)
        if response.body is None:
            return Sitemap(place.url, place.via, "status", None, response.status, response.fetched_at), []
        return await self._read(place, response, response.body, made)

    def _redirected(self, place: _Place, response: Response) -> tuple[Sitemap, list[_Place]]:
        target = self._config.normalise(location(response.headers), place.url.text)
        said = Sitemap(place.url, place.via, "redirect", target and target.text, response.status, response.fetched_at)
        return said, [place._replace(url=target, via=place.url, hops=place.hops + 1)] if target else []

    async def _read(self, place: _Place, response: Response, body: bytes, made: Survey) -> tuple[Sitemap, list[_Place]]:
        room = self._config.max_sitemap_urls - len(made.urls)
        said = Sitemap(place.url, place.via, "sitemap", None, response.status, response.fetched_at, len(body))
        try:
            # In a thread: fifty megabytes of XML would hold up every other host.
            listing = await asyncio.to_thread(sitemap.read, body, self._config.max_decoded_bytes, room)
        except sitemap.NoSitemapError as error:
            return said._replace(outcome="content_type", detail=str(error)), []
        urls = [url for text in listing.locations if (url := self._config.normalise(text)) and self._may_list(place, url, listing.index)]
        said = said._replace(detail=self._detail(place, listing, len(urls)))
        if not listing.index:
            made.urls.update({url: place.url for url in urls if url not in made.urls})
            return said, []
        listed = urls if place.level < self._config.max_sitemap_levels else []
        return said, [_Place(url, place.url, place.level + 1, 0, place.named, guessed=False) for url in listed]

    def _detail(self, place: _Place, listing: sitemap.Listing, taken: int) -> str:
        left_out = len(listing.locations) - taken
        too_deep = listing.index and place.level == self._config.max_sitemap_levels
        parts = [
            f"{taken} {'sitemaps' if listing.index else 'URLs'}",
            f"{left_out} of other hosts or broken" if left_out else None,
            "deeper than max_sitemap_levels" if too_deep else None,
            listing.damage,
        ]
        return "; ".join(part for part in parts if part)

    def _may_list(self, place: _Place, url: Url, index: bool) -> bool:
        return (place.named or _bare(url) == _bare(place.url)) and (not index or self._scope.covers(url))


def _bare(url: Url) -> str:
    return url.host.removeprefix("www.")
