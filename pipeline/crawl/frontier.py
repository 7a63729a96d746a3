"""Every URL seen, on disk, and which are to be visited next.

A URL waits while it has no outcome, is within the limits on depth and redirects, and some link to it may be followed.
Depth (links from a seed) and hops (redirects in a row) are the least over all paths known: where a shorter path turns up
late, what lies behind a visited page moves up with it. So what is in scope depends on no order of visits.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.scope import Verdict
from pipeline.crawl.urls import Url, parse, shape

_SCHEMA = """
create table if not exists settings (fingerprint text not null);
create table if not exists urls (
    id integer primary key, url text not null, host text not null, depth int not null, hops int not null, nofollow int not null,
    seen_at int not null, referrer int, outcome text, detail text, status int, fetched_at int, bytes int, digest text,
    warc int, offset int, links blob);
create index if not exists waiting on urls (host, depth, hops, id) where outcome is null and nofollow = 0;
create table if not exists tallies (host text, kind text, pages int not null, primary key (host, kind)) without rowid;
create table if not exists warcs (number integer primary key, bytes int not null, records int not null, sha256 text);
"""
_COUNT = "select count(*) from urls where outcome is null and nofollow = 0 and depth <= :max_depth and hops <= :max_hops"
_HOSTS = "select distinct host from urls where outcome is null and nofollow = 0 and depth <= :max_depth and hops <= :max_hops order by host"
_WINDOW = (
    "select url, depth, hops from urls where host = :host and outcome is null and nofollow = 0 and depth <= :max_depth"
    " and hops <= :max_hops order by depth, hops, id limit :size"
)
_FINISH = (
    "update urls set outcome = 'nofollow', detail = 'no link to it may be followed' where outcome is null and nofollow = 1",
    "update urls set outcome = 'scope', detail = 'deeper than max_depth' where outcome is null and depth > :max_depth",
    "update urls set outcome = 'limit', detail = 'more than max_redirects in a row' where outcome is null and hops > :max_hops",
    "update urls set outcome = 'limit', detail = 'the crawl reached its number of pages or bytes' where outcome is null",
)
_FETCHED = ""  # the tally of pages kept; other tallies are named by their shape
_UNLIMITED = 2**31
_KNOWN_URLS = 200_000


class CrawlError(ValueError):
    """The folder holds what this crawl cannot go on with."""


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
    links: tuple[Url, ...] = ()
    nofollow_links: tuple[Url, ...] = ()
    requested: bool = True


class Place(NamedTuple):
    """Where a response record lies."""

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

    urls: tuple[Url, ...]
    tallies: Counter[str]

    @property
    def pages(self) -> int:
        """Pages of the host that were kept."""
        return self.tallies[_FETCHED]


class Frontier:
    """The database. `window` and `log` may be called while another thread is in `commit`."""

    def __init__(self, path: Path, config: CrawlConfig, refusal: Callable[[Url], Verdict | None]) -> None:
        self._refusal = refusal
        self._limits = {
            "max_depth": _UNLIMITED if config.max_depth is None else config.max_depth,
            "max_hops": config.max_redirects,
        }
        self._writer, self._reader = _connect(path), _connect(path)
        self._known: dict[int, Reach] = {}
        self._writer.executescript(_SCHEMA)
        self.waiting = 0
        self._claim(config, path)
        self.waiting = int(self._reader.execute(_COUNT, self._limits).fetchone()[0])

    def close(self) -> None:
        """Close both connections; what was committed stays."""
        self._reader.close()
        self._writer.close()

    def _claim(self, config: CrawlConfig, path: Path) -> None:
        """A new frontier takes the configuration and its seeds; an old one must be of the same."""
        found = self._writer.execute("select fingerprint from settings").fetchone()
        if found is None:
            self._writer.execute("begin immediate")
            self._writer.execute("insert into settings values (?)", (config.fingerprint,))
            self._offer({seed.id: (seed, Reach(0, 0, 0), None) for seed in config.seed_urls()})
            self._writer.execute("commit")
        elif found[0] != config.fingerprint:
            raise CrawlError(f"{path}: a crawl with other settings was begun here; expected the same settings, or another folder")

    # What to visit

    def hosts(self) -> list[str]:
        """The hosts that have a URL waiting."""
        return [host for (host,) in self._reader.execute(_HOSTS, self._limits)]

    def window(self, host: str, size: int) -> Window:
        """The next URLs of a host: of its lowest level only, as visiting them cannot add to that level or one below it."""
        rows = self._reader.execute(_WINDOW, {**self._limits, "host": host, "size": size}).fetchall()
        urls = tuple(parse(text) for text, *level in rows if level == list(rows[0][1:]))
        kinds = json.dumps([_FETCHED, *{shape(url) for url in urls}])
        query = "select kind, pages from tallies where host = ? and kind in (select value from json_each(?))"
        return Window(urls, Counter(dict(self._reader.execute(query, (host, kinds)).fetchall())))

    def totals(self) -> tuple[int, int]:
        """Pages kept, and their bytes."""
        pages, bytes_ = self._reader.execute("select count(*), coalesce(sum(bytes), 0) from urls where outcome = 'fetched'").fetchone()
        return pages, bytes_

    def outcomes(self) -> dict[str, int]:
        """How many URLs came to what."""
        return dict(self._reader.execute("select outcome, count(*) from urls where outcome is not null group by 1 order by 1").fetchall())

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

    def _settle(self, visit: Visit, place: Place | None) -> tuple[int, int]:
        """Mark a URL visited; returns the depth and hops of what it leads to."""
        ids = [link.id for link in visit.links]
        row = self._writer.execute(
            "update urls set outcome = ?, detail = ?, status = ?, fetched_at = ?, bytes = ?, digest = ?, warc = ?, offset = ?, links = ?"
            " where id = ? and outcome is null returning depth, hops, nofollow",
            (visit.outcome, visit.detail, visit.status, visit.fetched_at, visit.bytes, visit.digest)
            + (place or (None, None))
            + (struct.pack(f"<{len(ids)}q", *ids) if ids else None, visit.url.id),
        ).fetchall()
        kinds = [shape(visit.url)] * visit.requested + [_FETCHED] * (visit.outcome == "fetched")
        self._writer.executemany(
            "insert into tallies values (?, ?, 1) on conflict do update set pages = pages + 1", [(visit.url.host, kind) for kind in kinds]
        )
        self.waiting -= 1
        return Reach(*row[0]).beyond(visit.outcome)

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
            select = "select depth, hops, nofollow, host, outcome, links, referrer from urls where id = ?"
            *old, host, outcome, links, old_referrer = self._writer.execute(select, (id_,)).fetchone()
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
            for (target,) in struct.iter_unpack("<q", links or b""):
                better.append((target, Reach(*reach.beyond(outcome), 0), id_))
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

    def log(self) -> Iterator[tuple[Any, ...]]:
        """(url, host, depth, outcome, detail, status, seen_at, fetched_at, bytes, digest, referrer) of every URL, in order of id."""
        yield from self._reader.execute(
            "select u.url, u.host, u.depth, u.outcome, u.detail, u.status, u.seen_at, u.fetched_at, u.bytes, u.digest, r.url"
            " from urls u left join urls r on r.id = u.referrer order by u.id"
        )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    # A commit that the operating system loses in a crash of the machine leaves the WARC longer than known: it is cut back.
    connection.executescript("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -64000;")
    return connection
