"""How well a tokenizer fits, as a table for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboards.table import visible
from flows.stages import Stage
from pipeline.store import Store
from pipeline.tokenizer.report import REPORT_FILE

MAX_ROWS = 20  # of a report that are shown
# Bytes a token of GPT-2's 50,257 entries, as nanochat's `tok_eval` publishes them: of 4.2 MB of FineWeb-Edu, of a program, of an article.
_GPT2 = "for comparison, GPT-2 has 4.67 bytes per token of English web pages, 2.19 of code, 1.20 of Korean"
_FIGURES = ("documents", "bytes", "tokens", "bytes_per_token", "words_per_token", "round_trip_failures")


def show(out: Console, root: str, done: Iterable[Stage]) -> None:
    """The report of the tokenizer that a run has made, or found in place: the most text first."""
    for stage in done:
        if stage.name == "tokenizer":
            rows = Store(root).table(f"{stage.path}/{REPORT_FILE}").sort_by([("bytes", "descending")]).to_pylist()
            out.print(_table(rows[:MAX_ROWS]))
            if len(rows) > MAX_ROWS:
                out.print(f"and {len(rows) - MAX_ROWS:,} more rows in `tokenizer_report`")
            out.print(f"{stage.counts['unused_entries']:,} of {stage.counts['vocabulary']:,} entries stand nowhere in the sample of train")
            out.print(_GPT2)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("split", "source", "language"):
        table.add_column(column, overflow="fold")
    for column in _FIGURES:
        table.add_column(column.replace("_", " "), justify="right", overflow="fold")
    for row in rows:
        texts = (Text(visible(row[name])) for name in ("split", "source", "language"))
        table.add_row(*texts, *("" if row[name] is None else f"{row[name]:,}" for name in _FIGURES))
    return table
