"""What a page says to a crawler: where it leads, and what may be done with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import ElementNode, HTMLParserException, HTMLTree

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.urls import Url

VERSION = 4
# Settings that say what is read from a page.
READING = frozenset(
    {"sort_query", "drop_parameters", "follow_nofollow", "refuse_directives", "max_links_per_page", "content_types", "max_decoded_bytes"}
)
HTML_TYPES = ("text/html", "application/xhtml+xml")
_REFRESH = re.compile(r"\s*[0-9.]*\s*[;,]?\s*(?:url\s*=\s*)?['\"]?([^'\"]+)", re.IGNORECASE)
_ELEMENTS = "a[href], area[href], frame[src], iframe[src], meta[content], base[href], link[rel][href]"
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_REFERENCE = {"a": "href", "area": "href", "frame": "src", "iframe": "src"}
_SPACE = re.compile(r"[\s,]+")
_ROBOTS = re.compile(r"<meta\b[^<>]*\b(?:robots|corpusmill)\b[^<>]*", re.IGNORECASE)
_WORD = re.compile("[a-z]+")
_SEARCHED_BYTES = 1_000_000  # the element belongs in the head
_VALUED = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


class Head(NamedTuple):
    """What the server said of a page."""

    url: Url
    charset: str | None = None
    robots: tuple[str, ...] = ()  # the values of its X-Robots-Tag headers
    links: tuple[str, ...] = ()  # the values of its Link headers


@dataclass(frozen=True)
class Page:
    """Links in order of appearance, each once; `directives` in lower case."""

    links: tuple[Url, ...] = ()
    nofollow_links: tuple[Url, ...] = ()
    directives: frozenset[str] = frozenset()
    left_out: int = 0  # links beyond `max_links_per_page`
    canonical: Url | None = None  # where the page says that it belongs; one of the links, where it is elsewhere
    unread: str | None = None  # why it was not parsed

    @property
    def note(self) -> str | None:
        """What the crawl's log is to say of the reading."""
        if self.unread:
            return f"links unread: {self.unread}"
        return f"{self.left_out} links left out" if self.left_out else None


def reading(config: CrawlConfig) -> str:
    """128 bits in hexadecimal over all that says what is read from a page: an earlier reading counts where they are the same."""
    return hashlib.blake2b(f"{VERSION}{config.model_dump_json(include=set(READING))}".encode(), digest_size=16).hexdigest()


def read(body: bytes, head: Head, config: CrawlConfig) -> Page:
    """Links and directives of an HTML page. Raises MemoryError."""
    try:
        tree = HTMLTree.parse(_text(body, head.charset))
    except HTMLParserException as error:  # a parser of HTML refuses nothing: all that it can lack is memory
        raise MemoryError from error
    elements = _elements(tree)
    metas = [element for element in elements if element.tag == "meta"]
    directives = frozenset((*header_directives(head.robots), *_meta_directives(metas)))
    base = _base(elements, head.url, config)
    nofollow = not config.follow_nofollow and bool({"nofollow", "none"} & directives)
    canonical = _canonical(elements, base, config) or header_canonical(head, config)
    found: dict[Url, bool] = {canonical: not nofollow} if canonical and canonical != head.url else {}
    references = [*_references(elements), *_refreshes(metas)]
    for reference, rel in dict.fromkeys(references[: config.max_links_per_page]):
        if target := config.normalise(reference, base):
            follow = not nofollow and (config.follow_nofollow or "nofollow" not in _SPACE.split(rel.lower()))
            found[target] = found.get(target, False) or follow
    return Page(
        links=tuple(target for target, follow in found.items() if follow),
        nofollow_links=tuple(target for target, follow in found.items() if not follow),
        directives=directives,
        left_out=max(0, len(references) - config.max_links_per_page),
        canonical=canonical,
    )


