"""What the edition before this one knew: validators, links and payloads of pages that may be unchanged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.crawl.errors import CrawlError
from pipeline.crawl.tables import NAME, expect_format, unpacked
from pipeline.crawl.urls import Url, parse

_CAPTURE = (
    "select detail, bytes, digest, etag, last_modified, canonical, original_at, links, nofollow_links from urls"
    " where id = ? and outcome in ('fetched', 'unchanged')"
)


class Capture(NamedTuple):
    """A page as it was kept, and what was read from it."""

    detail: str | None
    bytes: int
    digest: str
    etag: str | None
    last_modified: str | None
    canonical: str | None
    original_at: int  # when the response record was fetched, in microseconds since 1970
    links: tuple[Url, ...]
    nofollow_links: tuple[Url, ...]

    @property
    def conditions(self) -> Mapping[str, str]:
        """The header fields of a request that wants the page only where it has changed (RFC 9110 section 13.1)."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


class Earlier:
    """A finished crawl, opened to be read. `reading` is the configuration's: what was read by other rules is not taken over."""

    def __init__(self, folder: Path, reading: str) -> None:
        path = folder / NAME
        if not path.exists():
            raise CrawlError(f"{path}: not there; expected it beside the earlier crawl, as an edition goes on from it")
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        expect_format(self._connection, path)
        (found,) = self._connection.execute("select reading from settings").fetchone()
        self._same_reading = found == reading

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def capture(self, url: Url) -> Capture | None:
        """The page as the crawl has it; None where it has not, or read it by other rules.

        A page that asked not to be kept is sent whole again: what it allows now is in its body.
        """
        row = self._connection.execute(_CAPTURE, (url.id,)).fetchone() if self._same_reading else None
        if row is None:
            return None
        *known, links, nofollow_links = row
        return Capture._make([*known, self._urls(links), self._urls(nofollow_links)])

    def original_at(self, url: Url, digest: str) -> int | None:
        """When any crawl before this one fetched the response record of that payload; None where none did."""
        row = self._connection.execute("select at from captures where id = ? and digest = ?", (url.id, digest)).fetchone()
        return int(row[0]) if row else None

    def captures(self) -> Iterator[tuple[int, str, int]]:
        """URL id, payload digest and time of every response record known."""
        yield from self._connection.execute("select id, digest, at from captures")

    def _urls(self, links: bytes | None) -> tuple[Url, ...]:
        ids = list(unpacked(links))
        known = dict(self._connection.execute("select id, url from urls where id in (select value from json_each(?))", (json.dumps(ids),)))
        return tuple(parse(known[id_]) for id_ in ids)
