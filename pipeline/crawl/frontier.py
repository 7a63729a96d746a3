"""Every URL seen, on disk, and which are to be visited next.

A URL waits while it has no outcome, is within the limits on depth and redirects, and some link to it may be followed.
Depth (links from a seed) and hops (redirects in a row) are the least over all paths known: where a shorter path turns up
late, what lies behind a visited page moves up with it. So what is in scope depends on no order of visits.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.crawl import page
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.earlier import Earlier
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.scope import Verdict
from pipeline.crawl.survey import Survey
from pipeline.crawl.tables import NAME, connect, packed, unpacked
from pipeline.crawl.urls import Url, parse, shape

_COUNT = "select count(*) from urls where outcome is null and nofollow = 0 and depth <= :max_depth and hops <= :max_hops"
_HOSTS = "select distinct host from urls where outcome is null and nofollow = 0 and depth <= :max_depth and hops <= :max_hops order by host"
_WINDOW = (
    "select u.url, coalesce(r.url, s.url), u.depth, u.hops from urls u left join urls r on r.id = u.referrer"
    " left join sitemaps s on s.id = u.referrer where u.host = :host and u.outcome is null and u.nofollow = 0 and u.depth <= :max_depth"
    " and u.hops <= :max_hops order by u.depth, u.hops, u.id limit :size"
)
_FINISH = (
    "update urls set outcome = 'nofollow', detail = 'no link to it may be followed' where outcome is null and nofollow = 1",
    "update urls set outcome = 'scope', detail = 'deeper than max_depth' where outcome is null and depth > :max_depth",
    "update urls set outcome = 'limit', detail = 'more than max_redirects in a row' where outcome is null and hops > :max_hops",
    "update urls set outcome = 'limit', detail = 'the crawl, or the host, reached its limit' where outcome is null",
)
_LOG = """
select u.url, u.host, u.depth, u.outcome, u.detail, u.status, u.seen_at, u.fetched_at, u.bytes, u.digest, coalesce(r.url, s.url),
    u.warc, u.offset, u.etag, u.last_modified, u.canonical, u.id
from urls u left join urls r on r.id = u.referrer left join sitemaps s on s.id = u.referrer
union all
select m.url, m.host, 0, m.outcome, m.detail, m.status, m.seen_at, m.fetched_at, m.bytes, null, s.url, null, null, null, null, null, m.id
from sitemaps m left join sitemaps s on s.id = m.referrer where m.id not in (select id from urls)
order by 17
"""
_OUTCOMES = """
select outcome, count(*) from (
    select outcome from urls where outcome is not null
    union all select outcome from sitemaps where id not in (select id from urls))
group by 1 order by 1
"""
KEPT = ("fetched", "unchanged")  # outcomes of pages that are in the corpus: the record is in this crawl or in an earlier one
_KEPT = ""  # the tally of pages kept; other tallies are named by their shape
_AS_FOUND = ("outcome", "detail", "status", "fetched_at", "bytes", "digest", "etag", "last_modified", "original_at")
_SETTLE = """
update urls set outcome = :outcome, detail = :detail, status = :status, fetched_at = :fetched_at, bytes = :bytes, digest = :digest,
    etag = :etag, last_modified = :last_modified, original_at = :original_at, canonical = :canonical, warc = :warc, offset = :offset,
    links = :links, nofollow_links = :nofollow_links
where id = :id and outcome is null returning depth, hops, nofollow
"""
_UNLIMITED = 2**31
_KNOWN_URLS = 200_000


@dataclass(frozen=True)
class Visit:
    """What became of a URL. `links` and `nofollow_links` are where it leads: a redirect leads to one place."""

    url: Url
    outcome: str
    detail: str | None = None
    status: int | None = None
    fetched_at: int | None = None  # microseconds since 1970, UTC
    bytes: int | None = None
    digest: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    canonical: Url | None = None
    original_at: int | None = None  # when the response record was fetched that an unchanged page refers to
    links: tuple[Url, ...] = ()
    nofollow_links: tuple[Url, ...] = ()
    requested: bool = True

    @property
    def kept(self) -> bool:
        """Whether the page counts as one of the crawl's."""
        return self.outcome in KEPT


