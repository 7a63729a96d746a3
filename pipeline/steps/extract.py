"""The main text of a page: boilerplate left out, lists and code kept.

Engine `resiliparse` is the rule-based extraction of Resiliparse (Bevendorff et al. 2018, "Elastic ChatNoir"); `trafilatura`
(Barbaresi 2021) is slower and more precise; `raw` keeps all visible text. Spaces that may not break are HTML's means of
layout, and become spaces; no line ends in white space. Plain text is decoded and no more. A record that brings its text
along, as a line of JSON does, passes as it is.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import ElementNode, HTMLParserException, HTMLTree

from pipeline import charset
from pipeline.kernels.html import shape
from pipeline.step import Bound, RowError, StepConfig, StepResult

VERSION = 1
USES = (*charset.USES, "trafilatura")


class Config(StepConfig):
    engine: Literal["resiliparse", "trafilatura", "raw"] = "resiliparse"
    comments: bool = False  # whether readers' comments are content
    max_bytes: int = 20_000_000  # of a page; a larger one is not parsed
    max_depth: int = 2_000  # elements within each other: the extraction's time grows with its square; browsers stop at 512
    max_options: int = 10_000  # <option> elements: the parser's time grows with their square


SIGNALS = {
    "chars": (pa.int64(), "characters of the text"),
    "text_share": (pa.float64(), "characters of the text for each byte of the page; null where the text came along"),
}

COLUMNS = {
    "title": (pa.string(), "the page's title"),
    "charset_used": (pa.string(), "the charset it was decoded with, and what told it"),
}

BOUNDS: dict[str, Bound] = {}

_PLAIN = "text/plain"
_TEXT_TYPES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml", _PLAIN)
_UNKNOWN_TYPES = ("", "application/octet-stream", "application/unknown", "unknown/unknown", "*/*")
_SIGNATURES = (
    b"%PDF-", b"%!PS", b"{\\rtf", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x89PNG", b"GIF8",
    b"\xff\xd8\xff", b"\x00\x00\x01\x00", b"RIFF", b"OggS", b"ID3", b"\x7fELF", b"wOFF", b"wOF2", b"\xd0\xcf\x11\xe0",
)  # fmt: skip
_BINARY = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])  # WHATWG MIME Sniffing, "binary data byte"
_MAX_BINARY_SHARE = 0.1
_SNIFFED_BYTES = 2048

_MAX_LINK_SHARE = 0.5
_ENOUGH_DEPTH = 3  # elements that resiliparse wants between <body> and a <ul> before it believes that the list is content
_SHALLOW_LISTS = "body > ul, body > * > ul, body > * > * > ul"
_FRAME = ("nav", "header", "footer", "aside")


class _Page(NamedTuple):
    text: str
    title: str | None = None
    charset: str | None = None


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Text, title and charset of each page.

    Errors: `not_html`, `undecodable`, `too_big`, `empty`, and `failed` where the parser did, or would take for ever.
    """
    pages, errors = [], {}
    for row in range(batch.num_rows):
        found = _row(batch, row, config)
        if isinstance(found, RowError):
            errors[row] = found
        pages.append(None if isinstance(found, RowError) else found)
    sizes = [
        None if text.is_valid or not page else len(content.as_buffer())
        for page, text, content in zip(pages, batch["text"], batch["content"], strict=True)
    ]
    return StepResult(
        text=pa.array([page and page.text for page in pages], pa.string()),
        signals={
            "chars": pa.array([page and len(page.text) for page in pages], pa.int64()),
            "text_share": pa.array(
                [len(page.text) / size if page and size else None for page, size in zip(pages, sizes, strict=True)], pa.float64()
            ),
        },
        columns={
            "title": pa.array([page and page.title for page in pages], pa.string()),
            "charset_used": pa.array([page and page.charset for page in pages], pa.string()),
        },
        errors=errors,
    )


