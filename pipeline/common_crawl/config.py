"""Which files of a Common Crawl snapshot a source has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.crawl.config import Contact, Positive, Seconds
from pipeline.step import Strict, matching
from pipeline.store import fingerprint


class CommonCrawlConfig(Strict):
    """Which files of a snapshot to fetch, and at what pace: `count` lines of its listing from line `first` on."""

    snapshot: Annotated[str, matching("CC-MAIN-[0-9]{4}-[0-9]{2}", "a snapshot such as CC-MAIN-2026-40")]
    kind: Literal["warc", "wet"] = "warc"
    first: Annotated[int, Field(ge=0)] = 0
    count: Positive  # no default: a whole snapshot is some 80 TB

    base_url: Annotated[str, matching(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", "an http or https URL without a query")] = (
        "https://data.commoncrawl.org"
    )
    connections: Positive = 4
    max_attempts: Positive = 8  # in a row, at one file, that bring nothing
    backoff_s: Seconds = 1.0  # after an attempt that fails; doubles with each that brings nothing; Retry-After may ask for more
    max_backoff_s: Seconds = 300.0  # a server that asks for more is given up
    contact: Contact = ""

    @property
    def fingerprint(self) -> str:
        """128 bits in hexadecimal over the settings that say which files."""
        return fingerprint(self.model_dump(mode="json", include={"snapshot", "kind", "first", "count"}))
