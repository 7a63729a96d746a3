"""The DuckDB catalog: views over every table that a manifest names, and nothing besides.

A table of a corpus, token set, run or evaluation is read from the version that its `current` names, and says so in a
column of its own (`corpus`, `token_set`, `run`): what concerns a record of a corpus is joined by `corpus` and `doc_id`. A view
without files has its columns and no rows, so that a question asked early has an answer. The catalog holds no data: delete
it and it is built again.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from fsspec.implementations.arrow import ArrowFSWrapper

from pipeline import published, schema
from pipeline.published import Measured, Published
from pipeline.step import digest
from pipeline.store import Store, canonical, fingerprint

NAME = "catalog.duckdb"

# By kind, the column that names a version in the views.
_OWNERS = {"corpora": "corpus", "tokenizers": "tokenizer", "tokens": "token_set", "runs": "run", "evaluations": "run"}


def _texts(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


def _counts(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.int64()) for name in names]


_DOC_ID = pa.field("doc_id", schema.DOC_ID)

# What stored queries ask of signals beyond what every shard has.
_SIGNALS = pa.schema([*schema.SIGNALS, *_texts("language_code"), pa.field("language_score", pa.float64())])
_TOKENS = pa.schema([*_texts("token_set", "split"), _DOC_ID, *_texts("source"), *_counts("bytes", "tokens")])  # how many tokens
_VERSIONS = pa.schema(_texts("kind", "name", "fingerprint", "spec", "counts"))  # the last two are JSON, as in the manifest
_RECIPE_STEPS = pa.schema([*_texts("corpus"), *_counts("position"), *_texts("step")])
# A numeric bound is of kind `min` or `max`; an empty language means each that has no bound of its own.
_BOUNDS = pa.schema([*_texts("corpus", "step", "signal", "kind", "language"), pa.field("bound", pa.float64())])
# What an evaluation holds: a figure over a split and a part of a breakdown (null: all), the documents that it measured, and completions.
_SCORES = pa.schema(
    [
        *_texts("name", "split", "breakdown", "part", "metric"),
        pa.field("value", pa.float64()),
        pa.field("error", pa.float64()),
        *_counts("documents", "bytes"),
        *_texts("windows"),
        pa.field("few", pa.bool_()),
    ]
)
_MEASURED = pa.schema(
    [
        _DOC_ID,
        *_texts("split", "source", "language"),
        pa.field("quality", pa.float64()),
        *_counts("tokens", "bytes"),
        *(pa.field(name, pa.float64()) for name in ("nats", "unigram_nats", "five_gram_nats")),
        *_counts("gzip_bytes", "xz_bytes"),
        pa.field("train_share", pa.float64()),
    ]
)
_COMPLETIONS = pa.schema([_DOC_ID, *_texts("prompt", "completion")])

_RUNS = """
SELECT name AS run, fingerprint, spec::JSON ->> '$.tokens' AS tokens, spec::JSON ->> '$.tokenizer' AS tokenizer,
       (spec::JSON -> '$.orders')::VARCHAR[] AS plans
FROM versions WHERE kind = 'runs'
"""

# From a training step to what it read: a run has an order for each epoch.
_STEP_DOCUMENTS = """
WITH read AS (
    SELECT run, step, plans[epoch + 1] AS plan, unnest(range(first_sequence, first_sequence + sequences)) AS sequence
    FROM steps JOIN runs USING (run)
)
SELECT read.run, read.step, orders.doc_id, orders.plan, orders.sequence, orders.position, orders.start, orders.length, orders.component
FROM read JOIN orders USING (plan, sequence)
"""

# The same with where each document came from and what was measured of it. A run has the name of its recipe, as the corpus has.
_TRACE = """
SELECT read.*, records.source, records.url, records.host, records.fetched_at, signals.* EXCLUDE (corpus, doc_id)
FROM step_documents AS read
LEFT JOIN records ON records.corpus = read.run AND records.doc_id = read.doc_id
LEFT JOIN signals ON signals.corpus = read.run AND signals.doc_id = read.doc_id
"""

# DuckDB's name of every type in `schema`.
_TYPES = {
    schema.DOC_ID: "UUID",
    schema.RECORDS.field("digest").type: "BLOB",
    pa.string(): "VARCHAR",
    pa.list_(pa.string()): "VARCHAR[]",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}

_PARQUET = "read_parquet([{files}], hive_partitioning = false)"
_JSON = "read_json([{files}], format = 'array', columns = {{doc_id: 'UUID', prompt: 'VARCHAR', completion: 'VARCHAR'}})"


@dataclass(frozen=True)
class _Rows:
    """Files of one schema, the values of the columns that say whose rows they hold, and how they are read."""

    labels: Mapping[str, str]
    files: list[str]
    columns: str = "*"
    reader: str = _PARQUET


def _text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def _exactly(path: str) -> str:
    """A path as DuckDB's pattern for it alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _select(items: Iterator[str], rest: str) -> str:
    return f"SELECT {', '.join(items)} {rest}"


