"""A record of named fields (a JSON object, a table's row) as a row: the recipe says which field is what."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from pipeline.ingest.rows import Row, utc
from pipeline.recipe import Source

Record = Mapping[str, Any]
_LISTED = 10  # names of fields in a message


def fields(source: Source) -> list[str]:
    """The names of the fields that the source maps; one that lies in another is written `outer.inner`."""
    named = (source.html_key or source.text_key, source.id_key, source.url_key, source.date_key)
    return list(dict.fromkeys(name for name in named if name))


def row(record: Record, key: bytes, offset: int, size: int, source: Source, names: Sequence[str] = ()) -> Row:
    """The row of one record. `key` identifies it where the source names no field that does; `size` is its bytes as it came.

    `names` are all of its fields, where the record holds some of them only.
    """
    about: dict[str, Any] = {"bytes": size}
    if source.id_key is not None:
        own = _identity(_at(record, source.id_key))
        if own is None:
            return Row(key, offset, bytes=size, error="no_id", error_detail=f"expected a text or an integer under {source.id_key!r}")
        key, about["id"] = own, own.decode("utf-8", "backslashreplace")
    url = _at(record, source.url_key)
    about["url"] = url if isinstance(url, str) else None
    if source.date_key is not None:
        about["fetched_at"] = _time(_at(record, source.date_key))
    found = _at(record, source.html_key or source.text_key)
    if not isinstance(found, str | bytes):
        return Row(key, offset, **about, error="no_text", error_detail=_no_text(found, source, names or list(record)))
    if source.html_key is not None:
        content = found if isinstance(found, bytes) else found.encode("utf-8", "replace")
        return Row(key, offset, **about, content=content, content_type="text/html", charset="utf-8" if isinstance(found, str) else None)
    if isinstance(found, bytes):
        return Row(key, offset, **about, content=found, content_type="text/plain")
    return Row(key, offset, **about, text=found)


def _no_text(found: Any, source: Source, names: Sequence[str]) -> str:
    wanted = f"expected a text under {source.html_key or source.text_key!r}"
    if found is not None:
        return f"{wanted}, not {type(found).__name__}"
    return f"{wanted}; there are {', '.join(map(repr, names[:_LISTED])) or 'no fields'}"


def _at(record: Record, name: str) -> Any:
    """The value of a field, by its whole name or else by the names that its dots divide."""
    if name in record:
        return record[name]
    found: Any = record
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _identity(value: Any) -> bytes | None:
    match value:
        case bytes():
            return value
        case str() | uuid.UUID():
            return str(value).encode("utf-8", "surrogatepass")
        case int() if not isinstance(value, bool):
            return str(value).encode()
        case _:
            return None


def _time(value: Any) -> datetime | None:
    """A time in UTC; None for what is no time (ISO 8601 where it is a text)."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return utc(value) if isinstance(value, datetime) else None
