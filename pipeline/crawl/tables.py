"""The frontier's tables: what a crawl knows, in one SQLite file."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.crawl.errors import CrawlError
from pipeline.crawl.urls import Url

NAME = "frontier.sqlite"
FORMAT = 2
_SCHEMA = """
create table if not exists settings (fingerprint text not null, reading text not null, earlier text);
create table if not exists urls (
    id integer primary key, url text not null, host text not null, depth int not null, hops int not null, nofollow int not null,
    seen_at int not null, referrer int, outcome text, detail text, status int, fetched_at int, bytes int, digest text,
    warc int, offset int, etag text, last_modified text, canonical text, original_at int, links blob, nofollow_links blob);
create index if not exists waiting on urls (host, depth, hops, id) where outcome is null and nofollow = 0;
create table if not exists tallies (host text, kind text, pages int not null, primary key (host, kind)) without rowid;
create table if not exists warcs (number integer primary key, bytes int not null, records int not null, sha256 text);
create table if not exists captures (id int, digest text, at int not null, primary key (id, digest)) without rowid;
create table if not exists origins (origin text primary key, host text not null, surveyed int not null) without rowid;
create table if not exists sitemaps (
    id integer primary key, url text not null, host text not null, outcome text not null, detail text, status int,
    seen_at int not null, fetched_at int, bytes int, referrer int);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to write with; the tables are made where there are none."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    expect_format(connection, path)
    # A commit that the operating system loses in a crash of the machine leaves the WARC longer than known: it is cut back.
    connection.executescript("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -64000;")
    connection.executescript(f"begin immediate; {_SCHEMA} pragma user_version = {FORMAT}; commit;")
    return connection


def expect_format(connection: sqlite3.Connection, path: Path) -> None:
    """Raises CrawlError where tables are there, and are not those of this version."""
    (present,) = connection.execute("select count(*) from sqlite_master").fetchone()
    (found,) = connection.execute("pragma user_version").fetchone()
    if present and found != FORMAT:
        raise CrawlError(f"{path}: made by another version of corpusmill (format {found}, expected {FORMAT}); crawl into another folder")


def packed(links: Iterable[Url]) -> bytes | None:
    """The ids of URLs as one value."""
    ids = [link.id for link in links]
    return struct.pack(f"<{len(ids)}q", *ids) if ids else None


def unpacked(links: bytes | None) -> Iterator[int]:
    """The ids that were packed."""
    return (id_ for (id_,) in struct.iter_unpack("<q", links or b""))
