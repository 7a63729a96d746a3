"""What stands around a page's text goes, and the text stays, whatever its elements are called."""

from __future__ import annotations

import pytest
from nasty import PROSE

from pipeline.extraction.page import Config, Page, parsed

TEXT = f"<p>{PROSE}</p>" * 3
KEPT = "\n\n".join([PROSE] * 3)
LIST = "<ul>" + "<li><a href=/x>dict</a> maps keys to values</li>" * 5 + "</ul>"


def text_of(body: str, title: str = "A title", comments: bool = False) -> str:
    found = parsed(f"<title>{title}</title><body>{body}".encode(), None, None, Config(engine="best", comments=comments))
    assert isinstance(found, Page)
    return found.text


@pytest.mark.parametrize(
    "furniture",
    [
        "<div class='story-promo'><h3>More</h3><p>Another story altogether</p></div>",
        "<div class='c-rating__box'><p>Sign up for our letter</p></div>",
        "<section class=cookieNotice><p>We use cookies on this site</p></section>",
        "<figure><img src=a><figcaption>The quay in winter</figcaption></figure>",
        "<p class=caption>By somebody</p>",
        "<p><a href=/x>READ MORE: another story</a></p>",
    ],
)
def test_what_is_named_as_boilerplate_goes(furniture: str) -> None:
    assert text_of(f"<div><div>{TEXT}{furniture}<p>The end.</p></div></div>") == f"{KEPT}\n\nThe end."


@pytest.mark.parametrize(
    "content",
    [
        "<h3 class=section-header>Cookies</h3>",
        "<p class=shareholders>Owners</p>",
        "<p class=operating>Owners</p>",
        "<p id=promo>Owners</p>",
        "<section id=cookies><h2>Cookies</h2></section>",
        "<section><header><h2>A part</h2></header></section>",
        "<pre><span class=hljs-comment>// a comment</span></pre>",
        "<table><tr class=header><td>Name</td><td>Size</td></tr></table>",
        "<p>See <a href=/x>the other page</a> for the rest of it.</p>",
        f"<div>{LIST}</div>",
        "<p><a id=part>What an anchor holds that is no link</a></p>",
    ],
)
def test_what_only_looks_like_it_stays(content: str) -> None:
    with_it, without = text_of(f"<div><div>{TEXT}{content}</div></div>"), text_of(f"<div><div>{TEXT}</div></div>")
    assert len(with_it) > len(without) + 5


def test_an_element_that_holds_the_text_is_no_furniture() -> None:
    assert text_of(f"<div class=sidebar-left><div><p>{PROSE}</p></div></div><div><p>{PROSE}</p><p>{PROSE}</p></div>") == KEPT
    assert text_of(f"<div class='widget share'>{PROSE}<br>{PROSE}</div>").count(PROSE) == 2


def test_names_that_would_take_most_of_the_page_are_not_believed() -> None:
    assert text_of("".join(f"<div class='block promo'><p>{PROSE}</p></div>" for _ in range(8))).count(PROSE) == 8


def test_the_heading_goes_where_the_title_says_the_same() -> None:
    page = f"<div><div><h1>The  harbour</h1>{TEXT}</div></div>"
    assert text_of(page, title="The harbour - Daily News") == KEPT
    assert text_of(page, title="Daily News") == f"The harbour\n\n{KEPT}"


@pytest.mark.parametrize(
    "marked", ["<article>{}</article>", "<main>{}</main>", "<div role=main>{}</div>", "<div itemprop=articleBody>{}</div>"]
)
def test_what_is_marked_as_the_text_is_all_there_is(marked: str) -> None:
    assert text_of(f"<div><div><p>Top stories</p></div>{marked.format(TEXT)}<div><p>And more stories</p></div></div>") == KEPT


def test_many_articles_are_all_kept() -> None:
    post = "<article><p>{}</p></article>"
    assert text_of(f"<div>{post.format(PROSE)}{post.format('A short answer.')}{post.format('Thanks!')}</div>").split("\n\n") == [
        PROSE,
        "A short answer.",
        "Thanks!",
    ]


def test_a_mark_on_little_of_the_text_is_not_believed() -> None:
    assert PROSE in text_of(f"<div><article><p>A teaser</p></article><div>{TEXT}</div></div>")


def test_comments_are_left_in_where_they_are_wanted() -> None:
    page = f"<div><div>{TEXT}</div><div class=comment-list><p>First of them all!</p></div></div>"
    assert "First" not in text_of(page)
    assert "First" in text_of(page, comments=True)


def test_a_page_that_is_a_list_keeps_it() -> None:
    assert text_of(f"<div><div><div>{LIST}</div></div></div>").count("dict maps keys to values") == 5


def test_a_page_of_links_keeps_them() -> None:
    assert text_of("<div>" + "<p><a href=/x>Some other page</a></p>" * 9 + "<p>and more</p></div>").count("Some other page") == 9


@pytest.mark.parametrize("page", ["", "<frameset><frame src=a></frameset>", "<body></body>", "<svg><a href=x>y</a></svg>"])
def test_pages_without_a_body_or_text_do_no_harm(page: str) -> None:
    text_of(page)
