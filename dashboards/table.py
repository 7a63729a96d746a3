"""A table for people and for programs. Text from the web is data: none of it reaches a terminal as a command."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

MAX_CELL_CHARS = 200
MAX_ROWS = 100
_MARKS = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
# Controls, directions and joiners, surrogates, private use, unassigned, line and paragraph separators (Unicode, table 4-4).
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def visible(text: str, keep: str = "") -> str:
    """The text with every control and every other sign without a shape spelled out, but for those in `keep`."""
    return "".join(sign if sign in keep or unicodedata.category(sign) not in _HIDDEN else _spelled(sign) for sign in text)


def _spelled(sign: str) -> str:
    code = ord(sign)
    return _MARKS.get(sign) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def plain(value: Any) -> Any:
    """A value of Arrow as JSON has it: times as ISO 8601, bytes in hexadecimal, what is no number as null."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, float | Decimal):
        return _number(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.hex() if isinstance(value, bytes) else value.isoformat() if isinstance(value, date) else str(value)


def _number(value: float | Decimal) -> int | float | None:
    if not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else float(value)


def shown(value: Any) -> str:
    """A value for a person, on one line; nothing for null."""
    value = plain(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return visible(value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False))


def numeric(kind: pa.DataType) -> bool:
    """Whether values of this type are numbers, which stand to the right."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def grid(table: pa.Table, max_rows: int = MAX_ROWS) -> Table:
    """The table as rich prints it: numbers to the right, long cells and long tables cut, and said so."""
    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in table.schema:
        made.add_column(Text(visible(column.name)), justify="right" if numeric(column.type) else "left", overflow="fold")
    for row in _values(table.slice(0, max_rows)):
        made.add_row(*(Text(_cut(shown(value))) for value in row))
    if table.num_rows > max_rows:
        made.caption = f"{max_rows:,} of {table.num_rows:,} rows; --format csv has all"
        made.min_width = len(made.caption)
    return made


def _values(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Row by row. Not by column name: two columns may have the same one."""
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def render(table: pa.Table, width: int | None = None, max_rows: int = MAX_ROWS) -> str:
    """The table as text without colours; `width` is in columns, the terminal's where it is None."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(grid(table, max_rows))
    return capture.get()


def as_csv(columns: list[str], batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """CSV (RFC 4180) with a header, in pieces. Signs without a shape are spelled out, but for line ends and tabs."""
    yield _csv_lines([[visible(name) for name in columns]])
    for batch in batches:
        yield _csv_lines([_csv_cell(value) for value in row] for row in _values(batch))


def _csv_cell(value: Any) -> str:
    value = plain(value)
    if value is None:
        return ""
    return visible(value, keep="\n\t") if isinstance(value, str) else json.dumps(value)


def _csv_lines(rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def as_json(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """A JSON array in pieces, an object a row and a row a line, in ASCII: nothing is lost, and no terminal is moved."""
    before = "["
    for batch in batches:
        for row in batch.to_pylist():
            yield before + "\n" + json.dumps(plain(row), allow_nan=False)
            before = ","
    yield "[]\n" if before == "[" else "\n]\n"
