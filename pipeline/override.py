"""What `--set` changes in a recipe before it is typed."""

from __future__ import annotations

import tomllib
from collections.abc import Collection

from pipeline import step as steps
from pipeline.typed import RecipeError, Table


def override(table: Table, change: str, known: Collection[str]) -> None:
    """Apply `step.signal.limit=value`, `step.setting=value`, `source.NAME.key=value` or `table.key=value`.

    `known` are the tables that a recipe may have. Raises RecipeError.
    """
    key, equals, text = change.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise RecipeError("--set", change, "expected key=value, such as gopher_quality.words.min=100")
    target = _target(table, parts, known)
    if target is None or not parts:
        there = ", ".join((*_steps(table), *(f"source.{name}" for name in _sources(table)), *sorted(known)))
        raise RecipeError("--set", change, f"expected a key within one of {there}")
    for part in parts[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise RecipeError("--set", change, f"{part!r} is no table")
    target[parts[-1]] = _value(text.strip())


def _target(table: Table, parts: list[str], known: Collection[str]) -> Table | None:
    """The table that the rest of `parts` is looked up in; what named it is taken off `parts`. None where nothing has that name."""
    first, *rest = parts
    if entry := _steps(table).get(first):
        use = entry.get("use")
        parts[:] = ["keep", *rest] if use in steps.names() and rest and rest[0] in steps.find(use).SIGNALS else rest
        return entry
    if first == "source":
        parts[:] = rest[1:]
        return _sources(table).get(rest[0]) if rest else None
    return table if rest and first in known else None


def _steps(table: Table) -> dict[str, Table]:
    return {str(entry.get("as", entry.get("use"))): entry for entry in table.get("step", [])}


def _sources(table: Table) -> dict[str, Table]:
    return {str(entry.get("name")): entry for entry in table.get("source", [])}


def _value(text: str) -> object:
    """A TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
