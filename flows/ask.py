"""Answers on the command line: a query's rows, a model's completion."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.markup import escape

from dashboards import query
from dashboards.table import as_csv, as_json, grid, visible
from flows import process
from flows.job import Job, current
from flows.usage import UsageError
from pipeline.store import Store

FORMS = ("table", "csv", "json")


def answer(out: Console, root: str, question: str | None, form: str) -> None:
    """Print what a statement or a stored query finds; without a question, the stored queries' names."""
    if form not in FORMS:
        raise UsageError("--format", f"expected one of {', '.join(FORMS)}, not {form!r}")
    if question is None:
        names = query.names()
        out.print(grid(pa.table({"name": list(names), "question": list(names.values())})))
        return
    store = Store(root)
    if store.local and not Path(root).exists():
        raise FileNotFoundError(f"{root}: no such folder; a root that a run has filled was expected")
    if form == "table":
        out.print(grid(query.run(store, question)))
        return
    with query.stream(store, question) as reader:
        pieces = as_csv(reader.schema.names, reader) if form == "csv" else as_json(reader)
        for piece in pieces:
            sys.stdout.write(piece)


def complete(out: Console, made: Job, prompt: str, **drawn: int) -> None:
    """Print how the model of a job's recipe goes on from a prompt."""
    folder = f"{current(made.store, 'runs', made.recipe.name)}/model"
    text = process.generate(made.store, folder, prompt, **drawn)
    out.print(f"[dim]{escape(visible(prompt))}[/]{escape(visible(text, keep=chr(10)))}", highlight=False)
