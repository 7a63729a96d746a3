"""What another bound would keep, as a table: documents, bytes and tokens against the bound."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from flows.job import current
from flows.usage import UsageError
from pipeline import catalog, whatif
from pipeline.store import Store
from training.settings import version

_SWEEP = re.compile(r"(?P<low>[^:]+):(?P<high>[^:]+):(?P<count>[0-9]+)")
MAX_LIMITS = 1000
BYTES_A_TOKEN = 4.0  # where no token set of the corpus tells
_RATIO = "select sum(bytes) / sum(tokens) as ratio from tokens where token_set = ?"


def limits(sweep: str) -> list[float]:
    """The limits of `A:B:N`: N of them, evenly from A to B, both included. UsageError where that is no sweep."""
    found = _SWEEP.fullmatch(sweep)
    try:
        low, high, count = (float(found["low"]), float(found["high"]), int(found["count"])) if found else (0.0, 0.0, 0)
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_LIMITS or not np.isfinite([low, high]).all():
        problem = f"expected A:B:N, from A to B in N steps (at most {MAX_LIMITS:,}), such as 10:200:20, not {sweep!r}"
        raise UsageError("--sweep", problem)
    return [float(value) for value in np.linspace(low, high, count)]


def show(out: Console, store: Store, name: str, rule: str, sweep: str, by: str | None) -> None:
    """A line for each limit, or for each limit and each source or language that any limit keeps.

    UsageError where something is asked amiss.
    """
    wanted = limits(sweep)
    place = current(store, "corpora", name)
    try:
        asked = whatif.rule(rule, whatif.steps_of(store, version(store, place)))
    except LookupError as error:
        raise UsageError(*error.args) from None
    found = whatif.sweep(store, place, asked, wanted)
    ratio, origin = _bytes_a_token(store, name)
    _table(out, _summed(found, by), asked, by, ratio)
    out.print(f"before deduplication; tokens estimated at {ratio:.2f} bytes each ({origin})", style="dim")
    if pc.sum(found["unknown"]).as_py():
        out.print("unknown: let on by the looser gate to steps that have not run on them", style="dim")


def _bytes_a_token(store: Store, name: str) -> tuple[float, str]:
    with catalog.connect(store) as connection:
        (ratio,) = connection.execute(_RATIO, [name]).fetchone() or (None,)
    return (float(ratio), "as in the current token set") if ratio else (BYTES_A_TOKEN, "no token set yet")


def _summed(found: pa.Table, by: str | None) -> list[dict[str, Any]]:
    keys = ["limit", *([by] if by else [])]
    counts = ["documents", "bytes", "unknown"]
    summed = found.group_by(keys, use_threads=False).aggregate([(count, "sum") for count in counts]).rename_columns([*keys, *counts])
    rows: list[dict[str, Any]] = summed.sort_by([(key, "ascending") for key in keys]).to_pylist()
    there = {row[by] for row in rows if row["documents"] or row["unknown"]} if by else set()
    return [row for row in rows if not by or row[by] in there]


def _table(out: Console, rows: list[dict[str, Any]], asked: whatif.Rule, by: str | None, ratio: float) -> None:
    table = Table(box=None, pad_edge=False, title=f"{asked.step}.{asked.signal}.{asked.kind}", title_justify="left")
    for column in (asked.kind, *([by] if by else []), "documents", "bytes", "tokens, estimated", "unknown"):
        table.add_column(column, justify="left" if column == by else "right")
    for limit, group in groupby(rows, key=lambda row: row["limit"]):
        for number, row in enumerate(group):
            label = [row[by] or "none told"] if by else []
            counts = (f"{row['documents']:,}", f"{row['bytes']:,}", f"{row['bytes'] / ratio:,.0f}", f"{row['unknown']:,}")
            table.add_row("" if number else f"{limit:.6g}", *label, *counts)
    out.print(table)