def _nothing(columns: pa.Schema) -> str:
    return _select((f'NULL::{_TYPES[field.type]} AS "{field.name}"' for field in columns), "WHERE false")


def _union(store: Store, columns: pa.Schema, parts: list[_Rows]) -> str:
    """All parts by column name. The first branch has no rows: it fixes order and types of the columns that must be there."""
    branches = [_nothing(columns)]
    for part in parts:
        if part.files:
            items = [*(f"{_text(value)} AS {label}" for label, value in part.labels.items()), part.columns]
            files = ", ".join(_text(_exactly(store.uri(path))) for path in part.files)
            branches.append(_select(iter(items), f"FROM {part.reader.format(files=files)}"))
    return "\nUNION ALL BY NAME\n".join(branches)


def _values(columns: pa.Schema, rows: list[tuple[str, ...]]) -> str:
    """A few rows that the catalog itself holds."""
    if not rows:
        return _nothing(columns)
    lines = ", ".join(f"({', '.join(map(_text, row))})" for row in rows)
    names = ", ".join(f'"{name}"' for name in columns.names)
    typed = (f'"{field.name}"::{_TYPES[field.type]} AS "{field.name}"' for field in columns)
    return _select(typed, f"FROM (VALUES {lines}) AS rows ({names})")


def _listed(found: Mapping[str, list[Published]]) -> Iterator[tuple[str, ...]]:
    for kind, versions in found.items():
        for version in versions if kind != "shards" else ():  # a corpus's spec names its shards: there may be many thousands
            spec, counts = (canonical(part).decode() for part in (version.manifest.spec, version.manifest.counts))
            yield kind, version.name, version.manifest.fingerprint, spec, counts


def _recipe_steps(groups: list[Measured]) -> list[tuple[str, ...]]:
    places = {(group.corpus, step): position for group in groups for position, step in enumerate(group.steps, 1)}
    return [(corpus, str(position), step) for (corpus, step), position in places.items()]


def _bounds(corpora: list[Published]) -> Iterator[tuple[str, ...]]:
    for corpus in corpora:
        for step, signals in corpus.manifest.spec["bounds"]:
            for signal, bound in signals:
                for language, own in {"": bound, **bound.get("by_language", {})}.items():
                    limits = {kind: own[kind] for kind in ("min", "max") if own.get(kind) is not None}
                    yield from ((corpus.name, step, signal, kind, language, repr(limit)) for kind, limit in limits.items())


