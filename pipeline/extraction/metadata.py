"""What a page says of itself: when it was published, by whom, where it belongs, and in which language it is.

Nothing is guessed. A date is one of, in this order, the Open Graph protocol's `article:published_time`, schema.org's
`datePublished` (JSON-LD, microdata) and the only `<time datetime>` of the page; an author likewise. All of it is the page's
word: hostile pages lie, so values are bounded in length, and what is no date, no URL or no language tag is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import ada_url
from resiliparse.parse.html import ElementNode, HTMLTree

MAX_CHARS = 300  # of a title or an author; a longer one is cut
MAX_URL_CHARS = 8_192  # RFC 9110 section 4.1 has everyone support 8000; a longer one is left out
MAX_JSON_CHARS = 100_000  # of a page's JSON-LD in one block; a longer one is not read
MAX_JSON_BLOCKS = 10
MAX_STATEMENTS = 200  # elements that say something; the rest are not looked at

_LANGUAGE = re.compile("[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")  # BCP 47, without grandfathered tags
_MAX_DATE_CHARS = 40
_SELECTOR = (
    'meta[property="article:published_time" i], meta[property="article:author" i], meta[name=author i], '
    "meta[http-equiv=content-language i], link[rel~=canonical i], [itemprop~=datePublished], [itemprop~=author], [rel~=author], "
    'time[datetime], script[type="application/ld+json" i]'
)


class Metadata(NamedTuple):
    """Null where the page does not say."""

    title: str | None = None
    published: str | None = None  # ISO 8601, a date or a date and time, in the page's own zone
    author: str | None = None  # names, separated by commas
    canonical_url: str | None = None  # http or https, absolute, in the spelling of the WHATWG's URL Standard, without a fragment
    declared_language: str | None = None  # BCP 47 tag, lower case


def read(tree: HTMLTree, url: str | None) -> Metadata:
    """Read a page's own account; `url` is where it was fetched from, which a relative address starts at."""
    found: dict[str, list[str]] = {}
    blocks: list[str] = []
    for element in tree.document.query_selector_all(_SELECTOR).values()[:MAX_STATEMENTS] if tree.document else ():
        if element.tag == "script":
            blocks.append(element.text or "")
            continue
        for kind, value in _said(element):
            found.setdefault(kind, []).append(value)
    linked = list(_linked_data(blocks))
    times = found.get("time", [])
    dates = [
        *found.get("og:published", []),
        *_values(linked, "datePublished"),
        *found.get("published", []),
        *(times if len(times) == 1 else []),
    ]
    return Metadata(
        title=_line(tree.title),
        published=_first(_date, dates),
        author=_author([", ".join(_people(thing.get("author"))) for thing in linked], found),
        canonical_url=_first(lambda text: _url(text, url), found.get("canonical", [])),
        declared_language=_first(_language, [*_root_language(tree), *found.get("language", [])]),
    )


def _said(element: ElementNode) -> Iterator[tuple[str, str]]:
    """What an element says, and what kind of statement it is."""
    tag, itemprop = element.tag, (element.getattr("itemprop") or "").split()
    content = element.getattr("content")
    if tag == "link":
        yield "canonical", element.getattr("href") or ""
    elif "datePublished" in itemprop:
        yield "published", content or element.getattr("datetime") or element.text or ""
    elif "author" in itemprop:
        named = element.query_selector("[itemprop~=name]") or element
        yield "author", content or named.getattr("content") or named.text or ""
    elif tag == "time":
        yield "time", element.getattr("datetime") or ""
    elif tag == "meta":
        name = (element.getattr("property") or element.getattr("name") or element.getattr("http-equiv") or "").lower()
        kinds = {"article:published_time": "og:published", "article:author": "author", "author": "author", "content-language": "language"}
        if name in kinds:
            yield kinds[name], content or ""
    else:
        yield "author", element.text or ""


def _linked_data(blocks: list[str]) -> Iterator[Mapping[str, Any]]:
    """The objects of a page's JSON-LD: its top, and the members of its top list and of `@graph`."""
    for block in blocks[:MAX_JSON_BLOCKS]:
        if len(block) > MAX_JSON_CHARS or not ("datePublished" in block or '"author"' in block):
            continue
        try:
            top = json.loads(block, strict=False)
        except (ValueError, RecursionError):  # pages have all kinds of things here, and deep ones to hurt
            continue
        for thing in top if isinstance(top, list) else [top]:
            graph = thing.get("@graph") if isinstance(thing, dict) else None
            yield from (part for part in [thing, *(graph if isinstance(graph, list) else [])] if isinstance(part, dict))


def _values(things: list[Mapping[str, Any]], key: str) -> list[str]:
    return [value for thing in things if isinstance(value := thing.get(key), str)]


def _people(author: Any) -> Iterator[str]:
    for person in author if isinstance(author, list) else [author]:
        name = person.get("name") if isinstance(person, dict) else person
        if isinstance(name, str):
            yield name


def _author(linked: list[str], found: Mapping[str, list[str]]) -> str | None:
    """The first that names somebody: an address names nobody."""
    return _first(lambda text: None if "://" in text else _line(text), [*linked, *found.get("author", [])])


def _first(read_one: Callable[[str], str | None], texts: list[str]) -> str | None:
    return next((value for text in texts if (value := read_one(text))), None)


def _line(text: str | None) -> str | None:
    line = " ".join((text or "").split())[:MAX_CHARS].strip()
    # JSON's escapes can smuggle in half of a character, which UTF-8 cannot carry.
    return line.encode("utf-16", "surrogatepass").decode("utf-16", "replace") or None


def _date(text: str) -> str | None:
    text = text.strip()
    if len(text) > _MAX_DATE_CHARS:
        return None
    try:
        day_alone = len(text) <= len("2026-01-31")
        return date.fromisoformat(text).isoformat() if day_alone else datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _url(text: str, base: str | None) -> str | None:
    if not text or len(text) > MAX_URL_CHARS:
        return None
    try:
        found = ada_url.URL(text, base)
    except ValueError:
        return None
    found.hash = ""
    return found.href if found.protocol in ("http:", "https:") and len(found.href) <= MAX_URL_CHARS else None


def _root_language(tree: HTMLTree) -> list[str]:
    root = tree.document.document_element if tree.document else None
    return [] if root is None else [root.getattr("lang") or root.getattr("xml:lang") or ""]


def _language(text: str) -> str | None:
    found = _LANGUAGE.fullmatch(text.strip().replace("_", "-"))
    return found[0].lower() if found else None
