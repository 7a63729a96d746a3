"""One HTML page that says what a root holds, readable in a minute: what came in, what went, why, and what was learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from dashboards import charts
from dashboards.outlook import Outlook, outlooks
from dashboards.page import Figure, Sample, Section, Tile, html, rows, said
from dashboards.query import ask, stored
from dashboards.signals import Histogram, histograms
from dashboards.table import shown
from pipeline import catalog
from pipeline.store import Store

VERSION = 3
MAX_SIGNALS = 12
MAX_OUTLOOKS = 6
MAX_POINTS = 400  # of a loss curve
SAMPLE_CHARS = 320

_NO_CORPUS, _NO_EVALUATION = "No corpus yet.", "No model has been evaluated yet."

Connection = duckdb.DuckDBPyConnection
Part = Callable[[Connection, Store], Section]

_CORPORA = """
SELECT corpus, count(*) AS records, count(*) FILTER (kept) AS kept, avg(kept::INTEGER) AS kept_share,
       count(duplicate_of) AS duplicates, count(duplicate_of) / count(*) AS duplicate_share
FROM fates GROUP BY corpus ORDER BY corpus
"""
_TRAINING_TEXT = """
SELECT sum(tokens)::BIGINT AS tokens, sum(bytes) / sum(tokens) AS bytes_per_token
FROM tokens WHERE split = 'train' GROUP BY token_set ORDER BY token_set
"""
_MODELS = """
SELECT max(value) FILTER (name = 'model') AS model, max(value) FILTER (name = 'unigram') AS unigram
FROM evaluation_scores WHERE metric = 'bits_per_byte' AND split IS NULL AND breakdown IS NULL GROUP BY run ORDER BY run
"""
_LOSS = f"""
SELECT run, max(step) AS step, avg(loss) AS loss, avg(smooth) AS smooth
FROM (SELECT *, count(*) OVER (PARTITION BY run) // {MAX_POINTS} + 1 AS thinned FROM ({stored("loss_by_step")}))
GROUP BY run, step // thinned ORDER BY run, step
"""  # noqa: S608 - of our own statements, as are those below
_OVERALL = f"SELECT * FROM ({stored('bits_per_byte')}) WHERE split = 'all' AND breakdown = 'all' ORDER BY run, bits_per_byte, name"  # noqa: S608
_COMPLETIONS = f"SELECT * FROM ({stored('completions')}) ORDER BY run, doc_id LIMIT 6"  # noqa: S608
# A doc_id is a hash, so that its order is a draw.
_KEPT = "SELECT url, text FROM documents QUALIFY row_number() OVER (PARTITION BY corpus ORDER BY doc_id) <= 4 ORDER BY corpus, doc_id"
_DROPPED = f"SELECT DISTINCT ON (corpus, rule) * FROM ({stored('examples')}) ORDER BY corpus, rule, doc_id"  # noqa: S608


def page(store: Store) -> str:
    """The page about everything that is published under the root."""
    with catalog.connect(store) as connection:
        return html(store.root, _tiles(connection), [section(connection, store) for section in _SECTIONS])


def _tiles(connection: Connection) -> list[Tile]:
    return [
        *(tile for row in ask(connection, _CORPORA).to_pylist() for tile in _of_corpus(row)),
        *(
            Tile("training tokens", shown(row["tokens"]), f"{row['bytes_per_token']:.2f} bytes each")
            for row in ask(connection, _TRAINING_TEXT).to_pylist()
        ),
        *(
            Tile("final loss", f"{row['last_loss']:.3f}", f"from {row['first_loss']:.3f} in {row['steps']:,} steps")
            for row in ask(connection, "training").to_pylist()
        ),
        *(
            Tile("bits per byte", f"{row['model']:.3f}", f"held out; unigram {row['unigram']:.3f}")
            for row in ask(connection, _MODELS).to_pylist()
        ),
    ]


def _of_corpus(row: dict[str, Any]) -> list[Tile]:
    return [
        Tile("records in", shown(row["records"]), f"corpus {row['corpus']}"),
        Tile("kept", said(row["kept_share"], "share"), f"{row['kept']:,} documents"),
        Tile("duplicates", said(row["duplicate_share"], "share"), f"{row['duplicates']:,} records"),
    ]


def _listed(section: Section, *columns: str, bar: str, question: str | None = None) -> Part:
    """A section with a table: its query's, or that of a narrower question."""
    return lambda connection, _: replace(section, rows=rows(ask(connection, question or section.query), columns, bar))


def _drawn(section: Section, owner: str, draw: Callable[[pa.Table], Markup], question: str | None = None) -> Part:
    """A section with a chart of the rows of each owner."""

    def drawn(connection: Connection, _: Store) -> Section:
        found = ask(connection, question or section.query)
        owners = sorted(pc.unique(found[owner]).to_pylist())
        figures = [Figure(each if len(owners) > 1 else "", draw(found.filter(pc.equal(found[owner], each)))) for each in owners]
        return replace(section, figures=figures)

    return drawn


def _signals(connection: Connection, _: Store) -> Section:
    found = list(histograms(connection, MAX_SIGNALS))
    several = len({each.corpus for each in found}) > 1
    figures = [
        Figure(f"{each.corpus}: {_against(each)}" if several else _against(each), charts.histogram(each.bins, each.limits))
        for each in found
    ]
    text = "Where the measured values lie: within the bounds, or beyond one (a dashed line). The outer bars hold what lies further out."
    return Section("near_misses", "Signals against their bounds", text, "No signal with a numeric bound yet.", figures=figures)


def _outlooks(connection: Connection, store: Store) -> Section:
    found = list(outlooks(store, connection, MAX_OUTLOOKS))
    several = len({each.corpus for each in found}) > 1
    figures = [
        Figure(f"{each.corpus}: {_of_rule(each)}" if several else _of_rule(each), charts.curve(each.curve, each.bound)) for each in found
    ]
    text = "Documents that another bound would keep before deduplication, for the rules that drop most; the dashed line is the bound."
    return Section("drops_by_rule", "What other bounds would keep", text, "No rule with a number drops anything.", figures=figures)


def _of_rule(each: Outlook) -> str:
    return f"{each.rule} {shown(each.bound)}, drops {each.dropped:,}"


def _against(each: Histogram) -> str:
    bounds = f"bound{'s' * (len(each.limits) > 1)} {'; '.join(map(shown, each.limits))}"
    return f"{each.signal}, {bounds}, drops {each.dropped:,}"


def _completions(connection: Connection, _: Store) -> Section:
    samples = [
        Sample(f"run {row['run']}", True, row["url"] or "", _beginning(row["prompt"]), _beginning(row["completion"]))
        for row in ask(connection, _COMPLETIONS).to_pylist()
    ]
    text = "The beginning of a held-out document, and how the model goes on."
    return Section("completions", "Completions", text, _NO_EVALUATION, samples=samples)


def _samples(connection: Connection, _: Store) -> Section:
    kept = [Sample("kept", True, row["url"] or "", _beginning(row["text"])) for row in ask(connection, _KEPT).to_pylist()]
    dropped = [
        Sample(_broken(row), False, row["url"] or "", _beginning(row["text"] or row["detail"] or ""))
        for row in ask(connection, _DROPPED).to_pylist()
    ]
    text = "How some documents begin that were kept, and one for each rule that dropped any."
    return Section("examples", "Samples", text, _NO_CORPUS, samples=kept + dropped)


def _broken(row: dict[str, Any]) -> str:
    """A rule, and the value against the bound where they are numbers."""
    against = f": {shown(row['value'])} against {shown(row['bound'])}" if row["bound"] is not None else ""
    return f"{row['rule']}{against}"


def _beginning(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    start = "\n".join(line for line in lines if line)
    return start if len(start) <= SAMPLE_CHARS else start[:SAMPLE_CHARS] + "…"


_SECTIONS: tuple[Part, ...] = (
    _listed(
        Section("funnel", "From records to documents", "What is left after each step.", _NO_CORPUS),
        *("stage", "dropped", "left", "share"),
        bar="left",
    ),
    _listed(
        Section(
            "drops_by_rule",
            "Drops by rule",
            "First: the first rule that a record broke, its fate. Any: broken at all. Alone: the only one it is known to have broken.",
            _NO_CORPUS,
        ),
        *("rule", "first", "any", "alone", "first_share"),
        bar="first",
    ),
    _listed(
        Section("by_language", "Languages", "As detected; unknown where a record never got that far.", _NO_CORPUS),
        *("language", "records", "kept", "kept_share", "main_rule"),
        bar="records",
    ),
    _listed(
        Section("by_host", "Hosts", "Those with the most records.", _NO_CORPUS),
        *("host", "records", "kept", "kept_share", "main_rule"),
        bar="records",
    ),
    _drawn(Section("lengths", "Lengths", "Texts by length.", _NO_CORPUS), "corpus", charts.lengths),
    _signals,
    _outlooks,
    _listed(
        Section("duplicates", "Most copied", "Kept documents with the most copies, and three of each one's.", "No duplicates.", wide=True),
        *("kept", "begins", "copies", "examples", "least_similar", "most_similar"),
        bar="copies",
    ),
    _drawn(
        Section(
            "similarity",
            "Duplicates by similarity",
            "How alike the dropped are to what was kept instead; 1 is an exact copy.",
            "No duplicates.",
        ),
        "corpus",
        charts.similarity,
    ),
    _listed(
        Section("crawl_outcomes", "The crawl", "What became of every URL that was seen.", "Nothing was crawled into this root."),
        *("outcome", "status", "urls", "bytes"),
        bar="urls",
    ),
    _listed(
        Section("errors", "Errors", "Records that could not be read or worked on.", "None."),
        *("step", "kind", "records", "example"),
        bar="records",
    ),
    _listed(
        Section("tokens", "Tokens", "By source and split.", "No token set yet."),
        *("source", "split", "documents", "tokens", "bytes", "bytes_per_token"),
        bar="tokens",
    ),
    _drawn(
        Section("loss_by_step", "Loss", "Each step, and the mean of twenty.", "No model has been trained yet."), "run", charts.loss, _LOSS
    ),
    _listed(
        Section(
            "bits_per_byte",
            "Bits per byte on held-out text",
            "Lower is better. Compressors are for reference: concatenated, they may win on templates.",
            _NO_EVALUATION,
        ),
        *("name", "bits_per_byte", "error", "documents", "bytes"),
        bar="bits_per_byte",
        question=_OVERALL,
    ),
    _completions,
    _samples,
)
