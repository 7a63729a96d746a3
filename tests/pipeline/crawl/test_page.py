from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipeline.confined.child import Limits
from pipeline.crawl import confined, page, urls
from pipeline.crawl.config import CrawlConfig

HERE = urls.parse("http://h/d/e")


def read(
    html: str | bytes, headers: tuple[str, ...] = (), charset: str | None = None, link_headers: tuple[str, ...] = (), **settings: Any
) -> page.Page:
    config = CrawlConfig.model_validate({"seeds": ["http://h/"], "contact": "a@h.example", **settings})

    async def found() -> page.Page:
        with confined.Readers() as readers:
            return await readers.read(body, page.Head(HERE, charset, headers, link_headers), config)

    body = html if isinstance(html, bytes) else html.encode()
    return asyncio.run(found())


def texts(found: page.Page) -> list[str]:
    return [link.text for link in found.links]


def test_links_of_all_kinds_each_once_in_order() -> None:
    html = """<a href="x">1</a><a href="/y#1">2</a><a href="/y#2">3</a><area href="z"><iframe src="/f"></iframe>
    <a>no</a><a href="mailto:a@b">4</a><meta http-equiv="Refresh" content="5; URL='/next'">
    <!-- <a href="/comment"> --><script>"<a href='/s'>"</script>"""
    assert texts(read(html)) == ["http://h/d/x", "http://h/y", "http://h/d/z", "http://h/f", "http://h/next"]


def test_base_moves_relative_links() -> None:
    assert texts(read('<base href="/b/"><base href="/c/"><a href="x"><a href="/x">')) == ["http://h/b/x", "http://h/x"]
    assert texts(read('<base href="http://other/b/"><a href="x">')) == ["http://other/b/x"]
    assert texts(read('<base href="mailto:x"><a href="x">')) == ["http://h/d/x"]


def test_nofollow_by_link_unless_another_link_may_be_followed() -> None:
    found = read('<a rel="external NoFollow" href="/a"><a href="/b"><a rel=nofollow href="/b">')
    assert texts(found) == ["http://h/b"]
    assert [link.text for link in found.nofollow_links] == ["http://h/a"]
    assert len(read('<a rel=nofollow href="/a">', follow_nofollow=True).links) == 1


@pytest.mark.parametrize("content", ["nofollow", "noindex, NOFOLLOW", "none"])
def test_nofollow_by_page(content: str) -> None:
    found = read(f'<meta name="Robots" content="{content}"><a href="/a">')
    assert not found.links
    assert len(found.nofollow_links) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("noindex, nofollow",), {"noindex", "nofollow"}),
        (("otherbot: noindex",), set()),
        (("corpusmill: noai", "otherbot: none"), {"noai"}),
        (("unavailable_after: 25 Jun 2010 15:00:00 PST",), {"unavailable_after:"}),
    ],
)
def test_directives_of_headers(headers: tuple[str, ...], expected: set[str]) -> None:
    assert expected <= read("", headers).directives
    assert not expected or "noindex" in expected or "noindex" not in read("", headers).directives
    assert bool(expected) == bool(read("", headers).directives)


def test_directives_of_metas_are_for_everyone_or_for_us() -> None:
    html = '<meta name="robots" content="noindex"><meta name="corpusmill" content="noai"><meta name="otherbot" content="nofollow">'
    assert read(html).directives == {"noindex", "noai"}


def test_links_beyond_the_limit_are_counted() -> None:
    found = read("".join(f'<a href="/{i}">' for i in range(10)), max_links_per_page=4)
    assert len(found.links) == 4
    assert found.left_out == 6


def test_ten_thousand_links_take_no_second() -> None:
    assert len(read("".join(f'<p><a href="/{i}">x</a></p>' for i in range(10_000))).links) == 10_000


@pytest.mark.timeout(60)
def test_links_that_the_first_reader_has_no_time_for_are_read_by_the_second() -> None:
    escaped = "é" * 300
    assert len(read("".join(f'<a href="/{escaped}{i}">' for i in range(20_000))).links) == 20_000


@pytest.mark.timeout(20)
def test_a_search_takes_no_longer_for_a_longer_page() -> None:
    early, late = '<meta name="robots" content="noindex">', "<meta " * 20_000_000
    assert page.searched(f"{early}{late}".encode(), page.Head(HERE), "").directives >= {"noindex"}
    assert page.searched(f"{late}{early}".encode(), page.Head(HERE), "").directives == set()


def test_hostile_markup_is_read() -> None:
    assert texts(read("<div>" * 100_000 + '<a href="/deep">')) == ["http://h/deep"]
    assert texts(read(b"\xff\xfe\0<a href='/x'>\0")) in ([], ["http://h/x"])
    assert texts(read('<a href="/ü">'.encode("latin-1"), charset="iso-8859-1")) == ["http://h/%C3%BC"]
    assert texts(read('<a href="/x">'.encode("utf-16"), charset="utf-16")) == ["http://h/x"]
    assert texts(read(b"<a href=/x>\xff", charset="no-such-charset")) == ["http://h/x"]
    assert read(b"") == page.Page()


