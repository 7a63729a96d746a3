"""The records of evaluation files: JSON Lines, or plain text with a record a line; either may be gzipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

_JSON_LINES = (".jsonl", ".ndjson")


def records(path: str, text_keys: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Each text of a file with the number of its line, from 1; blank lines are none.

    In files named `.jsonl` or `.ndjson` each of `text_keys` that an object has is a text; it must have one. `ValueError`
    where it has none, and where a line is not what it should be.
    """
    named = path.removesuffix(".gz")
    with gzip.open(path) if named != path else Path(path).open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield from ((number, text) for text in (_texts(line, text_keys) if named.endswith(_JSON_LINES) else [line.decode()]))
            except (UnicodeDecodeError, json.JSONDecodeError) as error:
                raise ValueError(f"{path}, line {number}: expected {_expected(named)}: {error}") from error
            except LookupError as error:
                raise ValueError(f"{path}, line {number}: expected an object with a text {' or '.join(map(repr, text_keys))}") from error


def _expected(named: str) -> str:
    return "JSON" if named.endswith(_JSON_LINES) else "UTF-8"


def _texts(line: bytes, text_keys: tuple[str, ...]) -> list[str]:
    record = json.loads(line)
    texts = [record[key] for key in text_keys if isinstance(record.get(key), str)] if isinstance(record, dict) else []
    if not texts:
        raise LookupError
    return texts
