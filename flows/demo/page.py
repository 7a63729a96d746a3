"""A response of the demo's site, and the menus, banner and footer that stand around each of its articles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from flows.demo import texts

_MENU = {
    "/": "Home",
    "/articles/": "Articles",
    "/towns/": "Towns",
    "/walks/": "Walks",
    "/workshops/": "Workshops",
    "/languages/": "Languages",
    "/archive/": "Archive",
    "/calendar/2026/11/": "Calendar",
}
_FOOTER = {
    "/odd/stub.html": "Imprint",
    "/odd/sections.html": "Site map",
    "/private/ledger.html": "Members",
    "/private/minutes.html": "Minutes",
}


@dataclass(frozen=True)
class Page:
    """One response. A Content-Length among the headers is sent as it stands, true or not."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html; charset=utf-8"})
    status: int = 200


def around(inside: str, path: str, title: str, *, language: str = "en", charset: str = "utf-8", head: str = "") -> str:
    """The whole page around the inside of its article. The path stands in it: no two pages have the same bytes."""
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="{charset}">
<title>{escape(title)} | The Reading Room</title>
{head}</head>
<body>
<div class="cookie-banner" role="dialog"><p>We use cookies to remember how you like your tea.</p>
<button>Accept all cookies</button> <button>Only necessary cookies</button></div>
<div id="page" class="site">
<header class="header"><a class="logo" href="/">The Reading Room</a>
<nav class="menu"><ul>
{links(_MENU)}
</ul></nav>
</header>
<div class="content">
<main>
<article>
{inside}
</article>
</main>
</div>
<footer class="footer"><nav><ul>
{links(_FOOTER)}
</ul></nav>
<p>All rights reserved. Page {escape(path)}</p></footer>
</div>
</body>
</html>
"""


def links(targets: Mapping[str, str]) -> str:
    """List items that link to paths under their titles."""
    return "\n".join(f'<li><a href="{path}">{escape(title, quote=False)}</a></li>' for path, title in targets.items())


def article(own: texts.Article, path: str) -> Page:
    """The page of an article, in UTF-8."""
    return Page(around(texts.html(own), path, own.title, language=own.language).encode())
