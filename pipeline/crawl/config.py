"""What to crawl, how far and how politely."""

from __future__ import annotations

import hashlib
import re
from importlib import metadata
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pipeline.crawl.urls import Url, normalise
from pipeline.step import Strict

# TOML and JSON have lists only.
Strings = Annotated[tuple[str, ...], Field(strict=False)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(ge=0)]

_CONTACT = re.compile("[!-~]+@[!-~]+|https?://[!-~]+")


def _reachable(contact: str) -> str:
    if contact and not _CONTACT.fullmatch(contact):
        raise ValueError(f"expected an e-mail address or the URL of a web page, not {contact!r}")
    return contact


Contact = Annotated[str, AfterValidator(_reachable)]  # part of the user agent: tells site owners who it is

# Settings that say how fast or into what files, never which pages: an unfinished crawl goes on when they change.
PACE = frozenset(
    {"contact", "delay_s", "hosts_at_once", "connect_timeout_s", "page_timeout_s", "max_attempts", "backoff_s", "max_backoff_s"}
    | {"max_crawl_delay_s", "robots_expiry_s", "max_failures_in_a_row", "rotate_mb"}
)


# File types that no text page has: not worth a request.
SKIP_SUFFIXES = (
    *(".7z", ".apk", ".avi", ".bin", ".bmp", ".bz2", ".css", ".csv", ".deb", ".dmg", ".doc", ".docx", ".eot", ".epub"),
    *(".exe", ".flac", ".gif", ".gz", ".ico", ".iso", ".jar", ".jpeg", ".jpg", ".js", ".json", ".m4a", ".m4v", ".mkv"),
    *(".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".msi", ".odt", ".ogg", ".ogv", ".otf", ".pdf", ".png", ".ppt", ".pptx"),
    *(".ps", ".rar", ".rpm", ".rtf", ".svg", ".swf", ".tar", ".tgz", ".tif", ".tiff", ".ttf", ".wasm", ".wav", ".webm"),
    *(".webp", ".wmv", ".woff", ".woff2", ".xls", ".xlsx", ".xz", ".zip", ".zst"),
)


def user_agent(contact: str) -> str:
    """What whoever fetches calls itself: the project, and where its user can be reached."""
    return f"corpusmill/{metadata.version('corpusmill')}" + (f" (+{contact})" if contact else "")


class CrawlConfig(Strict):
    """The settings of a crawl; in a recipe the table `[source.crawl]`.

    A host is `name` or `name:port`, without a scheme's own port. Patterns are globs (`*`, `?`) over the whole URL, or,
    where they begin with `/`, over its path and query.
    """

    seeds: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    contact: Contact = ""

    hosts: Strings = ()  # globs over hosts; none: the hosts of the seeds, with or without `www.`
    allow_hosts: Strings = ()  # may be reached though their address is not globally routable; `name` means every port
    include: Strings = ()
    exclude: Strings = ()
    max_depth: Annotated[int, Field(ge=0)] | None = None  # links from a seed
    max_pages: Positive | None = 100_000
    max_pages_per_host: Positive | None = None
    max_bytes: Positive | None = None  # of payload, all pages together

    sitemaps: bool = True  # of the seeds' hosts: those that robots.txt names, and /sitemap.xml; their URLs are of depth 1
    max_sitemaps: Positive = 100  # of one seed's host
    max_sitemap_urls: Positive = 100_000  # of one seed's host
    max_sitemap_levels: Positive = 3  # of indexes that list sitemaps, the last included

    delay_s: Seconds = 1.0  # between two requests to one host; a longer Crawl-delay wins
    max_crawl_delay_s: Seconds = 300.0  # a host that asks for more is left alone
    hosts_at_once: Positive = 128
    robots_expiry_s: Seconds = 86_400.0
    connect_timeout_s: Seconds = 10.0
    page_timeout_s: Seconds = 60.0  # from connecting to the last byte
    max_attempts: Positive = 3
    backoff_s: Seconds = 1.0  # before the second attempt; doubles with each, unless Retry-After says otherwise
    max_backoff_s: Seconds = 300.0
    max_failures_in_a_row: Positive = 20  # of one host, then it is given up

    max_body_bytes: Positive = 10_000_000  # as sent
    max_decoded_bytes: Positive = 50_000_000
    max_redirects: Annotated[int, Field(ge=0)] = 10
    max_links_per_page: Positive = 20_000
    max_pages_per_shape: Positive = 5_000  # of one host whose paths differ in numbers and queries in values only
    max_url_chars: Positive = 2_000
    max_path_segments: Positive = 24
    max_segment_repeats: Positive = 3

    content_types: Strings = ("text/html", "application/xhtml+xml", "text/plain")
    skip_suffixes: Strings = SKIP_SUFFIXES
    follow_nofollow: bool = False
    refuse_directives: Strings = ("noindex", "none", "noai", "noimageai")  # of robots meta and X-Robots-Tag: such a page is not kept
    sort_query: bool = True  # permutations of one query are one URL
    drop_parameters: Strings = (  # sessions and campaign tags; globs, in lower case
        *("utm_*", "fbclid", "gclid", "dclid", "msclkid", "mc_cid", "mc_eid", "_ga", "yclid", "igshid"),
        *("jsessionid", "phpsessid", "aspsessionid*", "cfid", "cftoken", "sessionid"),
    )
    rotate_mb: Positive = 1_000

    @model_validator(mode="after")
    def _reachable_and_answerable(self) -> CrawlConfig:
        seeds = self.seed_urls()
        if not self.contact and not all(self.allows_address(seed) for seed in seeds):
            raise ValueError("contact: an e-mail address or web page where site owners reach you, as the crawl leaves allow_hosts")
        return self

    def seed_urls(self) -> tuple[Url, ...]:
        """The seeds, normalised; `ValueError` where one is no http or https URL."""
        seeds = []
        for text in self.seeds:
            seed = self.normalise(text)
            if seed is None:
                raise ValueError(f"seeds: http or https URLs, not {text!r}")
            seeds.append(seed)
        return tuple(dict.fromkeys(seeds))

    def normalise(self, text: str, base: str | None = None) -> Url | None:
        """`urls.normalise` with this crawl's settings."""
        return normalise(text, base, sort_query=self.sort_query, drop_parameters=self.drop_parameters)

    def allows_address(self, url: Url) -> bool:
        """Whether the URL's host may be reached whatever its address."""
        return url.host in self.allow_hosts or url.hostname in self.allow_hosts

    @property
    def user_agent(self) -> str:
        """What the crawler calls itself."""
        return user_agent(self.contact)

    @property
    def fingerprint(self) -> str:
        """128 bits in hexadecimal over every setting that says which pages are crawled."""
        return hashlib.blake2b(self.model_dump_json(exclude=set(PACE)).encode(), digest_size=16).hexdigest()
