"""A folder of pages: each file of HTML, plain text or Markdown is a record, packed by gzip or Zstandard or not."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.ingest import formats
from pipeline.ingest.cuts import Cut
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import DAMAGE, Stream, unpacked, window
from pipeline.ingest.rows import MAX_PAYLOAD_BYTES, Row
from pipeline.recipe import Source

VERSION = 2
USES = ("fastwarc",)

_TYPES = {
    **dict.fromkeys((".html", ".htm", ".shtml"), "text/html"),
    ".xhtml": "application/xhtml+xml",
    **dict.fromkeys((".txt", ".text", ""), "text/plain"),
    **dict.fromkeys((".md", ".markdown"), "text/markdown"),
}


def cuts(stream: Stream, every: int, source: Source) -> Iterator[Cut]:  # noqa: ARG001  # every reader is asked so
    """A page is one record."""
    return iter(())


def read(stream: Stream, given: Input, source: Source) -> Iterator[Row]:  # noqa: ARG001  # every reader is given the source
    """The one row of a page. Its name tells it from another page of the same bytes, or its number where they have one name."""
    key = f"{given.digest}:{given.name}{f':{given.start}' if given.start else ''}".encode("utf-8", "surrogatepass")
    try:
        content = unpacked(window(stream)).read(MAX_PAYLOAD_BYTES + 1)
    except DAMAGE as error:
        yield Row(key, 0, bytes=given.bytes, error="unreadable", error_detail=str(error))
        return
    if len(content) > MAX_PAYLOAD_BYTES:
        yield Row(key, 0, bytes=len(content), error="too_big", error_detail=f"more than {MAX_PAYLOAD_BYTES} bytes")
        return
    yield Row(key, 0, bytes=len(content), content=content, content_type=_type(given.name))


def _type(name: str) -> str | None:
    """What a page is by its suffix; None, which says that its bytes decide, for one that tells nothing."""
    return _TYPES.get(formats.suffix(name))
