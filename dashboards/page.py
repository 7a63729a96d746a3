"""The parts of a page as data, and the page as HTML: self-contained, without scripts, every text escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards.table import numeric, shown, visible

MAX_ROWS = 12  # of a table
MAX_CELL_CHARS = 160
MAX_WHOLE_CHARS = 22  # of a name or an address that stays in one line
_KEYS = {"lengths": ("kept", "dropped"), "near_misses": ("within its bounds", "beyond one")}  # of a section's colours
_OWNERS = ("corpus", "crawl", "token_set", "run")  # columns that say whose a row is: left out where all are one's


@dataclass(frozen=True)
class Tile:
    """A figure to know first."""

    label: str
    value: str
    remark: str


@dataclass(frozen=True)
class Cell:
    """A value of a table; `bar` is the length, in percent, of the bar behind it."""

    text: str
    numeric: bool
    bar: float | None = None


@dataclass(frozen=True)
class Rows:
    """A table's headings, its cells, and how many rows are not shown."""

    headings: list[Cell]
    cells: list[list[Cell]]
    left_out: int


@dataclass(frozen=True)
class Figure:
    """A chart, and what it shows."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Sample:
    """A text: what became of it, where it came from, how it begins, and what a model made of that."""

    fate: str
    kept: bool
    origin: str
    text: str
    completion: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page. `query` is the stored one that tells more. One that has nothing to show says `nothing`."""

    query: str
    title: str
    text: str
    nothing: str
    figures: list[Figure] = field(default_factory=list)
    rows: Rows | None = None
    samples: list[Sample] = field(default_factory=list)
    wide: bool = False  # as the page, even where it is one table or chart

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.figures or self.samples or (self.rows and self.rows.cells))


def html(title: str, tiles: list[Tile], sections: list[Section]) -> str:
    """The page."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_displayed,
    )
    return templates.get_template("report.html.j2").render(title=title, tiles=tiles, sections=sections, keys=_KEYS)


def _displayed(value: Any) -> Any:
    """A text as it may stand on a page: a sign without a shape could turn around what follows it."""
    return visible(value, keep="\n") if type(value) is str else value


def rows(table: pa.Table, columns: tuple[str, ...], bar: str | None = None) -> Rows:
    """The named columns of the first rows, and whose they are where that differs."""
    owners = [name for name in _OWNERS if name in table.column_names and pc.count_distinct(table[name]).as_py() > 1]
    names = [*owners, *columns]
    numbers = {name: numeric(table.schema.field(name).type) for name in names}
    first = table.slice(0, MAX_ROWS).to_pylist()
    most = max((row[bar] or 0 for row in first), default=0) if bar else 0
    cells = [
        [
            Cell(_breakable(said(row[name], name)), numbers[name], 100 * (row[name] or 0) / most if most and name == bar else None)
            for name in names
        ]
        for row in first
    ]
    return Rows([Cell(name.replace("_", " "), numbers[name]) for name in names], cells, table.num_rows - len(first))


def _breakable(text: str) -> Markup:
    """The text escaped, with places where a name or an address may go on in the next line."""
    cut = visible(text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…")
    return Markup("<wbr>").join(re.split(r"(?<=[._/])", cut) if len(cut) > MAX_WHOLE_CHARS else [cut])


def said(value: Any, name: str) -> str:
    """A value as a column of that name says it: shares in percent, bytes in their multiples."""
    if value is not None and name.endswith("share"):
        return f"{value:.1%}"
    if value is not None and name == "bytes":
        return _size(value)
    return shown(value)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
