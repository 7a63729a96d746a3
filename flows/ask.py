"""Answers on the command line: a query's rows, a model's completion."""

from __future__ import annotations

import sys

import pyarrow as pa
from rich.console import Console

from dashboards import query
from dashboards.table import as_csv, as_json, grid, visible
from pipeline.store import Store

FORMS = ("table", "csv", "json")


def answer(out: Console, root: str, question: str | None, form: str) -> None:
    """Print what a statement or a stored query finds; without a question, the stored queries' names."""
    if form not in FORMS:
        raise ValueError(f"--format: expected one of {', '.join(FORMS)}, not {form!r}")
    if question is None:
        names = query.names()
        out.print(grid(pa.table({"name": list(names), "question": list(names.values())})))
        return
    store = Store(root)
    if form == "table":
        out.print(grid(query.run(store, question)))
        return
    with query.stream(store, question) as reader:
        pieces = as_csv(reader.schema.names, reader) if form == "csv" else as_json(reader)
        for piece in pieces:
            sys.stdout.write(piece)


def complete(out: Console, root: str, recipe: str, prompt: str, max_tokens: int, seed: int) -> None:
    """Print a prompt and how the recipe's model goes on."""
    from flows import job, process, stages

    made = job.make(recipe, root)
    run = stages.current(made.store, "runs", made.recipe.name)
    text = process.generate(made.store, run, prompt, max_tokens, seed)
    out.print(visible(text, keep="\n"), markup=False, highlight=False)
