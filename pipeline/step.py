"""A step: a pure function of one record batch.

A step is a module of `pipeline/steps/` with `VERSION`, `USES`, `Config`, `SIGNALS`, `BOUNDS` and
`run(batch, config) -> StepResult`. Same batch and configuration, same bytes, however rows are split into
batches. A step measures; bounds, which a recipe may change, decide.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import pkgutil
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Protocol

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo, model_validator

from pipeline import lists

RACY_NS = 3_000_000_000  # a file may change again within its time stamp's last tick


class Strict(BaseModel):
    """A frozen configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class StepConfig(Strict):
    """The settings of one step."""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _content(path: str) -> str:
    """The digest of a file, which is read once for all shards that ask; one that has just changed may do so again, unseen."""
    found = lists.state(path)
    return _digest(found) if time.time_ns() - found.modified_ns > RACY_NS else digest(Path(path))


@cache
def _digest(found: lists.State) -> str:
    return digest(Path(found.path))


def _existing(path: str, info: ValidationInfo) -> str:
    found = Path(info.context["folder"] if info.context else ".", path)
    if not found.is_file():
        raise ValueError(f"expected a file that exists, not {path!r}")
    return str(found)


def matching(pattern: str, expected: str) -> AfterValidator:
    """For a text of this pattern, which an error tells in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}, not {text!r}")
        return text

    return AfterValidator(check)


# A path in a recipe, relative to the recipe's own folder, whose file matters by its content: fingerprints see the
# digest, never the path.
File = Annotated[str, AfterValidator(_existing), PlainSerializer(_content, when_used="json")]


def _finite(value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise ValueError("expected a number, not nan")
    return None if value is None or math.isinf(value) else value


# `inf` and `-inf` are no limit: so a recipe takes a published one away.
Limit = Annotated[float | None, AfterValidator(_finite)]
Values = Annotated[tuple[str, ...] | None, Field(strict=False)]


class Bound(Strict):
    """What is kept: `min` and `max` are inclusive, compared as 64-bit floats.

    `by_language` replaces single limits for rows of that language. A null value is out of bounds unless `null` is true.
    """

    min: Limit = None
    max: Limit = None
    in_: Values = Field(default=None, alias="in")
    not_in: Values = None
    by_language: Mapping[str, Bound] = {}
    null: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Bound:
        if nested := [name for name, bound in self.by_language.items() if bound.by_language]:
            raise ValueError(f"expected limits for {nested[0]}, not a further by_language")
        for language, bound in [("", self), *((f" for {name}", self.for_language(name)) for name in self.by_language)]:
            if bound.min is not None and bound.max is not None and bound.min > bound.max:
                raise ValueError(f"expected min <= max{language}, not min {bound.min:g} above max {bound.max:g}")
        return self

    def for_language(self, language: str) -> Bound:
        """The limits for rows of one language: its own where it has them, else the general ones."""
        own = self.by_language.get(language)
        return self.model_copy(update={**own.model_dump(exclude_unset=True), "by_language": {}}) if own else self


@dataclass(frozen=True)
class RowError:
    """Why a step could not work on a row: the row's fate is `<step>.<kind>`."""

    kind: str
    detail: str


@dataclass(frozen=True)
class StepResult:
    """What a step made of a batch: every array has the batch's length.

    `signals` are named as in the step's `SIGNALS`. `columns` are metadata that travel with the text (a title).
    `errors` maps a row's index to why it failed: such a row skips the later steps, and its other values here are null.
    """

    text: pa.Array | None = None
    signals: Mapping[str, pa.Array] = field(default_factory=dict)
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    errors: Mapping[int, RowError] = field(default_factory=dict)


class Step(Protocol):
    """What a module of `pipeline/steps/` offers."""

    VERSION: int
    USES: tuple[str, ...]
    Config: type[StepConfig]
    SIGNALS: Mapping[str, tuple[pa.DataType, str]]  # name: (type, unit and meaning)
    BOUNDS: Mapping[str, Bound]

    @staticmethod
    def run(batch: pa.RecordBatch, config: Any) -> StepResult:
        """What the step makes of a batch."""
        ...


@cache
def names() -> tuple[str, ...]:
    """The names of all steps: the modules of `pipeline/steps/`."""
    from pipeline import steps  # noqa: PLC0415  # looked at when asked: it may have grown

    return tuple(sorted(module.name for module in pkgutil.iter_modules(steps.__path__)))


def find(name: str) -> Step:
    """The step of that name, imported on demand; `LookupError` where there is none."""
    if name not in names():
        raise LookupError(f"no step {name!r}; there are {', '.join(names())}")
    module: Any = importlib.import_module(f"pipeline.steps.{name}")
    return module


def columns(step: Step) -> Mapping[str, tuple[pa.DataType, str]]:
    """What a step's `COLUMNS` add to the text (a title), where it has any: name, type and meaning."""
    added: Mapping[str, tuple[pa.DataType, str]] = getattr(step, "COLUMNS", {})
    return added


@cache
def versions(uses: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of the libraries whose version changes a step's output."""
    return {library: metadata.version(library) for library in uses}