def searched(body: bytes, head: Head, why: str) -> Page:
    """A page that no parser ends: no links, and directives by a search of its beginning that rather finds too many than too few."""
    text = _text(body[:_SEARCHED_BYTES], head.charset)
    return Page(directives=frozenset((*header_directives(head.robots), *_searched_directives(text))), unread=why)


def plain(head: Head, config: CrawlConfig) -> Page:
    """A page that is no HTML: all that is known is what the server said."""
    canonical = header_canonical(head, config)
    links = (canonical,) if canonical and canonical != head.url else ()
    return Page(links, directives=frozenset(header_directives(head.robots)), canonical=canonical)


def header_canonical(head: Head, config: CrawlConfig) -> Url | None:
    """The canonical link of Link headers (RFC 6596, RFC 8288)."""
    links = (link for value in head.links for link in _LINK.findall(value))
    target = next((target for target, parameters in links if "canonical" in _relations(parameters)), None)
    return None if target is None else config.normalise(target.strip(), head.url.text)


def _relations(parameters: str) -> list[str]:
    """What a link of a Link header is to the page: of several `rel`, the first counts."""
    match = _REL.search(parameters)
    return (match[1] or match[2] or "").lower().split() if match else []


def _canonical(elements: list[ElementNode], base: str, config: CrawlConfig) -> Url | None:
    links = (e for e in elements if e.tag == "link" and "canonical" in _SPACE.split(_attribute(e, "rel").lower()))
    first = next(links, None)
    return config.normalise(_attribute(first, "href").strip(), base) if first else None


def header_directives(values: Iterable[str]) -> set[str]:
    """The directives of X-Robots-Tag headers that are for everyone, or for us by name."""
    return {word for value in values for word in _SPACE.split(_for_us(value.lower())) if word}


def _for_us(value: str) -> str:
    agent, colon, rest = value.partition(":")
    # Some directives have a value; any other single word before a colon names a crawler.
    if not colon or "," in agent or agent.strip() in _VALUED:
        return value
    return rest if agent.strip() == "corpusmill" else ""


def _text(body: bytes, declared: str | None) -> str:
    # Nearly every page: detection would cost more than all the rest.
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        charset = declared or detect_encoding(body, max_len=16_384, from_html_meta=True) or "utf-8"
        text: str = bytes_to_str(body, map_encoding_to_html5(charset) or "utf-8")
        return text


def _elements(tree: HTMLTree) -> list[ElementNode]:
    """The elements that matter here, in order."""
    # `values` makes all of them at once; iterating over the collection searches the page anew for each.
    return list(tree.document.query_selector_all(_ELEMENTS).values()) if tree.document else []


def _attribute(element: ElementNode, name: str) -> str:
    return element.getattr(name) or ""


def _meta_directives(metas: list[ElementNode]) -> set[str]:
    ours = [meta for meta in metas if _attribute(meta, "name").strip().lower() in ("robots", "corpusmill")]
    return {word for meta in ours for word in _SPACE.split(_attribute(meta, "content").lower()) if word}


def _searched_directives(text: str) -> set[str]:
    """The words of all that looks like a robots meta element, in time that grows with the text's length alone."""
    return {word for element in _ROBOTS.findall(text) for word in _WORD.findall(element.lower())}


def _base(elements: list[ElementNode], url: Url, config: CrawlConfig) -> str:
    first = next((element for element in elements if element.tag == "base"), None)
    base = config.normalise(_attribute(first, "href"), url.text) if first else None
    return (base or url).text


def _references(elements: list[ElementNode]) -> list[tuple[str, str]]:
    """Every reference to another page, with its `rel`."""
    return [(_attribute(e, _REFERENCE[e.tag]), _attribute(e, "rel")) for e in elements if e.tag in _REFERENCE]


def _refreshes(metas: list[ElementNode]) -> list[tuple[str, str]]:
    refreshes = [meta for meta in metas if _attribute(meta, "http-equiv").strip().lower() == "refresh"]
    return [(match[1].strip(), "") for meta in refreshes if (match := _REFRESH.match(_attribute(meta, "content")))]