def _row(batch: pa.RecordBatch, row: int, config: Config) -> _Page | RowError:
    text = batch["text"][row].as_py()
    if text is not None:
        found: _Page | RowError = _Page(text)
    else:
        content, content_type, declared = (batch[name][row].as_py() for name in ("content", "content_type", "charset"))
        found = _page(content or b"", (content_type or "").partition(";")[0].strip().lower(), declared, config)
    if isinstance(found, _Page) and not found.text.strip():
        return RowError("empty", "no text is left")
    return found


def _page(content: bytes, content_type: str, declared: str | None, config: Config) -> _Page | RowError:
    """The page that these bytes are, or why they are none."""
    if len(content) > config.max_bytes:
        return RowError("too_big", f"{len(content)} bytes, more than {config.max_bytes}")
    if problem := _no_text(content, content_type):
        return RowError("not_html", problem)
    decoded = charset.decode(content, declared)
    if decoded is None:
        return RowError("undecodable", f"declared as {declared or 'nothing'}, and valid in no charset that was tried")
    html, used, origin = decoded
    page = _Page(html) if content_type == _PLAIN else _parsed(html, config)
    return page._replace(charset=f"{used} ({origin})") if isinstance(page, _Page) else page


def _no_text(content: bytes, content_type: str) -> str | None:
    """Why these bytes are no text, where they are none."""
    if content_type not in (*_TEXT_TYPES, *_UNKNOWN_TYPES):
        return f"content type {content_type}"
    head = content[:_SNIFFED_BYTES]
    if charset.has_mark(head):
        return None
    if head.startswith(_SIGNATURES):
        return f"begins with {head[:4]!r}"
    binary = len(head) - len(head.translate(None, _BINARY))
    return f"{binary} control characters among its first {len(head)} bytes" if binary > _MAX_BINARY_SHARE * len(head) else None


def _parsed(html: str, config: Config) -> _Page | RowError:
    """Text and title of a page, or why it could not be parsed."""
    found = shape(html.encode())
    if found.depth > config.max_depth or found.options > config.max_options:
        return RowError("failed", f"{found.depth} elements within each other, {found.options} options of forms: too many to parse")
    try:
        tree = HTMLTree.parse(html)
        title = " ".join((tree.title or "").split()) or None
        text = _careful_text(html, config) if config.engine == "trafilatura" else _plain_text(tree, config)
    except HTMLParserException as error:
        return RowError("failed", str(error))
    return _Page(_tidy(text), title)


def _careful_text(html: str, config: Config) -> str:
    from trafilatura import extract  # noqa: PLC0415  # half a second that the other engines need not wait for

    text: str | None = extract(html, include_comments=config.comments)
    return text or ""


def _plain_text(tree: HTMLTree, config: Config) -> str:
    main = config.engine == "resiliparse"
    if main:
        _sink_lists(tree)
    text: str = extract_plain_text(tree, main_content=main, alt_texts=False, comments=config.comments, post_meta=False)
    return text


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\xa0", " ").split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _sink_lists(tree: HTMLTree) -> None:
    """Wrap the lists near <body> that are no menus: resiliparse, up to 2.0.1, takes them all for menus, and drops them.

    A list is a menu where most of its characters are links' (Kohlschütter et al. 2010, "Boilerplate Detection using Shallow
    Text Features"), or where it stands in the page's frame.
    """
    if tree.body is None:
        return
    for element in tree.body.query_selector_all(_SHALLOW_LISTS):
        above = _above(element)
        links = sum(_characters(link) for link in element.query_selector_all("a"))
        if len(above) < _ENOUGH_DEPTH and not set(above) & set(_FRAME) and links <= _MAX_LINK_SHARE * _characters(element):
            for _ in range(_ENOUGH_DEPTH - len(above)):
                _wrap(tree, element)


def _wrap(tree: HTMLTree, element: ElementNode) -> None:
    """Put a <div> around an element."""
    around = tree.create_element("div")
    if around is not None:
        element.replace_with(around)
        around.append_child(element)


def _above(element: ElementNode) -> list[str | None]:
    """The names of the elements between <body> and this one."""
    names, parent = [], element.parent_element
    while parent is not None and parent.tag != "body":
        names.append(parent.tag)
        parent = parent.parent_element
    return names


def _characters(element: ElementNode) -> int:
    return len("".join((element.text or "").split()))
