"""The main text of a page: boilerplate left out, lists and code kept.

Engine `resiliparse` is the rule-based extraction of Resiliparse (Bevendorff et al. 2018, "Elastic ChatNoir"); `raw` keeps
all visible text. A record that brings its text along, as a line of JSON does, passes as it is.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from pipeline import charset
from pipeline.step import Bound, RowError, StepConfig, StepResult

VERSION = 1
USES = charset.USES

_TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml")
_NOT_TEXT = (b"%PDF", b"PK\x03\x04", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\x1f\x8b", b"\x7fELF", b"OggS", b"ID3", b"RIFF")
_SNIFFED_BYTES = 512
_WRAPPING = 3  # elements that resiliparse wants between <body> and a list before it believes that the list is content


class Config(StepConfig):
    engine: Literal["resiliparse", "raw"] = "resiliparse"
    max_bytes: int = 20_000_000  # of a page; a larger one is not parsed


SIGNALS = {
    "chars": (pa.int64(), "characters of the extracted text"),
    "text_share": (pa.float64(), "characters of the text for each byte of the page"),
}

COLUMNS = {
    "title": (pa.string(), "the page's title"),
    "charset_used": (pa.string(), "the charset it was decoded with, and what told it"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Extract each page; what is no page, or has no text, is an error of its row."""
    contents, texts = batch["content"], batch["text"]
    rows: list[tuple[str | None, str | None, str | None]] = []
    errors: dict[int, RowError] = {}
    for row, (content, text) in enumerate(zip(contents, texts, strict=True)):
        if text.is_valid:
            rows.append((text.as_py(), None, None))
            continue
        found = _page(content.as_py() or b"", batch["content_type"][row].as_py(), batch["charset"][row].as_py(), config)
        if isinstance(found, RowError):
            errors[row] = found
            rows.append((None, None, None))
        else:
            rows.append(found)
    found_texts, titles, charsets = ([each[i] for each in rows] for i in range(3))
    sizes = [len(content.as_py() or b"") if content.is_valid else None for content in contents]
    return StepResult(
        text=pa.array(found_texts, pa.string()),
        signals={
            "chars": pa.array([None if text is None else len(text) for text in found_texts], pa.int64()),
            "text_share": pa.array([_share(text, size) for text, size in zip(found_texts, sizes, strict=True)], pa.float64()),
        },
        columns={"title": pa.array(titles, pa.string()), "charset_used": pa.array(charsets, pa.string())},
        errors=errors,
    )


def _share(text: str | None, size: int | None) -> float | None:
    return None if text is None or not size else len(text) / size


def _page(content: bytes, content_type: str | None, declared: str | None, config: Config) -> tuple[str, str, str] | RowError:
    """Text, title and charset of one page, or why it has none."""
    if len(content) > config.max_bytes:
        return RowError("too_big", f"{len(content)} bytes, more than {config.max_bytes}")
    if problem := _no_page(content, content_type):
        return RowError("not_html", problem)
    decoded = charset.decode(content, declared)
    if decoded is None:
        return RowError("undecodable", f"declared as {declared or 'nothing'}, and valid in no charset that was tried")
    html, used, origin = decoded
    if content_type == "text/plain":
        text, title = html, ""
    else:
        tree = HTMLTree.parse(html)
        text, title = _text(tree, config.engine), (tree.title or "").strip()
    text = text.replace("\0", "").strip()
    return (text, title, f"{used} ({origin})") if text else RowError("empty", "no text is left")


def _no_page(content: bytes, content_type: str | None) -> str | None:
    """Why these bytes are no text, where they are none."""
    if content_type and content_type not in _TEXT_TYPES:
        return f"content type {content_type}"
    head = content[:_SNIFFED_BYTES]
    if head.startswith(_NOT_TEXT):
        return f"begins with {bytes(head[:4])!r}"
    utf_16_or_32 = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    return "NUL bytes at its beginning" if b"\0" in head and not utf_16_or_32 else None


def _text(tree: HTMLTree, engine: str) -> str:
    if engine == "raw":
        return extract_plain_text(tree)
    _bury_lists(tree)
    return extract_plain_text(tree, main_content=True)


def _bury_lists(tree: HTMLTree) -> None:
    """Put elements between <body> and its content: lists that lie nearer to it are lost by resiliparse, up to 2.0.1."""
    for _ in range(_WRAPPING):
        body = tree.body
        wrapping = tree.create_element("div")
        if body is None or wrapping is None:
            return
        for node in list(body.child_nodes):
            wrapping.append_child(node)
        body.append_child(wrapping)
