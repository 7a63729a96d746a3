"""From a page's bytes to its text: decode, tell HTML from other things, take the main content.

`pipeline.encoding` finds the encoding. Rows that have a text already keep it.

The engine `resiliparse` gives a page's main content (Bevendorff et al. 2018, "Elastic ChatNoir"), lists and preformatted
blocks kept; `raw` gives the decoded page as it is. No-break spaces, HTML's means of layout, become spaces, and no line ends
in white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import ElementNode, HTMLParserException, HTMLTree

from pipeline.encoding import decode, has_mark
from pipeline.kernels.html import shape
from pipeline.step import RowError, StepConfig, StepResult

VERSION = 1
USES = ("resiliparse", "faust-cchardet")


class Config(StepConfig):
    engine: Literal["resiliparse", "raw"] = "resiliparse"
    main_content: bool = True  # false: all visible text
    comments: bool = False  # readers' comments count as content
    max_bytes: int = 20_000_000
    max_depth: int = 2_000  # elements within each other: time grows with its square, and browsers stop at 512
    max_options: int = 10_000  # choices in forms: time grows with their square


SIGNALS = {
    "chars": (pa.int64(), "characters of the text"),
    "bytes_in": (pa.int64(), "bytes of the payload; of the text where that came ready"),
}

COLUMNS = {
    "title": (pa.string(), "the page's title"),
    "charset_used": (pa.string(), "the encoding it was decoded with"),
}

BOUNDS: dict = {}

_PLAIN = ("text/plain",)
_HTML = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")
_UNKNOWN = ("", "application/octet-stream", "application/x-unknown", "unknown/unknown", "content/unknown", "*/*")

_HEAD_BYTES = 4096
_SIGNATURES = (
    b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF",
    b"OggS", b"ID3", b"\x00\x00\x01\x00", b"\x7fELF", b"MZ", b"%!PS", b"wOFF", b"wOF2", b"{\\rtf", b"\xd0\xcf\x11\xe0",
)  # fmt: skip
_BINARY = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])  # WHATWG MIME sniffing, "binary data byte"
_MOST_BINARY = 0.1
_MENU_SHARE = 0.5
_DEEP_ENOUGH = 3  # elements between the body and a list
_SHALLOW_LISTS = "body > ul, body > * > ul, body > * > * > ul"


@dataclass(frozen=True)
class _Page:
    text: str
    charset: str | None
    title: str | None = None


class _Unfit(Exception):
    """Why a row has no text."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.error = RowError(kind, detail)


def _is_binary(head: bytes) -> bool:
    strange = len(head) - len(head.translate(None, _BINARY))
    return head.startswith(_SIGNATURES) or strange > _MOST_BINARY * len(head)


def _squeezed(element: ElementNode) -> int:
    return len("".join(element.text.split()))


def _depth(element: ElementNode) -> int:
    """Elements between the body and this one; many where it is part of a page's frame."""
    depth, parent = 0, element.parent_element
    while parent is not None and parent.tag != "body":
        if parent.tag in ("nav", "header", "footer", "aside"):
            return _DEEP_ENOUGH
        depth, parent = depth + 1, parent.parent_element
    return depth


def _sink_lists(tree: HTMLTree) -> None:
    """Wrap the lists near the body that are no menus.

    Resiliparse takes every `<ul>` with fewer than three elements between the body and it for a menu, and drops it. One
    whose characters are links for more than half is left to that.
    """
    if tree.body is None:
        return
    for element in tree.body.query_selector_all(_SHALLOW_LISTS):
        depth = _depth(element)
        links = sum(_squeezed(link) for link in element.query_selector_all("a"))
        if depth >= _DEEP_ENOUGH or links > _MENU_SHARE * _squeezed(element):
            continue
        outer = inner = tree.create_element("div")
        for _ in range(_DEEP_ENOUGH - depth - 1):
            inner = inner.append_child(tree.create_element("div"))
        element.replace_with(outer)
        inner.append_child(element)


def _parse(html: str, config: Config) -> tuple[str, str | None]:
    found = shape(html.encode())
    if found.depth > config.max_depth or found.options > config.max_options:
        raise _Unfit("failed", f"{found.depth} elements within each other and {found.options} options in forms are too many to parse")
    try:
        tree = HTMLTree.parse(html)
        if config.main_content:
            _sink_lists(tree)
        text = extract_plain_text(tree, main_content=config.main_content, alt_texts=False, comments=config.comments, post_meta=False)
    except HTMLParserException as error:
        raise _Unfit("failed", str(error)) from error
    return text, " ".join((tree.title or "").split()) or None


def _tidy(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.replace("\xa0", " ").split("\n"))
    return re.sub("\n{3,}", "\n\n", lines).strip("\n")


def _extract(content: bytes, content_type: str | None, header: str | None, config: Config) -> _Page:
    if len(content) > config.max_bytes:
        raise _Unfit("too_big", f"{len(content)} bytes, over {config.max_bytes}")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in _HTML + _PLAIN + _UNKNOWN:
        raise _Unfit("not_html", f"declared as {kind}")
    if not has_mark(content) and _is_binary(content[:_HEAD_BYTES]):
        raise _Unfit("not_html", "binary content")
    decoded = decode(content, header)
    if decoded is None:
        raise _Unfit("undecodable", "no encoding fits, declared or guessed")
    html, charset = decoded
    if config.engine == "raw" or kind in _PLAIN:
        return _Page(html, charset)
    text, title = _parse(html, config)
    return _Page(_tidy(text), charset, title)


def _page(row: dict, config: Config) -> _Page:
    page = _Page(row["text"], None) if row["text"] is not None else None
    if page is None and row["content"]:
        page = _extract(row["content"], row["content_type"], row["charset"], config)
    if page is None or not page.text or page.text.isspace():
        raise _Unfit("empty", "no text")
    return page


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Text, title and encoding of each page.

    Errors: `not_html`, `undecodable`, `too_big`, `empty` and `failed` (the parser did, or would take for ever).
    """
    pages: list[_Page | None] = []
    sizes: list[int | None] = []
    errors = {}
    for index in range(batch.num_rows):
        row = {name: batch[name][index].as_py() for name in ("text", "content", "content_type", "charset")}
        try:
            page = _page(row, config)
            pages.append(page)
            sizes.append(len(row["content"]) if row["text"] is None else len(page.text.encode()))
        except _Unfit as unfit:
            errors[index] = unfit.error
            pages.append(None)
            sizes.append(None)
    return StepResult(
        text=pa.array([page and page.text for page in pages], pa.string()),
        signals={"chars": pa.array([page and len(page.text) for page in pages], pa.int64()), "bytes_in": pa.array(sizes, pa.int64())},
        columns={
            "title": pa.array([page and page.title for page in pages], pa.string()),
            "charset_used": pa.array([page and page.charset for page in pages], pa.string()),
        },
        errors=errors,
    )
