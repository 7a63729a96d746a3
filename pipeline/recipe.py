"""A recipe: TOML in, typed settings out, or one line that says which file, which key and what was expected.

The steps' own settings are typed by the steps, and the tables of later stages by whoever owns them: `load` is told
about those. A recipe decides nothing about machines or places.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import pyarrow as pa
from pydantic import Field, model_validator

from pipeline import schema
from pipeline import step as steps
from pipeline.common_crawl.config import CommonCrawlConfig
from pipeline.crawl.config import CrawlConfig
from pipeline.dedup.config import DedupConfig
from pipeline.mixture import MixtureConfig
from pipeline.order import OrderConfig
from pipeline.override import override
from pipeline.pack import PackConfig
from pipeline.split import SplitConfig
from pipeline.step import Bound, StepConfig, Strict, matching
from pipeline.tokenizer import TokenizerConfig
from pipeline.typed import RecipeError, Table, tables, typed

Model = TypeVar("Model", bound=Strict)
LEDGER = ("ingest", "host_lines", "lines", "substrings", "exact", "near", "split")  # what besides steps decides a fate
LANGUAGE_STEP = "language"  # the step whose signal `code` says which of a bound's `by_language` holds for a row
Name = Annotated[str, matching(r"[a-z0-9][a-z0-9_-]{0,63}", "a name of lower-case letters, digits, - and _")]


class Source(Strict):
    """Where records come from: a crawl of ours, or files that are there."""

    name: Name
    format: Literal["warc", "jsonl", "parquet", "arrow", "csv", "pages"] = "warc"
    files: Annotated[tuple[str, ...], Field(strict=False)] = ()  # paths or patterns, relative to the recipe's folder, or s3://…
    crawl: CrawlConfig | None = None
    crawled: Name | None = None  # the name that `corpusmill crawl … --into` was given
    common_crawl: CommonCrawlConfig | None = None
    text_key: str = "text"  # the field, or column, that is the text; one in another is written `outer.inner`
    html_key: str | None = None  # the field that is a page, in place of a text
    id_key: str | None = None  # without it a file's digest and a record's place in it identify a record
    url_key: str = "url"
    date_key: str | None = None  # when it was fetched or written
    delimiter: Annotated[str, matching(r'[^"\r\n]', "one character, no quotation mark")] = ","  # between the fields of `csv`
    split_mb: Annotated[int, Field(gt=0)] = 128  # a larger file is read in parts of about so many megabytes

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if [bool(self.files), bool(self.crawl), bool(self.crawled), bool(self.common_crawl)].count(True) != 1:
            raise ValueError("expected one of `files`, `crawl`, `crawled` and `common_crawl`")
        if self.format != "warc" and not self.files:
            raise ValueError("expected `files` for a format other than warc: a crawl is WARC")
        return self


class Limits(Strict):
    """When a run stops rather than going on with what it has."""

    max_error_share: Annotated[float, Field(ge=0, le=1)] = 0.2  # of a source's records that could not be read or worked on


@dataclass(frozen=True)
class StepUse:
    """A step as a recipe uses it: its name there, its settings, and the bounds on its signals."""

    name: str  # the column prefix: `as`, or the step's own name
    use: str
    config: StepConfig
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    gate: bool = False

    @property
    def step(self) -> steps.Step:
        """The module of `pipeline/steps/`."""
        return steps.find(self.use)


@dataclass(frozen=True)
class Recipe:
    """Everything that a run depends on, but the input."""

    name: str
    folder: Path
    sources: tuple[Source, ...]
    steps: tuple[StepUse, ...]
    limits: Limits
    dedup: DedupConfig
    split: SplitConfig
    tokenizer: TokenizerConfig
    tokens: PackConfig
    mixture: MixtureConfig
    order: OrderConfig
    sections: Mapping[str, Strict]  # the tables of later stages, by name

    def section(self, kind: type[Model]) -> Model:
        """The table of a later stage, by the type that `load` was told for it."""
        return next(section for section in self.sections.values() if isinstance(section, kind))


_TABLES: dict[str, type[Strict]] = {
    "limits": Limits,
    "dedup": DedupConfig,
    "split": SplitConfig,
    "tokenizer": TokenizerConfig,
    "tokens": PackConfig,
    "mixture": MixtureConfig,
    "order": OrderConfig,
}


def load(
    path: Path, overrides: tuple[str, ...] = (), sections: Mapping[str, type[Strict]] | None = None, folder: Path | None = None
) -> Recipe:
    """Read a recipe. `overrides` are `key=value` as on the command line; `sections` types further tables by name.

    Paths in it are relative to `folder`, its own unless told. Raises RecipeError.
    """
    return made(_read(path), path.name, folder or path.parent, overrides, sections or {})


def made(table: Table, file: str, folder: Path, overrides: tuple[str, ...], sections: Mapping[str, type[Strict]]) -> Recipe:
    """The recipe that a table is, as if it stood in that file of that folder. Raises RecipeError."""
    entries = tables(table, "step", file)
    tables(table, "source", file)
    later = {**_TABLES, **sections}
    for change in overrides:
        override(table, change, later)
    known = {"name", "source", "step", *later}
    for key in table:
        if key not in known:
            raise RecipeError(file, key, f"unknown key; expected one of {', '.join(sorted(known))}")
    context = {"folder": folder}
    sources = tuple(typed(Source, entry, file, f"source[{i}]", context) for i, entry in enumerate(tables(table, "source", file)))
    if repeated := _repeated([source.name for source in sources]):
        raise RecipeError(file, "source.name", f"{repeated!r} is used twice; expected a name of its own for each source")
    found = {name: typed(model, table.get(name, {}), file, name, context) for name, model in later.items()}
    uses = _steps(entries, file, context)
    _check_preferred(found["dedup"], uses, file)
    _check_mixture(found["mixture"], uses, file)
    return Recipe(
        name=typed(_Named, {"name": table.get("name", file.removesuffix(".toml"))}, file, "", context).name,
        folder=folder,
        sources=sources,
        steps=uses,
        sections={name: found[name] for name in sections},
        **{name: found[name] for name in _TABLES},  # type: ignore[arg-type]  # each is an instance of the class in _TABLES
    )


def _check_mixture(mixture: Strict, uses: tuple[StepUse, ...], file: str) -> None:
    known = ["source", *(f"{use.name}_{signal}" for use in uses for signal in use.step.SIGNALS)]
    if unknown := [column for column in cast(MixtureConfig, mixture).by if column not in known]:
        raise RecipeError(file, "mixture.by", f"{unknown[0]!r} is no signal of the recipe; expected among {', '.join(known)}")


class _Named(Strict):
    name: Name


class _Use(Strict):
    as_: Name = Field(alias="as")


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RecipeError(str(path), "", "no such file; expected a recipe in TOML") from None
    except OSError as error:
        raise RecipeError(str(path), "", f"expected a readable file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(str(path), "", f"expected TOML in UTF-8: {error}") from None


def _repeated(names: list[str]) -> str | None:
    return next((name for i, name in enumerate(names) if name in names[:i]), None)


def _steps(entries: list[Table], file: str, context: Mapping[str, Any]) -> tuple[StepUse, ...]:
    uses = tuple(_step(entry, file, f"step[{i}]", context) for i, entry in enumerate(entries))
    if repeated := _repeated([use.name for use in uses]):
        raise RecipeError(file, "step", f"{repeated!r} is used twice; give each use a name of its own with `as`")
    columns = [*schema.SIGNALS.names, *(f"{use.name}_{signal}" for use in uses for signal in use.step.SIGNALS)]
    if repeated := _repeated(columns):
        raise RecipeError(file, "step", f"two signals would have the column {repeated!r}; give one step another name with `as`")
    for place, use in enumerate(uses):
        known = any(earlier.name == LANGUAGE_STEP for earlier in uses[:place])
        for signal, bound in use.bounds.items():
            if bound.by_language and not known:
                key = f"step[{place}] ({use.name}).keep.{signal}.by_language"
                raise RecipeError(file, key, f"expected a step named {LANGUAGE_STEP!r} before this one, to tell a row's language")
    return uses


def _check_preferred(dedup: Strict, uses: tuple[StepUse, ...], file: str) -> None:
    """Whether the signal by which copies are preferred is one that a step measures as a number."""
    wanted = cast(DedupConfig, dedup).signal
    known = [f"{use.name}_{name}" for use in uses for name, (kind, _) in use.step.SIGNALS.items() if not pa.types.is_string(kind)]
    if wanted and wanted not in known:
        problem = f"no step measures a number {wanted!r}; expected one of {', '.join(known) or 'a step that measures'}"
        raise RecipeError(file, "dedup.prefer", problem)


def _step(entry: Table, file: str, key: str, context: Mapping[str, Any]) -> StepUse:
    settings = {k: v for k, v in entry.items() if k not in ("use", "as", "keep", "gate")}
    use, gate, keep = entry.get("use"), entry.get("gate", False), entry.get("keep", {})
    if use not in steps.names():
        raise RecipeError(file, f"{key}.use", f"unknown step {use!r}; expected one of {', '.join(steps.names())}")
    name = typed(_Use, {"as": entry.get("as", use)}, file, key, context).as_
    if name in LEDGER:
        raise RecipeError(file, f"{key}.as", f"{name!r} is a name in every ledger of fates; expected another than {', '.join(LEDGER)}")
    if not isinstance(gate, bool):
        raise RecipeError(file, f"{key} ({name}).gate", f"expected true or false, not {gate!r}")
    if not isinstance(keep, dict):
        raise RecipeError(file, f"{key} ({name}).keep", f"expected a table of bounds, not {keep!r}")
    step = steps.find(use)
    if signals := [each for each in settings if each in step.SIGNALS and each not in step.Config.model_fields]:
        raise RecipeError(file, f"{key} ({name}).{signals[0]}", f"a signal; expected its bound as keep.{signals[0]} = {{ min = … }}")
    known = [*step.Config.model_fields, *(f"keep.{signal}" for signal in step.SIGNALS)]
    if unknown := [each for each in settings if each not in known]:
        raise RecipeError(file, f"{key} ({name}).{unknown[0]}", f"unknown key; expected one of {', '.join(known)}")
    bounds = _bounds(step, keep, file, f"{key} ({name}).keep", context)
    return StepUse(name, use, typed(step.Config, settings, file, f"{key} ({name})", context), bounds, gate)


def _bounds(step: steps.Step, keep: Table, file: str, key: str, context: Mapping[str, Any]) -> dict[str, Bound]:
    """The published bounds, each limit replaced where the recipe says so; `false` takes a bound away."""
    bounds = dict(step.BOUNDS)
    for signal, change in keep.items():
        where = f"{key}.{signal}"
        if signal not in step.SIGNALS:
            raise RecipeError(file, where, f"unknown signal; expected one of {', '.join(step.SIGNALS)}")
        if change is False:
            bounds.pop(signal, None)
            continue
        if not isinstance(change, dict):
            raise RecipeError(file, where, f"expected a table such as {{ min = 1 }}, or false, not {change!r}")
        published = bounds.get(signal, Bound()).model_dump(by_alias=True, exclude_unset=True)
        bounds[signal] = bound = typed(Bound, {**published, **change}, file, where, context)
        _check_kind(bound, step.SIGNALS[signal][0], file, where)
    return bounds


def _check_kind(bound: Bound, kind: pa.DataType, file: str, key: str) -> None:
    is_text = pa.types.is_string(kind)
    for each in (bound, *bound.by_language.values()):
        if is_text and (each.min is not None or each.max is not None):
            raise RecipeError(file, key, "expected `in` or `not_in`: the signal is a text")
        if not is_text and (each.in_ is not None or each.not_in is not None):
            raise RecipeError(file, key, "expected `min` or `max`: the signal is a number")
