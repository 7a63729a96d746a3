"""What a page says of itself, read as it was meant, or not at all."""

from __future__ import annotations

import json

import pytest
from resiliparse.parse.html import HTMLTree

from pipeline.extraction import metadata
from pipeline.extraction.metadata import Metadata

URL = "https://example.org/news/today.html?page=1"


def said(head: str, url: str | None = URL) -> Metadata:
    return metadata.read(HTMLTree.parse(f"<html><head>{head}</head><body></body></html>"), url)


def linked(data: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


def test_a_page_that_says_nothing_has_nulls() -> None:
    assert said("") == Metadata()


@pytest.mark.parametrize(
    "page",
    [
        "<meta property='article:published_time' content='2026-01-31T10:00:00Z'>",
        "<meta property='article:published_time' content='soon'>" + linked({"datePublished": "2026-01-31T10:00:00Z"}),
        linked([{"@type": "Organization"}, {"datePublished": "2026-01-31T10:00:00+00:00"}]),
        linked({"@graph": [{"@type": "WebPage"}, {"datePublished": "2026-01-31T10:00:00Z"}]}),
        "<meta itemprop=datePublished content='2026-01-31T10:00:00Z'>",
        "<time itemprop='dateModified datePublished' datetime=2026-01-31T10:00:00Z>today</time>",
        "<time datetime=2026-01-31T10:00:00Z>today</time>",
    ],
)
def test_the_date_is_found(page: str) -> None:
    assert said(page).published == "2026-01-31T10:00:00+00:00"


def test_what_is_no_date_is_none_and_a_day_stays_a_day() -> None:
    assert said("<time datetime=2026-01-31>x</time>").published == "2026-01-31"
    for wrong in ("yesterday", "2026-13-01", "9" * 10_000, ""):
        assert said(f"<time datetime='{wrong}'>x</time>").published is None
    assert said("<time datetime=2026-01-31>x</time><time datetime=2026-01-30>y</time>").published is None


@pytest.mark.parametrize(
    ("page", "author"),
    [
        ("<meta name=author content=' Ada  Byron '>", "Ada Byron"),
        ("<meta property='article:author' content='https://social.example/ada'><meta name=author content=Ada>", "Ada"),
        (linked({"author": {"@type": "Person", "name": "Ada"}}), "Ada"),
        (linked({"author": [{"name": "Ada"}, {"name": "Charles"}, 5, None]}), "Ada, Charles"),
        (linked({"author": "Ada"}), "Ada"),
        ("<span itemprop=author itemscope><b itemprop=name>Ada</b>, London</span>", "Ada"),
        ("<a rel='author nofollow' href=/ada>Ada</a>", "Ada"),
    ],
)
def test_the_author_is_found(page: str, author: str) -> None:
    assert said(page).author == author


@pytest.mark.parametrize(
    ("href", "url", "canonical"),
    [
        ("/news/today.html#top", URL, "https://example.org/news/today.html"),
        ("https://EXAMPLE.org:443/a/../b", None, "https://example.org/b"),
        ("/news", None, None),
        ("javascript:alert(1)", URL, None),
        ("file:///etc/passwd", URL, None),
        ("http://[", URL, None),
        ("", URL, None),
        ("/" + "a" * 10_000, URL, None),
    ],
)
def test_the_canonical_url_is_resolved_and_safe(href: str, url: str | None, canonical: str | None) -> None:
    assert said(f"<link rel='canonical' href='{href}'>", url).canonical_url == canonical


def test_the_declared_language_is_a_tag() -> None:
    def language(root: str, head: str = "") -> str | None:
        return metadata.read(HTMLTree.parse(f"<html {root}><head>{head}</head><body></body></html>"), None).declared_language

    assert language("lang=de_CH") == "de-ch"
    assert language("xml:lang=pt-BR") == "pt-br"
    assert language("lang=''", "<meta http-equiv=Content-Language content=fr>") == "fr"
    assert language("lang='the best one'") is None


def test_values_are_bounded_in_length() -> None:
    page = f"<title>{'t' * 10_000}</title><meta name=author content='{'a' * 10_000}'>"
    assert [len(value or "") for value in said(page)[:3:2]] == [metadata.MAX_CHARS, metadata.MAX_CHARS]


@pytest.mark.parametrize(
    "data",
    [
        '{"author": ',
        '{"author": ' + "[" * 50_000,
        '{"author": "' + "a" * 200_000 + '"}',
        '{"datePublished": ' + "9" * 50_000 + "}",
        '{"author": {"name": {"name": ["x"]}}, "datePublished": ["2026-01-31"], "@graph": 5}',
        '["author"]',
        "null",
    ],
)
def test_hostile_linked_data_says_nothing(data: str) -> None:
    assert said(f'<script type="application/ld+json">{data}</script>') == Metadata()


def test_half_a_character_is_replaced() -> None:
    author = said('<script type="application/ld+json">{"author": "x\\ud800y"}</script>').author
    assert author == "x\ufffdy"
