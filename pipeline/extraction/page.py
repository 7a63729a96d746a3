"""The bytes of one page, and what is in them: text, charset, and what the page says of itself.

Engine `resiliparse` is the rule-based extraction of Resiliparse (Bevendorff et al. 2018, "Elastic ChatNoir"), which loses
little and keeps some of what stands around the text; `best` takes that out first (`boilerplate`); `trafilatura` (Barbaresi
2021) is slower; `raw` keeps all visible text. Spaces that may not break are HTML's means of layout, and become spaces; no line
ends in white space.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pydantic import Field
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLParserException, HTMLTree

from pipeline import charset
from pipeline.extraction import boilerplate, lists, metadata
from pipeline.extraction.metadata import Metadata
from pipeline.kernels.html import shape
from pipeline.step import RowError, StepConfig

USES = (*charset.USES, "trafilatura", "ada-url")

PLAIN = ("text/plain", "text/markdown")
_TEXT_TYPES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml", *PLAIN)
_UNKNOWN_TYPES = ("", "application/octet-stream", "application/unknown", "unknown/unknown", "*/*")
_SIGNATURES = (
    b"%PDF-", b"%!PS", b"{\\rtf", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x89PNG", b"GIF8",
    b"\xff\xd8\xff", b"\x00\x00\x01\x00", b"RIFF", b"OggS", b"ID3", b"\x7fELF", b"wOFF", b"wOF2", b"\xd0\xcf\x11\xe0",
)  # fmt: skip
_BINARY = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])  # WHATWG MIME Sniffing, "binary data byte"
_MAX_BINARY_SHARE = 0.1
_SNIFFED_BYTES = 2048


class Config(StepConfig):
    """How pages are read, and what one may cost."""

    engine: Literal["resiliparse", "best", "trafilatura", "raw"] = "resiliparse"
    comments: bool = False  # whether readers' comments are content
    max_bytes: int = 20_000_000  # of a page; a larger one is not parsed
    max_depth: int = 2_000  # elements within each other: the extraction's time grows with its square; browsers stop at 512
    max_options: int = 10_000  # <option> elements: the parser's time grows with their square
    page_timeout_s: float = Field(default=30.0, gt=0)  # processor seconds for one page
    max_memory_mb: int = Field(default=2_000, gt=0)  # for one page, beyond what its process holds anyway


class Page(NamedTuple):
    """What was in a page."""

    text: str
    charset: str | None = None  # what it was decoded with, and what told it
    metadata: Metadata = Metadata()


def refusal(content: bytes, content_type: str, config: Config) -> RowError | None:
    """Why these bytes are not to be parsed, where they are not: `too_big`, `not_html`."""
    if len(content) > config.max_bytes:
        return RowError("too_big", f"{len(content)} bytes, more than {config.max_bytes}")
    if content_type not in (*_TEXT_TYPES, *_UNKNOWN_TYPES):
        return RowError("not_html", f"content type {content_type}")
    head = content[:_SNIFFED_BYTES]
    if charset.has_mark(head):
        return None
    if head.startswith(_SIGNATURES):
        return RowError("not_html", f"begins with {head[:4]!r}")
    binary = len(head) - len(head.translate(None, _BINARY))
    if binary > _MAX_BINARY_SHARE * len(head):
        return RowError("not_html", f"{binary} control characters among its first {len(head)} bytes")
    return None


def plain(content: bytes, declared: str | None) -> Page | RowError:
    """Plain text: decoded, and no more. Error: `undecodable`."""
    decoded = charset.decode(content, declared)
    if decoded is None:
        return RowError("undecodable", f"declared as {declared or 'nothing'}, and valid in no charset that was tried")
    text, used, origin = decoded
    return Page(text, f"{used} ({origin})")


def parsed(content: bytes, declared: str | None, url: str | None, config: Config) -> Page | RowError:
    """The page that these bytes of HTML are.

    Errors: `undecodable`, and `failed` where parsing would take for ever. Raises MemoryError.
    """
    source = plain(content, declared)
    if isinstance(source, RowError):
        return source
    found = shape(source.text.encode())
    if found.depth > config.max_depth or found.options > config.max_options:
        return RowError("failed", f"{found.depth} elements within each other, {found.options} options of forms: too many to parse")
    try:
        tree = HTMLTree.parse(source.text)
        said = metadata.read(tree, url)
        text = _text(source.text, tree, config)
    except HTMLParserException as error:  # a parser of HTML refuses nothing: all that it can lack is memory
        raise MemoryError from error
    return Page(_tidy(text), source.charset, said)


def _text(html: str, tree: HTMLTree, config: Config) -> str:
    match config.engine:
        case "trafilatura":
            return _careful_text(html, config)
        case "raw":
            return _plain_text(tree, main=False, comments=config.comments)
        case "best":
            tree = _bared(html, tree, config)
    lists.sink(tree)
    return _plain_text(tree, main=True, comments=config.comments)


def _bared(html: str, tree: HTMLTree, config: Config) -> HTMLTree:
    """The tree without what stands around the text."""
    if not boilerplate.remove_furniture(tree, config.comments):
        tree = HTMLTree.parse(html)
    boilerplate.keep_main(tree)
    boilerplate.remove_link_paragraphs(tree)
    return tree


def _careful_text(html: str, config: Config) -> str:
    from trafilatura import extract  # noqa: PLC0415  # half a second that the other engines need not wait for

    text: str | None = extract(html, include_comments=config.comments)
    return text or ""


def _plain_text(tree: HTMLTree, *, main: bool, comments: bool) -> str:
    text: str = extract_plain_text(tree, main_content=main, alt_texts=False, comments=comments, post_meta=False)
    return text


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\xa0", " ").split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
