"""JSON Lines, plain or gzip: one object a line, its text under a key that the recipe names."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import Row
from pipeline.recipe import Source

VERSION = 1
USES = ()
GZIP_MAGIC = b"\x1f\x8b"


def lines(stream: BinaryIO) -> BinaryIO:
    """The lines of a plain or gzipped stream."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream))
    return cast(BinaryIO, gzip.GzipFile(fileobj=buffered)) if buffered.peek(2)[:2] == GZIP_MAGIC else buffered


def read(stream: BinaryIO, given: Input, source: Source) -> Iterator[Row]:
    """A row for each line; `offset` is the line's number, from 0."""
    number = -1
    try:
        for number, line in enumerate(lines(stream)):
            yield _row(line, number, given, source)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        yield Row(f"{given.digest}:{number + 1}:unreadable".encode(), number + 1, error="unreadable", error_detail=str(error))


def _row(line: bytes, number: int, given: Input, source: Source) -> Row:
    key = f"{given.digest}:{number}".encode()
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(key, number, bytes=len(line), error="not_json", error_detail=str(error))
    if not isinstance(found, dict) or not isinstance(found.get(source.text_key), str):
        return Row(key, number, bytes=len(line), error="no_text", error_detail=f"expected an object with a text under {source.text_key!r}")
    if source.id_key is not None:
        if not isinstance(found.get(source.id_key), str | int):
            return Row(key, number, bytes=len(line), error="no_id", error_detail=f"expected a text or an integer under {source.id_key!r}")
        key = str(found[source.id_key]).encode("utf-8", "surrogatepass")
    url = found.get(source.url_key)
    return Row(key, number, url=url if isinstance(url, str) else None, bytes=len(line), text=found[source.text_key])
