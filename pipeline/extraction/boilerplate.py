"""What stands around a page's text, taken out of the tree before the text is.

Three published ideas, each with a share that keeps it from eating the text itself. Elements are named for what they are
("related", "newsletter"), and such names tell boilerplate (Readability, Arc90 2009). A page may mark its text with
`itemprop=articleBody`, `<article>` or `<main>` (HTML Standard, section 4.3). A block that is mostly links is navigation
(Kohlschütter et al. 2010, "Boilerplate Detection using Shallow Text Features"). Nothing is taken from tables, lists, code
and headings by its name, for there such names are content: a documentation's section on cookies, a comment in a program.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from resiliparse.parse.html import ElementNode, HTMLTree

MAX_FURNITURE_SHARE = 0.2  # of a page's prose in one element; one that holds more is no furniture, whatever its name
MAX_REMOVED_SHARE = 0.5  # of a page's prose in all that is taken out on one ground; above, the ground is not believed
MIN_MAIN_SHARE = 0.5  # of the characters of a page's paragraphs in what is marked as its text
MAX_LINK_SHARE = 0.8  # of a paragraph's characters
MAX_LOOKS = 50  # at each of a page's characters, on average: elements within each other could have one read for ever

_READERS = ("comment", "disqus")
_FURNITURE = (
    "advert", "advertisement", "banner", "breadcrumb", "byline", "caption", "consent", "cookie", "copyright", "credit", "disclaimer",
    "footer", "gallery", "gdpr", "header", "login", "masthead", "modal", "navigation", "newsletter", "outbrain", "pager", "pagination",
    "paywall", "popular", "popup", "promo", "promoted", "rating", "recirc", "recommend", "recommendation", "recommended", "related",
    "share", "sharing", "sidebar", "signup", "slideshow", "social", "sponsor", "sponsored", "subscribe", "subscription", "taboola",
    "tag", "trending",
)  # fmt: skip
_BOXES = frozenset(("div", "section", "aside", "nav", "header", "footer", "ul", "ol", "dl", "li", "form", "figure", "p"))
_BY_TAG = frozenset(("figcaption", "header"))
_INVISIBLE = "script, style, noscript, template, select"
_MARKED = ("[itemprop~=articleBody]", "article", "main, [role=main]")
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")  # as in "story-promo", "storyPromo" and "STORY_PROMO"


class _Names(NamedTuple):
    selector: str  # of all elements that are worth a look
    words: frozenset[str]  # that tell furniture


@cache
def _names(comments: bool) -> _Names:
    words = [*_FURNITURE, *(() if comments else _READERS)]
    stems = [word for word in words if not any(other != word and other in word for other in words)]
    selector = ", ".join([*(f"[class*={stem} i]" for stem in stems), *sorted(_BY_TAG), "h1"])
    return _Names(selector, frozenset([*words, *(f"{word}s" for word in words)]))


def characters(element: ElementNode) -> int:
    """The characters of an element's text, white space left out."""
    return len("".join((element.text or "").split()))


def linked_characters(element: ElementNode) -> int:
    """Those of its characters that are links'. What has no `href` is none: an empty anchor of XHTML, never closed in HTML, holds text."""
    return sum(characters(link) for link in element.query_selector_all("a[href]").values())


def remove_furniture(tree: HTMLTree, comments: bool) -> bool:
    """Take out what is named as boilerplate, and the heading that only repeats the page's title.

    Readers' comments stay where `comments` says so. False where so much went that the names cannot be believed: the tree
    is to be parsed again then.
    """
    if tree.body is None:
        return True
    for element in tree.body.query_selector_all(_INVISIBLE).values():
        _remove(element)
    whole = characters(tree.body)
    prose = whole - linked_characters(tree.body)
    title = _one_line(tree.title)
    names = _names(comments)
    looked_at, removed = 0, 0
    for element in tree.body.query_selector_all(names.selector).values():
        if not _is_named_furniture(element, names.words) or element.closest("body") is None:
            continue
        held = characters(element)
        looked_at += held
        if looked_at > MAX_LOOKS * whole:
            break
        if element.tag == "h1" and _one_line(element.text) not in title:
            continue
        most = MAX_FURNITURE_SHARE * prose
        if held <= most or held - linked_characters(element) <= most:
            _remove(element)
            removed += held
    left = MAX_REMOVED_SHARE * prose
    return removed <= left or characters(tree.body) - linked_characters(tree.body) >= prose - left


def _is_named_furniture(element: ElementNode, words: frozenset[str]) -> bool:
    """Whether an element is called boilerplate; a heading may be the page's title again."""
    tag = element.tag
    if tag == "h1":
        return True
    if tag in _BY_TAG:
        name: str | None = tag
    elif tag in _BOXES:
        name = next((word for word in _WORD.findall(element.class_name or "") if word.lower() in words), None)
    else:
        return False
    # The header of a section is its heading; that of the page has the page's.
    if name is not None and name.lower() == "header":
        return element.query_selector("h1") is not None or element.query_selector("h2, h3, h4, h5, h6") is None
    return name is not None


def keep_main(tree: HTMLTree) -> None:
    """Leave what the page marks as its text alone in the tree, where that is one element and holds most of the paragraphs."""
    if tree.body is None:
        return
    for selector in _MARKED:
        marked = tree.body.query_selector_all(selector).values()
        if len(marked) == 1 and _paragraph_characters(marked[0]) > MIN_MAIN_SHARE * _paragraph_characters(tree.body):
            _isolate(marked[0])
            return


def _paragraph_characters(element: ElementNode) -> int:
    return sum(characters(paragraph) for paragraph in element.query_selector_all("p").values())


def _isolate(element: ElementNode) -> None:
    """Remove all that stands in <body> beside the element and beside what holds it."""
    while element.tag != "body" and (parent := element.parent_element) is not None:
        for sibling in parent.child_nodes.values():
            if sibling != element:
                parent.remove_child(sibling)
        element = parent


def remove_link_paragraphs(tree: HTMLTree) -> None:
    """Take out paragraphs that are links and little else, unless the page is a list of such."""
    if tree.body is None:
        return
    sizes = [(paragraph, characters(paragraph)) for paragraph in tree.body.query_selector_all("p").values()]
    linked = [(paragraph, size) for paragraph, size in sizes if linked_characters(paragraph) > MAX_LINK_SHARE * size]
    if sum(size for _, size in linked) <= MAX_REMOVED_SHARE * sum(size for _, size in sizes):
        for paragraph, _ in linked:
            _remove(paragraph)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).casefold()


def _remove(element: ElementNode) -> None:
    if element.parent is not None:
        element.remove()
