"""A recipe's tables as typed settings, or one line that says which key is wrong and what was expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from pipeline.step import Strict

Table = dict[str, Any]
Model = TypeVar("Model", bound=Strict)
_SAID = {"tuple_type": "expected a list", "model_type": "expected a table", "dict_type": "expected a table"}  # in words of TOML


class RecipeError(ValueError):
    """A recipe that cannot be used: `file: key: expectation`, in one line."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(" ".join(": ".join(part for part in (file, key, problem) if part).split()))


def typed(model: type[Model], value: object, file: str, key: str, context: Mapping[str, Any]) -> Model:
    """The settings that a value of a recipe is. Raises RecipeError."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        first = error.errors()[0]
        keys, innermost = _located(model, first["loc"])
        where = ".".join(part for part in (key, *keys) if part)
        raise RecipeError(file, where, _expectation(first["type"], first["msg"], first["input"], innermost)) from None


def _located(model: type[Strict], places: tuple[int | str, ...]) -> tuple[list[str], type[Strict]]:
    """The keys that lead to an error, and the settings that hold the last of them. A place in a union is no key."""
    keys, inner = [], model
    for place in places:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if place in fields:
            inner = model
            model = next(_models(fields[str(place)].annotation), model)
        elif place == model.__name__ or str(place).endswith(f", {model.__name__}]"):
            continue
        else:
            inner = model
        keys.append(str(place))
    return keys, inner


def _models(annotation: Any) -> Iterator[type[Strict]]:
    """The settings that an annotation, or any part of it, names."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _expectation(kind: str, message: str, given: object, model: type[Strict]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key; expected one of {', '.join(field.alias or name for name, field in model.model_fields.items())}"
    if kind == "missing":
        return "missing; a value is expected"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    shown, said = repr(given), _SAID.get(kind, message)
    return f"{said[0].lower()}{said[1:]}, not {shown if len(shown) <= 60 else shown[:57] + '...'}"


def tables(table: Table, key: str, file: str) -> list[Table]:
    """The tables that a recipe writes `[[key]]`. Raises RecipeError."""
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RecipeError(file, key, f"expected tables written [[{key}]]")
    return entries
