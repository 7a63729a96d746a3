"""One URL's visit: from the question whether it may be requested to what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from pipeline.crawl import page
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.confined import Readers
from pipeline.crawl.earlier import Capture, Earlier
from pipeline.crawl.fetch import REDIRECTS, Fetcher, FetchError, Response, location
from pipeline.crawl.frontier import Visit, Waiting, Window
from pipeline.crawl.pace import RETRY_STATUSES, Pace
from pipeline.crawl.records import Exchange, payload_digest
from pipeline.crawl.robots import Robots
from pipeline.crawl.scope import Scope
from pipeline.crawl.survey import Surveyor
from pipeline.crawl.urls import parse, shape

_NOT_MODIFIED = 304
_MAX_VALIDATOR_CHARS = 1_000


class Visitor:
    """Visits URLs, those of one host one after another."""

    def __init__(self, config: CrawlConfig, scope: Scope, fetcher: Fetcher, readers: Readers, earlier: Earlier | None) -> None:
        self._config, self._fetcher, self._readers, self._earlier = config, fetcher, readers, earlier
        self._pace = Pace(config)
        self._robots = Robots(config, scope, fetcher, self._pace.attempts)
        self._failures: Counter[str] = Counter()  # in a row, by host
        self.surveyor = Surveyor(config, scope, fetcher, self._pace, self._robots.rules)

    async def visit(self, waiting: Waiting, window: Window) -> tuple[Visit, Exchange | None]:
        """What became of a URL, and the exchange that is to be kept."""
        url = waiting.url
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
        known = self._earlier.capture(url) if self._earlier else None
        try:
            response = await self._pace.attempts(
                lambda: self._fetcher.get(url, self._wanted, conditions=known.conditions if known else None), url.host
            )
        except FetchError as error:
            self._failures[url.host] += error.outcome == "error"
            return Visit(url, error.outcome, error.detail), None
        self._failures[url.host] = self._failures[url.host] + 1 if response.status in RETRY_STATUSES else 0
        return await self._judged(response, waiting, known)

    def _wanted(self, status: int, content_type: str) -> bool:
        return status == 200 and content_type in self._config.content_types

    async def _judged(self, response: Response, waiting: Waiting, known: Capture | None) -> tuple[Visit, Exchange | None]:
        url, status, at = response.url, response.status, response.fetched_at
        if status in REDIRECTS:
            place = location(response.headers)
            target = self._config.normalise(place, url.text)
            return Visit(url, "redirect", target.text if target else place[:300], status, at, links=(target,) if target else ()), None
        if status == _NOT_MODIFIED and known and known.conditions:
            return self._unchanged(response, waiting, known)
        if status != 200:
            return Visit(url, "status", None, status, at), None
        if response.body is None:
            return Visit(url, "content_type", response.content_type or "none", status, at), None
        return await self._read(response, response.body, waiting)

    def _unchanged(self, response: Response, waiting: Waiting, known: Capture) -> tuple[Visit, Exchange | None]:
        """The page as it was, and all that was read from it."""
        # The page itself was not sent, but its head was: that may forbid now what it allowed then.
        refused = self._refused(page.header_directives(response.headers.getall("X-Robots-Tag", [])))
        visit = Visit(
            url=response.url,
            outcome="noindex" if refused else "unchanged",
            detail=refused or known.detail,
            status=response.status,
            fetched_at=response.fetched_at,
            bytes=known.bytes,
            digest=known.digest,
            etag=_validator(response, "ETag") or known.etag,
            last_modified=_validator(response, "Last-Modified") or known.last_modified,
            canonical=parse(known.canonical) if known.canonical else None,
            original_at=None if refused else known.original_at,
            links=known.links,
            nofollow_links=known.nofollow_links,
        )
        return visit, None if refused else _exchange(response, visit, waiting)

    async def _read(self, response: Response, body: bytes, waiting: Waiting) -> tuple[Visit, Exchange | None]:
        found = await self._page(response, body)
        refused = self._refused(found.directives)
        digest = payload_digest(body)
        original_at = self._earlier.original_at(response.url, digest) if self._earlier else None
        visit = Visit(
            url=response.url,
            outcome="noindex" if refused else "fetched" if original_at is None else "unchanged",
            detail=refused or found.note,
            status=response.status,
            fetched_at=response.fetched_at,
            bytes=len(body),
            digest=digest,
            etag=_validator(response, "ETag"),
            last_modified=_validator(response, "Last-Modified"),
            canonical=found.canonical,
            original_at=None if refused else original_at or response.fetched_at,
            links=found.links,
            nofollow_links=found.nofollow_links,
        )
        return visit, None if refused else _exchange(response, visit, waiting)

    def _refused(self, directives: Set[str]) -> str | None:
        return ", ".join(sorted(directives & set(self._config.refuse_directives))) or None

    async def _page(self, response: Response, body: bytes) -> page.Page:
        """Links and directives."""
        robots, links = (tuple(response.headers.getall(name, [])) for name in ("X-Robots-Tag", "Link"))
        head = page.Head(response.url, response.charset, robots, links)
        if response.content_type not in page.HTML_TYPES:
            return page.plain(head, self._config)
        return await self._readers.read(body, head, self._config)


def _validator(response: Response, name: str) -> str | None:
    """A header field's value, where it can be sent back as it is."""
    value = response.headers.get(name, "")
    return value if value and value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR_CHARS else None


def _exchange(response: Response, visit: Visit, waiting: Waiting) -> Exchange:
    assert visit.digest is not None
    return Exchange(
        response=response,
        digest=visit.digest,
        depth=waiting.depth,
        via=waiting.via,
        canonical=visit.canonical.text if visit.canonical else None,
        original_at=visit.original_at if visit.outcome == "unchanged" else None,
    )
