"""One document's whole life, from the URL that a crawl saw to the training steps that read it."""

from __future__ import annotations

import uuid
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Console

from dashboards.table import grid, shown, visible
from flows import changes, history
from flows.job import Job
from pipeline import catalog
from pipeline.typed import RecipeError

LOGGED = (
    "select crawl, edition, outcome, detail, status, depth, referrer, canonical, fetched_at, etag, last_modified, warc "
    "from crawl_log where url = ? order by crawl, edition"
)
# What is asked for each document, in the order of its life. Every statement takes one doc_id.
LIFE = {
    "record": 'select source, id, url, file, "offset", bytes, fetched_at, content_type, error from records where doc_id = ?',
    "fate": "select kept, rule, value, bound, array_to_string(broken, ', ') as broken, gated_by, duplicate_of, twin_corpus, similarity, "
    "detail from fates where doc_id = ?",
    "repeats cut": 'select corpus, rule, count(*) as cuts, sum("end" - start)::bigint as bytes from cuts where doc_id = ? '
    "group by all order by all",
    "the first of them": """select pages, substr(trim(decode(encode(text)[start + 1:"end"]), e' \\t\\r\\n'), 1, 200) as text
    from cuts join texts using (corpus, doc_id) where doc_id = ? order by corpus, start limit 10""",
    "the twin that won over it": "select id, url, source, doc_id from records "
    "where doc_id in (select duplicate_of from fates where doc_id = ?)",
    "dropped for it": "select kind, similarity, id, url, doc_id from duplicates join records using (doc_id, corpus) where duplicate_of = ? "
    "order by similarity desc, url limit 10",
    "split and tokens": "select split, tokens, bytes, token_set from tokens where doc_id = ?",
    "training": "select run, count(*) as steps, min(step) as first_step, max(step) as last_step, avg(loss) as mean_loss "
    "from document_losses where doc_id = ? group by run",
}
BOUNDS = """
SELECT step || '_' || signal AS signal,
       string_agg(concat_ws(' ', nullif(language, ''), kind, printf('%g', bound)), ', ' ORDER BY language, kind DESC) AS keeps
FROM bounds WHERE corpus = ? GROUP BY ALL
"""
BROKEN = """
SELECT replace(regexp_replace(unnest(broken), '[.][a-z_]+$', ''), '.', '_') AS signal FROM fates WHERE doc_id = ? AND corpus = ?
"""


def show(out: Console, job: Job, which: str) -> None:
    """Print the life of the document, or of every record of the URL or of that id of its own. LookupError where neither is known.

    The job's recipe is that whose steps the text is followed through, where it made the document's corpus.
    """
    store = job.store
    with catalog.connect(store) as connection:
        known = _identify(connection, which)
        logged = _ask(connection, LOGGED, which)
        if not known and not logged.num_rows:
            raise LookupError(f"{visible(which)}: no record and no line of a crawl log has this doc_id, id or URL")
        _section(out, "crawl log", logged)
        for doc_id in known:
            out.rule(str(doc_id), style="dim")
            for title, statement in LIFE.items():
                _section(out, title, _ask(connection, statement, doc_id))
            _signals(out, connection, doc_id)
            _history(out, job, doc_id)
            _text(out, connection, doc_id)


def _identify(connection: duckdb.DuckDBPyConnection, which: str) -> list[uuid.UUID]:
    try:
        asked = uuid.UUID(which)
    except ValueError:
        found = _ask(connection, "select distinct doc_id from records where url = ? or id = ? order by doc_id", which, which)
    else:
        found = _ask(connection, "select distinct doc_id from records where doc_id = ? or id = ? order by doc_id", asked, which)
    return [uuid.UUID(str(value)) for value in found["doc_id"].to_pylist()]


def _ask(connection: duckdb.DuckDBPyConnection, statement: str, *values: Any) -> pa.Table:
    return connection.sql(statement, params=list(values)).to_arrow_table()


def _section(out: Console, title: str, table: pa.Table) -> None:
    """A table of one row stands upright, without its nulls; an empty one not at all."""
    if not table.num_rows:
        return
    out.print(f"\n[bold]{title}[/]")
    if table.num_rows == 1:
        (row,) = table.to_pylist()
        table = pa.table({"": [name for name, value in row.items() if value not in (None, "")]}).append_column(
            " ", pa.array([visible(str(value)) for value in row.values() if value not in (None, "")], pa.string())
        )
    out.print(grid(table))


def _signals(out: Console, connection: duckdb.DuckDBPyConnection, doc_id: uuid.UUID) -> None:
    """What was measured, the bounds on it, and which of them it broke."""
    measured = _ask(connection, "select * exclude (doc_id) from signals where doc_id = ? order by corpus limit 1", doc_id)
    for row in measured.to_pylist():
        corpus = row.pop("corpus")
        keeps = {each["signal"]: each["keeps"] for each in _ask(connection, BOUNDS, corpus).to_pylist()}
        broken = _ask(connection, BROKEN, doc_id, corpus)["signal"].to_pylist()
        rows = [(name, shown(value), keeps.get(name), "✗" if name in broken else "") for name, value in row.items() if value is not None]
        _section(
            out, "signals", pa.table(dict(zip(("signal", "value", "bounds", "broken"), map(list, zip(*rows, strict=True)), strict=True)))
        )


def _history(out: Console, job: Job, doc_id: uuid.UUID) -> None:
    """What each step changed in the text."""
    try:
        made = history.of(job, doc_id)
    except (FileNotFoundError, RecipeError) as error:  # the raw files may be gone, or of another recipe
        out.print(
            "\nThe text from step to step needs the document's recipe (--recipe) and its files; "
            f"with {job.recipe.name}: {visible(str(error))}",
            style="dim",
            markup=False,
        )
        return
    for change in made:
        if change.before is None:
            out.print(f"\n[bold]{change.step}[/] made a text of {len(change.after):,} characters")
        else:
            out.print(f"\n[bold]{change.step}[/] changed the text, {len(change.before):,} to {len(change.after):,} characters")
            changes.show(out, change.before, change.after)


def _text(out: Console, connection: duckdb.DuckDBPyConnection, doc_id: uuid.UUID) -> None:
    found = _ask(connection, "select substr(text, 1, 600) as text, length(text) as chars from texts where doc_id = ?", doc_id)
    for row in found.slice(0, 1).to_pylist():
        out.print(f"\n[bold]text[/], the first {len(row['text']):,} of {row['chars']:,} characters")
        out.print(visible(row["text"], keep="\n"), markup=False, highlight=False)
