"""The site's faulty pages. What must become of them stands in `faults.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from flows.demo import texts
from flows.demo.faults import NEAR, Near
from flows.demo.page import Page, around, article, links
from flows.demo.texts import Article, Block

_CLOSE = 0.01  # to the similarity that was asked for
_WORD = re.compile(r"[^\W_]+")
_AS_WRITTEN = ("directory", "hashtags", "inventory", "repeats", "sections", "shouting", "spam", "stub", "teasers", "telegram")


def pages(seed: int) -> dict[str, Page]:
    """Every faulty page by path; a dead link has none."""
    found = {f"/odd/{name}.html": article(texts.planted(name), f"/odd/{name}.html") for name in _AS_WRITTEN}
    found |= {near.path: article(revised(near, seed), near.path) for near in NEAR}
    found |= dict(_copies())
    found |= dict(_charsets())
    found |= dict(_closed_doors())
    found |= dict(_broken(seed))
    found |= dict(_without_prose(seed))
    return found


def shingles(text: str) -> set[tuple[str, ...]]:
    """The distinct runs of five words of a text."""
    words = _WORD.findall(text.casefold())
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def similarity(one: Article, other: Article) -> float:
    """Jaccard similarity of two articles' word 5-grams."""
    a, b = shingles(texts.plain(one)), shingles(texts.plain(other))
    return len(a & b) / len(a | b)


def revised(near: Near, seed: int) -> Article:
    """The near-duplicate: sentences give way to others until the similarity is within `_CLOSE` of the one asked for."""
    base = texts.articles("en")[near.base]
    chance = texts.chance_of(seed, near.base)
    while True:
        found, reached = _revise(base, near.similarity, chance)
        if abs(reached - near.similarity) <= _CLOSE:
            return found


def _revise(base: Article, asked: float, chance: Random) -> tuple[Article, float]:
    """One attempt: each sentence in a random order is changed unless that takes the page too far from its base."""
    old = [(block, place) for block, place, _ in texts.sentences(base)]
    new = texts.reserve()
    changes: dict[tuple[int, int], str] = {}
    found, reached = base, 1.0
    for where, sentence in zip(chance.sample(old, len(old)), chance.sample(new, len(new)), strict=False):
        other = texts.rewritten(base, changes | {where: sentence})
        if (similar := similarity(base, other)) >= asked - _CLOSE:
            changes[where] = sentence
            found, reached = other, similar
        if reached <= asked + _CLOSE:
            break
    return found, reached


def _copies() -> Iterator[tuple[str, Page]]:
    glass = texts.articles("en")["glass"]
    yield "/print/glass.html", article(glass, "/print/glass.html")
    spaced = tuple(Block(block.tag, tuple(part.replace(" ", "\n\t  ") for part in block.parts)) for block in glass.blocks)
    yield "/mirror/glass.html", article(replace(glass, blocks=spaced), "/mirror/glass.html")


def _charsets() -> Iterator[tuple[str, Page]]:
    for name, times in (("cafe", 1), ("museum", 2)):
        page = article(texts.planted(name), f"/odd/{name}.html")
        for _ in range(times):
            page = replace(page, body=_misread(page.body).encode())
        yield f"/odd/{name}.html", page
    for name, written, header, meta in (("menu", "utf-8", "iso-8859-1", "iso-8859-1"), ("letters", "cp1252", "utf-8", "utf-8")):
        own = texts.planted(name)
        body = around(texts.html(own), f"/odd/{name}.html", own.title, charset=meta).encode(written)
        yield f"/odd/{name}.html", Page(body, {"Content-Type": f"text/html; charset={header}"})


def _misread(body: bytes) -> str:
    """UTF-8 read as Windows-1252, whose five empty places browsers read as controls."""
    return "".join(bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte) for byte in body)


def _closed_doors() -> Iterator[tuple[str, Page]]:
    """Pages that ask not to be visited, kept or linked to."""
    for name in ("ledger", "minutes"):
        yield f"/private/{name}.html", article(texts.planted("ledger"), f"/private/{name}.html")
    unlisted = texts.planted("unlisted")
    inside = texts.html(unlisted)
    meta = '<meta name="robots" content="noindex">\n'
    yield "/odd/unlisted.html", Page(around(inside, "/odd/unlisted.html", unlisted.title, head=meta).encode())
    reserved = Page(around(inside, "/odd/reserved.html", unlisted.title).encode())
    yield "/odd/reserved.html", replace(reserved, headers={**reserved.headers, "X-Robots-Tag": "noai"})
    yield "/odd/guestbook.html", article(unlisted, "/odd/guestbook.html")


def _broken(seed: int) -> Iterator[tuple[str, Page]]:
    """Responses that are not what they say."""
    halfway = article(texts.planted("halfway"), "/odd/halfway.html")
    sent = halfway.body[: halfway.body.index(b"what time it")]
    yield "/odd/halfway.html", Page(sent, {**halfway.headers, "Content-Length": str(len(halfway.body) + 4096)})
    yield "/odd/unclosed.html", Page(_unclosed(texts.planted("unclosed")))
    noise = texts.chance_of(seed, "brochure").randbytes(3000)
    document = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Filter /FlateDecode >>\nstream\n" + noise + b"\nendstream\nendobj\n%%EOF\n"
    yield "/odd/brochure.html", Page(document)
    yield "/odd/failing.html", Page(b"<!DOCTYPE html><title>Error</title><p>Something went wrong in the cellar.", status=500)
    yield "/old/tides.html", Page(b"", {"Location": "/articles/tides.html"}, status=301)


def _unclosed(own: Article) -> bytes:
    first, second, third = (block.parts[0].encode() for block in own.blocks)
    title = own.title.encode()
    return (
        b"<html><title>" + title + b"</title><body><div><div><div><article><h1>" + title + b"<p><b>" + first
        + b"<table><tr><td><p>" + second + b"<img src='\xff\xd8\xff\xe0\x00\x10JFIF\x00\x9d\xfe\xfe" + bytes(range(128, 256)) + b"'>"
        + b"<i><p>" + third + b"</table></b><li><!-- to be tidied up in the morning"
    )  # fmt: skip


def _without_prose(seed: int) -> Iterator[tuple[str, Page]]:
    yield "/odd/application.html", Page(b'<!DOCTYPE html><title>Loading</title><div id="app"></div><script src="/app.js"></script>')
    notice = texts.planted("unlisted")
    yield "/odd/stutter.html", article(replace(notice, blocks=notice.blocks[:1] * 4), "/odd/stutter.html")
    titles = {f"/articles/{name}.html": own.title for name, own in texts.articles("en").items()}
    listed = f"{texts.html(texts.planted('links'))}\n<ul>\n{links(titles)}\n</ul>"
    yield "/odd/links.html", Page(around(listed, "/odd/links.html", "Links").encode())
    yield "/odd/numbers.html", Page(around(_figures(texts.chance_of(seed, "numbers")), "/odd/numbers.html", "Figures").encode())


def _figures(chance: Random) -> str:
    rows = "\n".join("<tr>" + "".join(f"<td>{chance.randrange(10, 100_000)}</td>" for _ in range(6)) + "</tr>" for _ in range(60))
    return f"<table>\n{rows}\n</table>"