def _views(store: Store) -> dict[str, str]:
    """The statement of every view by name, those that others read first."""
    now = state(store)  # before what it stands for is read: a version published meanwhile then makes the catalog old
    found = published.find(store)
    groups = list(published.measured(found))

    def of(kind: str, under: str, columns: pa.Schema, reader: str = _PARQUET) -> str:
        owner = _OWNERS[kind]
        parts = [_Rows({owner: version.name}, version.files(under), reader=reader) for version in found[kind]]
        return _union(store, pa.schema([*_texts(owner), *columns]), parts)

    def of_shards(folder: str, columns: pa.Schema) -> str:
        parts = [_Rows({"corpus": group.corpus}, group.files(folder)) for group in groups]
        return _union(store, pa.schema([*_texts("corpus"), *columns]), parts)

    counted = "doc_id, source, bytes, len(tokens)::BIGINT AS tokens"
    tokens = [
        _Rows({"token_set": made.name, "split": split}, made.files(split), counted)
        for made in found["tokens"]
        for split in ("train", "validation", "test")
    ]
    plans, mixtures = (
        [_Rows({"plan": plan.name}, plan.files(under)) for plan in found["order"]] for under in ("sequences", "mixture.parquet")
    )
    crawls = [
        _Rows({"crawl": source, "edition": edition}, files)
        for source, editions in published.crawl_logs(store).items()
        for edition, files in editions.items()
    ]
    return {
        "versions": _values(_VERSIONS, list(_listed(found))),
        "recipe_steps": _values(_RECIPE_STEPS, _recipe_steps(groups)),
        "bounds": _values(_BOUNDS, list(_bounds(found["corpora"]))),
        "crawl_log": _union(store, pa.schema([*_texts("crawl", "edition"), *schema.CRAWL_LOG]), crawls),
        "records": of_shards("records", schema.RECORDS),
        "texts": of_shards("texts", schema.TEXTS),
        "signals": of_shards("signals", _SIGNALS),
        "fates": of("corpora", "fates", schema.FATES),
        "duplicates": of("corpora", "duplicates", schema.DUPLICATES),
        "cuts": of("corpora", "cuts", schema.CUTS),
        "documents": of("corpora", "documents", schema.DOCUMENTS),
        "tokenizer_report": of("tokenizers", "report.parquet", schema.TOKENIZER_REPORT),
        "tokens": _union(store, _TOKENS, tokens),
        "orders": _union(store, pa.schema([*_texts("plan"), *schema.ORDER]), plans),
        "mixtures": _union(store, pa.schema([*_texts("plan"), *schema.MIXTURE]), mixtures),
        "runs": _RUNS,
        "steps": of("runs", "steps", schema.STEPS),
        "document_losses": of("runs", "document_losses", schema.DOCUMENT_LOSSES),
        "step_documents": _STEP_DOCUMENTS,
        "trace": _TRACE,
        "evaluation_scores": of("evaluations", "scores.parquet", _SCORES),
        "evaluation_documents": of("evaluations", "documents.parquet", _MEASURED),
        "evaluation_samples": of("evaluations", "samples.json", _COMPLETIONS, _JSON),
        "catalog_state": _select(iter([f"{_text(now)} AS fingerprint"]), ""),
    }


def state(store: Store) -> str:
    """What the catalog depends on: the views that this code makes, and what is published."""
    code = [digest(Path(str(module))) for module in (__file__, published.__file__, schema.__file__)]
    return fingerprint({"code": code, "root": store.uri(""), **published.names(store)})


def _create(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    for name, statement in _views(store).items():
        connection.execute(f"CREATE VIEW {name} AS {statement}")


def refresh(store: Store) -> Path | None:
    """Build `<root>/catalog.duckdb` anew, aside, and swap it in; whoever has the old one open goes on reading it.

    None for an object store, which holds no such file: there `connect` makes the views in memory.
    """
    if not store.local:
        return None
    target = store.folder("") / NAME
    aside = target.with_name(f"{NAME}.aside")
    with store.lock(NAME):
        for left in (aside, aside.with_name(f"{aside.name}.wal")):  # of a process that was killed
            left.unlink(missing_ok=True)
        with duckdb.connect(aside) as connection:
            _create(connection, store)
        os.replace(aside, target)
    return target


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(f"ATTACH {_text(str(path))} AS catalog (READ_ONLY)")


def _known(path: Path) -> str | None:
    """The state that a catalog was built from; None where there is none that this DuckDB can read."""
    if not path.is_file():
        return None
    with duckdb.connect() as connection:
        try:
            _attach(connection, path)
            return str(connection.sql("SELECT fingerprint FROM catalog.catalog_state").to_arrow_table()[0][0])
        except duckdb.Error:  # it holds no data, so it is built again
            return None


def _confine(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """From here on a statement reaches no file outside the root, no network, no variable of this process, and no setting."""
    root = store.uri("")
    spill = Path(tempfile.gettempdir()) / f"corpusmill-{uuid.uuid4().hex}"  # DuckDB makes it if need be, and removes it
    for setting in (
        "TimeZone = 'UTC'",
        f"temp_directory = {_text(str(spill))}",
        f"allowed_directories = [{_text(root)}, {_text(_exactly(root))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A connection that answers from the views, over what is published now, and can change none of them.

    Files under the root are all that it can reach; a statement that writes one (COPY, EXPORT) is for the caller to refuse.
    """
    connection = duckdb.connect()
    if store.local:
        path = Path(store.path(NAME))
        if _known(path) != state(store):
            refresh(store)
        _attach(connection, path)
        connection.execute("USE catalog")
    else:
        connection.register_filesystem(ArrowFSWrapper(store.fs, skip_instance_cache=True))
        _create(connection, store)
    _confine(connection, store)
    return connection