class Waiting(NamedTuple):
    """A URL to visit, and where it was seen."""

    url: Url
    via: str | None
    depth: int


class Place(NamedTuple):
    """Where the first record of a page lies."""

    warc: int
    offset: int


class Warc(NamedTuple):
    """A WARC file: `sha256` is None while it is open. `records` are responses."""

    number: int
    bytes: int
    records: int
    sha256: str | None


class Reach(NamedTuple):
    """How a URL is reached at best."""

    depth: int
    hops: int
    nofollow: int

    def beyond(self, outcome: str) -> tuple[int, int]:
        """Depth and hops of what a page, or a redirect, at this reach leads to."""
        return (self.depth, self.hops + 1) if outcome == "redirect" else (self.depth + 1, 0)

    def best(self, other: Reach) -> Reach:
        """The least of each."""
        return Reach(min(self.depth, other.depth), min(self.hops, other.hops), min(self.nofollow, other.nofollow))


@dataclass(frozen=True)
class Window:
    """URLs of one host to visit, all of one level, and how many of each shape it had before."""

    waiting: tuple[Waiting, ...]
    tallies: Counter[str]

    @property
    def pages(self) -> int:
        """Pages of the host that were kept."""
        return self.tallies[_KEPT]


class Frontier:
    """The database. `window` and `log` may be called while another thread is in `commit`."""

    def __init__(self, folder: Path, config: CrawlConfig, refusal: Callable[[Url], Verdict | None], earlier: Path | None = None) -> None:
        self._refusal = refusal
        self._limits = {
            "max_depth": _UNLIMITED if config.max_depth is None else config.max_depth,
            "max_hops": config.max_redirects,
        }
        self._writer, self._reader = connect(folder / NAME), connect(folder / NAME)
        self._known: dict[int, Reach] = {}
        self._finished = False
        self.waiting = 0
        self.earlier = self._claim(config, folder, earlier)
        self.waiting = int(self._reader.execute(_COUNT, self._limits).fetchone()[0])

    def close(self) -> None:
        """Close all connections; what was committed stays. A finished crawl leaves one file."""
        if self.earlier:
            self.earlier.close()
        self._reader.close()
        if self._finished:
            self._writer.execute("pragma journal_mode = delete")
        self._writer.close()

    def _claim(self, config: CrawlConfig, folder: Path, earlier: Path | None) -> Earlier | None:
        """A new frontier takes the configuration and its seeds; an old one must be of the same. Returns the crawl it goes on from."""
        found = self._writer.execute("select fingerprint, earlier from settings").fetchone()
        if found is None:
            return self._begin(config, folder, earlier)
        fingerprint, place = found
        if fingerprint != config.fingerprint:
            raise CrawlError(f"{folder}: a crawl with other settings was begun here; expected the same settings, or another folder")
        return Earlier(folder / place, page.reading(config)) if place else None

    def _begin(self, config: CrawlConfig, folder: Path, earlier: Path | None) -> Earlier | None:
        reading = page.reading(config)
        known = Earlier(earlier, reading) if earlier else None
        # Relative: whoever moves both folders moves the tie between them.
        place = os.path.relpath(earlier, folder) if earlier else None
        self._writer.execute("begin immediate")
        self._writer.execute("insert into settings values (?, ?, ?)", (config.fingerprint, reading, place))
        if known:
            self._writer.executemany("insert into captures values (?, ?, ?)", known.captures())
        if config.sitemaps and config.max_depth != 0:
            origins = {(seed.origin, seed.host) for seed in config.seed_urls()}
            self._writer.executemany("insert into origins values (?, ?, 0)", sorted(origins))
        self._offer({seed.id: (seed, Reach(0, 0, 0), None) for seed in config.seed_urls()})
        self._writer.execute("commit")
        return known

    # What to visit

    def hosts(self) -> list[str]:
        """The hosts that have a URL waiting."""
        return [host for (host,) in self._reader.execute(_HOSTS, self._limits)]

    def window(self, host: str, size: int) -> Window:
        """The next URLs of a host: of its lowest level only, as visiting them cannot add to that level or one below it."""
        rows = self._reader.execute(_WINDOW, {**self._limits, "host": host, "size": size}).fetchall()
        waiting = tuple(Waiting(parse(url), via, depth) for url, via, depth, hops in rows if (depth, hops) == rows[0][2:])
        kinds = json.dumps([_KEPT, *{shape(url) for url, *_ in waiting}])
        query = "select kind, pages from tallies where host = ? and kind in (select value from json_each(?))"
        return Window(waiting, Counter(dict(self._reader.execute(query, (host, kinds)).fetchall())))

    def unsurveyed(self, host: str) -> list[str]:
        """The origins of a host's seeds whose sitemaps are to be read first."""
        found = self._reader.execute("select origin from origins where host = ? and not surveyed order by origin", (host,))
        return [origin for (origin,) in found]

    def totals(self) -> tuple[int, int]:
        """Pages kept, and their bytes."""
        query = "select count(*), coalesce(sum(bytes), 0) from urls where outcome in (select value from json_each(?))"
        pages, bytes_ = self._reader.execute(query, (json.dumps(KEPT),)).fetchone()
        return pages, bytes_

    def outcomes(self) -> dict[str, int]:
        """How many URLs came to what."""
        return dict(self._reader.execute(_OUTCOMES).fetchall())

    # What became of it

    def commit(self, visits: Iterable[tuple[Visit, Place | None]], warc: Warc) -> set[str]:
        """Mark URLs visited, take in what they lead to, and note how far the WARC goes: all or nothing.

        Returns the hosts that have new URLs waiting.
        """
        self._writer.execute("begin immediate")
        offers: dict[int, tuple[Url, Reach, int | None]] = {}
        for visit, place in visits:
            depth, hops = self._settle(visit, place)
            for nofollow, links in enumerate((visit.links, visit.nofollow_links)):
                for link in links:
                    reach = Reach(depth, hops, nofollow)
                    known = offers.get(link.id)
                    offers[link.id] = (link, known[1].best(reach), known[2]) if known else (link, reach, visit.url.id)
        hosts = self._offer(offers)
        self._writer.execute("insert or replace into warcs values (?, ?, ?, ?)", warc)
        self._writer.execute("commit")
        return hosts

    def note(self, warc: Warc) -> None:
        """Commit how far a WARC goes, or that it is closed."""
        self._writer.execute("insert or replace into warcs values (?, ?, ?, ?)", warc)

    def warcs(self) -> list[Warc]:
        """The WARC files, in order."""
        return [Warc(*row) for row in self._writer.execute("select number, bytes, records, sha256 from warcs order by number")]

    def take(self, survey: Survey) -> set[str]:
        """Take in what the sitemaps of an origin list, once. Returns the hosts that have new URLs waiting."""
        now = time.time_ns() // 1000
        rows = [
            (url.id, url.text, url.host, outcome, detail, status, now, fetched_at, bytes_, via.id if via else None)
            for url, via, outcome, detail, status, fetched_at, bytes_ in survey.sitemaps
        ]
        self._writer.execute("begin immediate")
        self._writer.executemany("insert or ignore into sitemaps values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        hosts = self._offer({url.id: (url, Reach(1, 0, 0), sitemap.id) for url, sitemap in survey.urls.items()})
        self._writer.execute("update origins set surveyed = 1 where origin = ?", (survey.origin,))
        self._writer.execute("commit")
        return hosts

    def _settle(self, visit: Visit, place: Place | None) -> tuple[int, int]:
        """Mark a URL visited; returns the depth and hops of what it leads to."""
        found = {
            **{name: getattr(visit, name) for name in _AS_FOUND},
            "id": visit.url.id,
            "canonical": visit.canonical.text if visit.canonical else None,
            "warc": place.warc if place else None,
            "offset": place.offset if place else None,
            "links": packed(visit.links),
            "nofollow_links": packed(visit.nofollow_links),
        }
        row = self._writer.execute(_SETTLE, found).fetchall()
        self._tally(visit)
        self.waiting -= 1
        return Reach(*row[0]).beyond(visit.outcome)

    def _tally(self, visit: Visit) -> None:
        kinds = [shape(visit.url)] * visit.requested + [_KEPT] * visit.kept
        self._writer.executemany(
            "insert into tallies values (?, ?, 1) on conflict do update set pages = pages + 1", [(visit.url.host, kind) for kind in kinds]
        )
        if visit.kept:
            self._writer.execute("insert or ignore into captures values (?, ?, ?)", (visit.url.id, visit.digest, visit.original_at))

    def _offer(self, offers: dict[int, tuple[Url, Reach, int | None]]) -> set[str]:
        """Take in links. Returns the hosts that have new URLs waiting."""
        news = {id_: offer for id_, offer in offers.items() if not (known := self._known.get(id_)) or known.best(offer[1]) != known}
        present = self._present(list(news))
        hosts = self._insert([offer for id_, offer in news.items() if id_ not in present])
        if len(self._known) > _KNOWN_URLS:
            self._known.clear()
        self._known.update({id_: reach.best(present.get(id_, reach)) for id_, (_, reach, _) in news.items()})
        return hosts | self._improve([(id_, reach, referrer) for id_, (_, reach, referrer) in news.items() if id_ in present])

    def _present(self, ids: list[int]) -> dict[int, Reach]:
        query = "select id, depth, hops, nofollow from urls where id in (select value from json_each(?))"
        return {id_: Reach(*reach) for id_, *reach in self._writer.execute(query, (json.dumps(ids),))}

    def _insert(self, offers: list[tuple[Url, Reach, int | None]]) -> set[str]:
        now, hosts, rows = time.time_ns() // 1000, set(), []
        for url, reach, referrer in offers:
            outcome, detail = self._refusal(url) or (None, None)
            rows.append((url.id, url.text, url.host, *reach, now, referrer, outcome, detail))
            if outcome is None and self._admits(reach):
                hosts.add(url.host)
                self.waiting += 1
        self._writer.executemany(
            "insert into urls (id, url, host, depth, hops, nofollow, seen_at, referrer, outcome, detail) values (?,?,?,?,?,?,?,?,?,?)", rows
        )
        return hosts

    def _improve(self, better: list[tuple[int, Reach, int | None]]) -> set[str]:
        """URLs are reached on shorter paths: so is everything behind them."""
        hosts: set[str] = set()
        while better:
            id_, offered, referrer = better.pop()
            select = "select depth, hops, nofollow, host, outcome, links, nofollow_links, referrer from urls where id = ?"
            *old, host, outcome, links, nofollow_links, old_referrer = self._writer.execute(select, (id_,)).fetchone()
            was = Reach(*old)
            reach = was.best(offered)
            if reach == was:
                continue
            referrer = referrer if reach.depth < was.depth else old_referrer
            self._writer.execute("update urls set depth = ?, hops = ?, nofollow = ?, referrer = ? where id = ?", (*reach, referrer, id_))
            self._known.pop(id_, None)
            if outcome is None and self._admits(reach) and not self._admits(was):
                hosts.add(host)
                self.waiting += 1
            for nofollow, targets in enumerate((links, nofollow_links)):
                better += [(target, Reach(*reach.beyond(outcome), nofollow), id_) for target in unpacked(targets)]
        return hosts

    def _admits(self, reach: Reach) -> bool:
        return reach.depth <= self._limits["max_depth"] and reach.hops <= self._limits["max_hops"] and not reach.nofollow

    # The end

    def finish(self) -> None:
        """Give every URL that was never visited its outcome, and why."""
        self._writer.execute("begin immediate")
        for statement in _FINISH:
            self._writer.execute(statement, self._limits)
        self._writer.execute("commit")
        self._writer.execute("pragma wal_checkpoint(truncate)")
        self._finished = True

    def log(self) -> Iterator[tuple[Any, ...]]:
        """A row for every URL, in order of id.

        Its columns: url, host, depth, outcome, detail, status, seen_at, fetched_at, bytes, digest, referrer, number of the WARC,
        offset, etag, last_modified, canonical, id.
        """
        yield from self._reader.execute(_LOG)
