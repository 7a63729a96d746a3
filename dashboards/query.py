"""Questions to the catalog: a stored one by its name, or a SELECT of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from dashboards.table import visible
from pipeline import catalog
from pipeline.store import Store

FOLDER = Path(__file__).parent / "queries"


def names() -> dict[str, str]:
    """The stored queries by name, each with the question that its first line asks."""
    return {name: stored(name).partition("\n")[0].removeprefix("--").strip() for name in _known()}


def stored(name: str) -> str:
    """The statement of a stored query; ValueError where there is none of that name."""
    if name not in _known():
        raise ValueError(f"no stored query {name!r}; expected one of {', '.join(_known())}, or a SELECT statement")
    return (FOLDER / f"{name}.sql").read_text("utf-8")


def run(store: Store, question: str) -> pa.Table:
    """The rows that answer a stored query's name or a SELECT statement. ValueError, in one line, where it is neither."""
    with catalog.connect(store) as connection:
        return ask(connection, question)


def ask(connection: duckdb.DuckDBPyConnection, question: str) -> pa.Table:
    """As `run`, on a connection of `catalog.connect`."""
    with _one_line_errors():
        return connection.sql(_statement(question)).to_arrow_table()


@contextmanager
def stream(store: Store, question: str) -> Iterator[pa.RecordBatchReader]:
    """As `run`, a bounded number of rows at a time: for answers as long as a corpus."""
    with catalog.connect(store) as connection, _one_line_errors():
        yield connection.sql(_statement(question)).to_arrow_reader()


def _known() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def _statement(question: str) -> str:
    """One statement that does nothing but read: COPY and its like would write into the root."""
    given = stored(question.strip()) if re.fullmatch(r"\w+", question.strip()) else question
    parsed = duckdb.extract_statements(given)
    if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
        raise ValueError(f"expected one SELECT (or FROM, WITH, DESCRIBE, SUMMARIZE, SHOW), not {visible(' '.join(given.split()))!r}")
    return parsed[0].query


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise ValueError(_one_line(error)) from None
    except OSError as error:
        if type(error) is not OSError:  # a pipe that closed, a full disk: not the statement's fault
            raise
        raise ValueError(_one_line(error)) from None  # what Arrow makes of an error that comes after the first rows


def _one_line(error: Exception) -> str:
    """What was wrong, without the picture of the statement that follows it."""
    return visible(" ".join(str(error).partition("\n\nLINE ")[0].split()))