OPTIONS = "<option>" * 200_000
ATTRIBUTES = "<p " + " ".join(f"a{number}" for number in range(200_000)) + ">"
FORMATTING = "<p>" + "".join(f"<b x={number}>" for number in range(950)) + "<p>x" * 3_000  # each paragraph opens all of them anew


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("html", "limits", "why"),
    [
        (f"<a href=/x><select>{OPTIONS}".encode(), Limits(0.5, 2_000), "more than 0.5 s of processor time"),
        (f"<a href=/x><select>{OPTIONS}".encode("utf-16"), Limits(0.5, 2_000), "more than 0.5 s of processor time"),
        (b"<a href=/x>\xff<select>" + OPTIONS.encode(), Limits(0.5, 2_000), "more than 0.5 s of processor time"),
        (f"<a href=/x>{ATTRIBUTES}".encode(), Limits(0.5, 2_000), "more than 0.5 s of processor time"),
        (f"<a href=/x>{FORMATTING}".encode(), Limits(20.0, 200), "more than 200 MB"),
    ],
    ids=["options", "options in UTF-16", "options in no charset", "attributes", "formatting"],
)
def test_a_page_that_takes_all_time_or_memory_is_left_unread(
    html: bytes, limits: Limits, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "SLOW", limits)
    found = read(html, ("noarchive",))
    assert (found.links, found.nofollow_links, found.directives) == ((), (), {"noarchive"})
    assert found.unread == why
    assert found.note == f"links unread: {why}"
    assert texts(read(b"<a href=/x>" + b"<option>" * 1_000)) == ["http://h/x"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<META content='noindex, follow' name=\"Robots\" />", {"noindex"}),
        ('<meta name=corpusmill content="NOAI,noimageai">', {"noai", "noimageai"}),
        ('<meta name="otherbot" content="noindex"><p>robots noindex</p>', set()),
        ("<meta" * 1_000_000 + "<meta " + "robot " * 1_000_000, set()),
    ],
)
def test_directives_of_an_unread_page_are_searched_for(html: str, expected: set[str]) -> None:
    found = page.searched(html.encode(), page.Head(HERE), "too long")
    assert found.unread == "too long"
    assert found.directives & {"noindex", "noai", "noimageai"} == expected


@pytest.mark.parametrize(
    ("html", "headers", "expected"),
    [
        ('<link rel="canonical" href="/c#x">', (), "http://h/c"),
        ('<link rel="Alternate CANONICAL" href=" c ">', (), "http://h/d/c"),
        ('<base href="/b/"><link rel=canonical href=c>', (), "http://h/b/c"),
        ('<link rel="canonical" href="/1"><link rel="canonical" href="/2">', (), "http://h/1"),
        ('<link rel="stylesheet" href="/s.css"><link rel="canonicals" href="/no">', (), None),
        ('<link rel="canonical" href="mailto:a@b">', (), None),
        ("", ('</s.css>; rel=preload, <http://other/c>; rel="canonical"',), "http://other/c"),
        ("", ('</c>; title="a, b"; rel=canonical',), "http://h/c"),
        ("", ('</c>; rel="canonicalised"', "</n>; rel=next"), None),
        ('<link rel="canonical" href="/page">', ("</header>; rel=canonical",), "http://h/page"),
    ],
)
def test_canonical_links(html: str, headers: tuple[str, ...], expected: str | None) -> None:
    found = read(html, link_headers=headers)
    assert (found.canonical and found.canonical.text) == expected
    assert texts(found) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "value", ['<a>;rel="' + "canonical " * 200_000, "<a" * 1_000_000, "<a>" + ";rel=" * 400_000, "<a>;" + " " * 2_000_000]
)
def test_a_link_header_of_any_length_is_read_in_time_that_grows_with_it(value: str) -> None:
    config = CrawlConfig.model_validate({"seeds": ["http://h/"], "contact": "a@h.example"})
    assert page.plain(page.Head(HERE, links=(value, "</c>; rel=next; rel=canonical")), config).canonical is None


def test_a_canonical_link_to_the_page_itself_leads_nowhere() -> None:
    found = read('<link rel="canonical" href="http://h/d/e">')
    assert found.canonical is not None
    assert found.links == ()


def test_the_canonical_link_of_a_page_that_may_not_be_followed_is_noted_and_not_followed() -> None:
    found = read('<meta name="robots" content="nofollow"><link rel="canonical" href="/c">')
    assert (found.links, [link.text for link in found.nofollow_links]) == ((), ["http://h/c"])


def test_a_canonical_link_counts_among_no_limit_of_links() -> None:
    html = "".join(f'<a href="/{i}">' for i in range(5)) + '<link rel="canonical" href="/c">'
    assert texts(read(html, max_links_per_page=1)) == ["http://h/c", "http://h/0"]
