"""One URL's visit: from the question whether it may be requested to what became of it."""

from __future__ import annotations

from collections import Counter

from resiliparse.parse.html import HTMLParserException

from pipeline.crawl import page
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.fetch import Fetcher, FetchError, Response
from pipeline.crawl.frontier import Visit, Window
from pipeline.crawl.pace import RETRY_STATUSES, Pace
from pipeline.crawl.robots import Robots
from pipeline.crawl.urls import Url, shape
from pipeline.crawl.warc import Exchange, payload_digest

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Visitor:
    """Visits URLs, those of one host one after another."""

    def __init__(self, config: CrawlConfig, fetcher: Fetcher) -> None:
        self._config, self._fetcher = config, fetcher
        self._pace = Pace(config)
        self._robots = Robots(config, fetcher, self._pace.attempts)
        self._failures: Counter[str] = Counter()  # in a row, by host

    async def visit(self, url: Url, window: Window) -> tuple[Visit, Exchange | None]:
        """What became of a URL, and the exchange that is to be kept."""
        form = shape(url)
        if window.tallies[form] >= self._config.max_pages_per_shape:
            return Visit(url, "trap", f"more than {self._config.max_pages_per_shape} pages like {form}"[:300], requested=False), None
        if self._failures[url.host] >= self._config.max_failures_in_a_row:
            return Visit(url, "error", "the host failed too often in a row", requested=False), None
        rules = await self._robots.rules(url)
        self._pace.ask(url.host, rules.delay_s)
        if refusal := rules.refusal(url):
            return Visit(url, *refusal, requested=False), None
        window.tallies[form] += 1
        try:
            response = await self._pace.attempts(lambda: self._fetcher.get(url, self._wanted), url.host)
        except FetchError as error:
            self._failures[url.host] += error.outcome == "error"
            return Visit(url, error.outcome, error.detail), None
        self._failures[url.host] = self._failures[url.host] + 1 if response.status in RETRY_STATUSES else 0
        return self._judged(response)

    def _wanted(self, status: int, content_type: str) -> bool:
        return status == 200 and content_type in self._config.content_types

    def _judged(self, response: Response) -> tuple[Visit, Exchange | None]:
        url, status, at = response.url, response.status, response.fetched_at
        if status in _REDIRECTS:
            location = response.headers.get("Location", "")
            target = self._config.normalise(location, url.text)
            return Visit(url, "redirect", target.text if target else location[:300], status, at, links=(target,) if target else ()), None
        if status != 200:
            return Visit(url, "status", None, status, at), None
        if response.body is None:
            return Visit(url, "content_type", response.content_type or "none", status, at), None
        return self._read(response, response.body)

    def _read(self, response: Response, body: bytes) -> tuple[Visit, Exchange | None]:
        found, detail = self._page(response, body)
        refused = sorted(found.directives & set(self._config.refuse_directives))
        digest = payload_digest(body)
        visit = Visit(
            url=response.url,
            outcome="noindex" if refused else "fetched",
            detail=", ".join(refused) or detail,
            status=response.status,
            fetched_at=response.fetched_at,
            bytes=len(body),
            digest=digest,
            links=found.links,
            nofollow_links=found.nofollow_links,
        )
        return visit, None if refused else Exchange(response.url, response, digest)

    def _page(self, response: Response, body: bytes) -> tuple[page.Page, str | None]:
        """Links and directives, and what is to be noted about them."""
        headers = response.headers.getall("X-Robots-Tag", [])
        if response.content_type not in page.HTML_TYPES:
            return page.Page(directives=frozenset(page.header_directives(headers))), None
        try:
            found = page.read(body, response.charset, response.url, headers, self._config)
        except (HTMLParserException, UnicodeError) as error:
            return page.Page(directives=frozenset(page.header_directives(headers))), f"links unread: {error}"[:300]
        return found, f"{found.left_out} links left out" if found.left_out else None
