"""The demo's own site: articles in eight languages, and planted faults. The same seed gives the same bytes anywhere."""

from __future__ import annotations

import re
from datetime import date

from flows.demo import planted, texts
from flows.demo.page import Page, around, article, links
from flows.demo.texts import Article

SEED_PATH = "/"  # where a crawl begins

_MONTH = re.compile(r"/calendar/(\d{4})/(\d{2})/")
_GUESTBOOK = "/odd/guestbook.html"
_ROBOTS = b"User-agent: *\nDisallow: /private/\n"


def pages(seed: int) -> dict[str, Page]:
    """Every page but the calendar's, by path."""
    sections = _sections(seed)
    found = {path: article(own, path) for section in sections.values() for path, own in section.items()}
    faulty = planted.pages(seed)
    found |= faulty
    found["/robots.txt"] = Page(_ROBOTS, {"Content-Type": "text/plain"})
    found["/"] = _home()
    found["/archive/"] = _list("/archive/", "Archive", {path: _name(path) for path in [*faulty, "/odd/missing.html"] if path != _GUESTBOOK})
    found["/languages/"] = _list("/languages/", "Languages", {f"/{language}/": language for language in texts.LANGUAGES})
    for name, section in sections.items():
        found[f"/{name}/"] = _list(f"/{name}/", name.capitalize(), {path: own.title for path, own in section.items()})
    return found


def calendar(path: str) -> Page | None:
    """A month of the calendar, made on demand: each leads to the next. None where the path is no month."""
    match = _MONTH.fullmatch(path)
    if not match or not 1 <= int(match[2]) <= 12 or int(match[1]) < 1:
        return None
    year, month = int(match[1]), int(match[2])
    following = f"/calendar/{year + month // 12:04d}/{month % 12 + 1:02d}/"
    name = f"{date(2000, month, 1):%B} {year}"
    inside = (
        f"<h1>{name}</h1>\n<p>There are no events in this month, but the garden of the reading room is open to all of our visitors "
        f'from the morning until the evening.</p>\n<p><a href="{following}">Next month</a></p>'
    )
    return Page(around(inside, path, name).encode())


def _sections(seed: int) -> dict[str, dict[str, Article]]:
    """The articles of each section by path."""
    sections = {"articles": {f"/articles/{name}.html": own for name, own in texts.articles("en").items()}}
    for genre in texts.GENRES:
        sections[genre] = {f"/{genre}/{_slug(own.title)}.html": own for own in texts.composed(genre, seed)}
    for language in texts.LANGUAGES:
        sections[language] = {f"/{language}/{name}.html": own for name, own in texts.articles(language).items()}
    return sections


def _slug(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _name(path: str) -> str:
    return path.removesuffix(".html").strip("/").replace("/", ": ").capitalize()


def _list(path: str, title: str, targets: dict[str, str]) -> Page:
    return Page(around(f"<h1>{title}</h1>\n<ul>\n{links(targets)}\n</ul>", path, title).encode())


def _home() -> Page:
    inside = f"""<h1>The Reading Room</h1>
<p>Welcome. In this room there are articles about the way things work, guides to towns that you will find on no map, walks through a
country that does not exist, and visits to workshops that ought to. Some of the pages are in other languages, and some of them are not in
good order: they are kept in the archive, where nobody minds.</p>
<p>Take your time, and leave a line in the <a rel="nofollow" href="{_GUESTBOOK}">guest book</a> before you go.</p>"""
    return Page(around(inside, "/", "Home").encode())
