"""The main text of a page: boilerplate left out, lists and code kept; and what the page says of itself.

How pages are read, by which engines, is `pipeline.extraction.page`. Plain text and Markdown are decoded and no more. A record that brings
its text along, as a line of JSON does, passes as it is.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline.extraction import confined
from pipeline.extraction import page as pages
from pipeline.extraction.confined import Request
from pipeline.extraction.metadata import Metadata
from pipeline.extraction.page import Config, Page
from pipeline.step import Bound, RowError, StepResult

__all__ = ["BOUNDS", "COLUMNS", "SIGNALS", "USES", "VERSION", "Config", "run"]

VERSION = 2
USES = pages.USES

SIGNALS = {
    "chars": (pa.int64(), "characters of the text"),
    "text_share": (pa.float64(), "characters of the text for each byte of the page; null where the text came along"),
}

COLUMNS = {
    "title": (pa.string(), "the page's title"),
    "published": (pa.string(), "when it was published, as the page says: an ISO 8601 date, or date and time"),
    "author": (pa.string(), "who wrote it, as the page says"),
    "canonical_url": (pa.string(), "the address that the page gives as its own"),
    "declared_language": (pa.string(), "the language that the page says it is in: a BCP 47 tag in lower case"),
    "charset_used": (pa.string(), "the charset it was decoded with, and what told it"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Text, title and the rest of each page.

    Errors: `not_html`, `undecodable`, `too_big`, `empty`; `timeout`, `memory` and `failed` where a page cannot be parsed within
    its limits, or at all.
    """
    found = [_checked(page) for page in _pages(batch, config)]
    read = [None if isinstance(page, RowError) else page for page in found]
    sizes = [
        None if text.is_valid or not page else len(content.as_buffer())
        for page, text, content in zip(read, batch["text"], batch["content"], strict=True)
    ]
    said = {name: pa.array([page and getattr(page.metadata, name) for page in read], pa.string()) for name in Metadata._fields}
    return StepResult(
        text=pa.array([page and page.text for page in read], pa.string()),
        signals={
            "chars": pa.array([page and len(page.text) for page in read], pa.int64()),
            "text_share": pa.array(
                [len(page.text) / size if page and size else None for page, size in zip(read, sizes, strict=True)], pa.float64()
            ),
        },
        columns={**said, "charset_used": pa.array([page and page.charset for page in read], pa.string())},
        errors={row: page for row, page in enumerate(found) if isinstance(page, RowError)},
    )


def _checked(found: Page | RowError) -> Page | RowError:
    return RowError("empty", "no text is left") if isinstance(found, Page) and not found.text.strip() else found


def _pages(batch: pa.RecordBatch, config: Config) -> list[Page | RowError]:
    """What is in each row; those that are HTML are parsed together, apart from this process."""
    found: list[Page | RowError | Request] = [_row(batch, row, config) for row in range(batch.num_rows)]
    parsed = iter(confined.read([entry for entry in found if isinstance(entry, Request)], config))
    return [next(parsed) if isinstance(entry, Request) else entry for entry in found]


def _row(batch: pa.RecordBatch, row: int, config: Config) -> Page | RowError | Request:
    """What is in a row, or what is yet to be parsed."""
    text = batch["text"][row].as_py()
    if text is not None:
        return Page(text)
    content, content_type, declared, url = (batch[name][row].as_py() for name in ("content", "content_type", "charset", "url"))
    content, content_type = content or b"", (content_type or "").partition(";")[0].strip().lower()
    if refusal := pages.refusal(content, content_type, config):
        return refusal
    return pages.plain(content, declared) if content_type in pages.PLAIN else Request(content, declared, url)
