"""The views show what is published, all of it and nothing else, and a statement reaches nothing besides."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline import catalog, schema
from pipeline.store import Store, Version

UNBOUND = {"min": None, "max": None, "in": None, "not_in": None, "by_language": {}, "null": False}


def ids(*keys: int) -> pa.Array:
    return schema.doc_ids([schema.doc_id("web", b"%d" % key) for key in keys])


def fill(of: pa.Schema, **columns: Any) -> pa.Table:
    """A table of the schema; a column that is not given is null."""
    rows = len(next(iter(columns.values())))
    return pa.table({field.name: columns.get(field.name, pa.nulls(rows, field.type)) for field in of}).cast(of)


def put_shard(store: Store, file: str, keys: list[int], signal: str = "words") -> str:
    """A shard whose one step measures one signal."""
    measured = pa.schema([*schema.SIGNALS, (f"quality_{signal}", pa.int64())])
    known = {"source": ["web"] * len(keys), "file": [file] * len(keys), "offset": keys, "bytes": keys}

    def write(version: Version) -> dict[str, int]:
        version.table("records/part-00000.parquet", fill(schema.RECORDS, doc_id=ids(*keys), **known))
        version.table("texts/part-00000.parquet", fill(schema.TEXTS, doc_id=ids(*keys), text=["text"] * len(keys)))
        version.table("signals/part-00000.parquet", fill(measured, doc_id=ids(*keys), **{f"quality_{signal}": keys}))
        return {"records": len(keys)}

    return store.build("shards", {"file": file, "steps": [{"name": "quality", "config": signal}]}, write).manifest.fingerprint


def put_corpus(store: Store, name: str, shards: list[str], keys: list[int], words: float = 1.0) -> str:
    """A corpus of those shards that keeps everything, as the current one of its name."""

    def write(version: Version) -> dict[str, int]:
        rows = {"source": ["web"] * len(keys), "kept": [True] * len(keys), "broken": [[]] * len(keys)}
        version.table("fates/part-00000.parquet", fill(schema.FATES, doc_id=ids(*keys), **rows))
        return {"kept": len(keys)}

    bounds = [["quality", [["words", {**UNBOUND, "min": words, "by_language": {"ja": {**UNBOUND, "max": 9.0}}}]]]]
    built = store.build(f"corpora/{name}", {"shards": shards, "bounds": bounds}, write)
    store.point(f"corpora/{name}", built.manifest.fingerprint)
    return built.path


def put_tokens(store: Store, name: str, width: pa.DataType, **splits: list[int]) -> None:
    """A token set whose document `key` has that many tokens."""

    def write(version: Version) -> dict[str, int]:
        for split, keys in splits.items():
            rows = {"source": ["web"] * len(keys), "bytes": keys, "tokens": [[1] * key for key in keys]}
            version.table(f"{split}/part-00000.parquet", fill(schema.tokens(width), doc_id=ids(*keys), **rows))
        return {}

    built = store.build(f"tokens/{name}", {"name": name}, write)
    store.point(f"tokens/{name}", built.manifest.fingerprint)


def put_run(store: Store, plans: list[list[int]], per_step: int) -> None:
    """A run with a packing plan for each epoch, one document a sequence."""
    orders = []
    for epoch, keys in enumerate(plans):
        rows = {"sequence": range(len(keys)), "position": [0] * len(keys), "start": [0] * len(keys), "length": [8] * len(keys)}
        rows |= {"row": range(len(keys)), "component": ["web"] * len(keys)}
        plan = fill(schema.ORDER, doc_id=ids(*keys), **{name: pa.array(list(column)) for name, column in rows.items()})
        built = store.build("order", {"epoch": epoch}, lambda version, plan=plan: version.table("sequences/part-00000.parquet", plan) or {})
        orders.append(built.manifest.fingerprint)
    places = [
        (epoch, first, min(per_step, len(keys) - first)) for epoch, keys in enumerate(plans) for first in range(0, len(keys), per_step)
    ]
    count = len(places)
    rows = dict.fromkeys(("loss", "learning_rate", "gradient_norm", "seconds"), [1.0] * count)
    steps = fill(
        schema.STEPS,
        step=list(range(count)),
        epoch=[epoch for epoch, _, _ in places],
        first_sequence=[first for _, first, _ in places],
        sequences=[sequences for _, _, sequences in places],
        tokens=[8] * count,
        attempt=[0] * count,
        outcome=["taken"] * count,
        memory_bytes=[1] * count,
        **rows,
    )
    spec = {"orders": orders, "tokens": "t", "tokenizer": "k"}
    built = store.build("runs/demo", spec, lambda version: version.table("steps/part-00000000.parquet", steps) or {})
    store.point("runs/demo", built.manifest.fingerprint)


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    with catalog.connect(store) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty root whose name means something to SQL and to patterns."""
    return Store(tmp_path / "it's a [root]*")


def test_every_view_of_an_empty_root_has_its_columns_and_no_rows(store: Store) -> None:
    described = {
        "records": schema.RECORDS,
        "texts": schema.TEXTS,
        "signals": schema.SIGNALS,
        "fates": schema.FATES,
        "duplicates": schema.DUPLICATES,
        "documents": schema.DOCUMENTS,
        "crawl_log": schema.CRAWL_LOG,
        "orders": schema.ORDER,
        "mixtures": schema.MIXTURE,
        "steps": schema.STEPS,
        "document_losses": schema.DOCUMENT_LOSSES,
    }
    with catalog.connect(store) as connection:
        views = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
        assert views >= {*described, "tokens", "versions", "runs", "bounds", "recipe_steps", "step_documents"}
        assert views >= {"evaluation_scores", "evaluation_documents", "evaluation_samples"}
        for view in views - {"catalog_state"}:
            assert connection.execute(f"SELECT count(*) FROM {view}").fetchone() == (0,)
        for view, of in described.items():
            expected = connection.from_arrow(schema.empty(of))
            types = dict(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {view})").fetchall())
            owners = 2 if view == "crawl_log" else 1  # a crawl has editions
            assert list(types)[owners : owners + len(of)] == of.names
            assert [types[name] for name in of.names] == list(map(str, expected.types))


def test_a_doc_id_is_a_uuid_with_and_without_rows(store: Store) -> None:
    assert rows(store, "SELECT column_type FROM (DESCRIBE fates) WHERE column_name = 'doc_id'") == [("UUID",)]
    put_corpus(store, "web", [put_shard(store, "a", [1])], [1])
    assert rows(store, "SELECT column_type FROM (DESCRIBE fates) WHERE column_name = 'doc_id'") == [("UUID",)]
    assert rows(store, "SELECT doc_id::VARCHAR FROM fates") == [(schema.show(schema.doc_id("web", b"1")),)]


def test_views_show_the_current_version_as_soon_as_it_is_published(store: Store) -> None:
    shard = put_shard(store, "a", [1, 2])
    put_corpus(store, "web", [shard], [1, 2], words=1.0)
    assert rows(store, "SELECT count(*) FROM fates") == [(2,)]
    put_corpus(store, "web", [shard, put_shard(store, "b", [3])], [1, 2, 3], words=2.0)
    assert rows(store, "SELECT corpus, count(*) FROM fates GROUP BY ALL") == [("web", 3)]
    assert rows(store, "SELECT count(*) FROM records") == [(3,)]


def test_a_file_that_no_manifest_names_does_not_exist(store: Store) -> None:
    place = put_corpus(store, "web", [put_shard(store, "a", [1, 2])], [1, 2])
    folder = Path(store.path(f"{place}/fates"))
    shutil.copy(folder / "part-00000.parquet", folder / "part-00001.parquet")
    assert catalog.refresh(store) == Path(store.path("catalog.duckdb"))
    assert rows(store, "SELECT count(*) FROM fates") == [(2,)]


def test_a_root_is_no_pattern_for_the_one_beside_it(tmp_path: Path) -> None:
    roots = [Store(tmp_path / name) for name in ("r*t", "root", "r[*]t")]
    for root in roots:
        put_corpus(root, "web", [put_shard(root, "a", [1, 2])], [1, 2])
    for root in roots:
        assert rows(root, "SELECT count(*) FROM fates JOIN records USING (corpus, doc_id)") == [(2,)]


def test_a_version_without_its_manifest_does_not_exist(store: Store) -> None:
    place = put_corpus(store, "web", [put_shard(store, "a", [1, 2])], [1, 2])
    Path(store.path(f"{place}/manifest.json")).unlink()
    assert rows(store, "SELECT count(*) FROM fates") == [(0,)]


def test_a_plan_that_was_being_written_is_seen_once_it_is_whole(store: Store) -> None:
    places = {name: [0] for name in ("sequence", "position", "start", "length", "row")}
    plan = fill(schema.ORDER, doc_id=ids(1), component=["web"], **places)
    seen = []

    def write(version: Version) -> dict[str, int]:
        version.table("sequences/part-00000.parquet", plan)
        seen.extend(rows(store, "SELECT count(*) FROM orders"))
        return {}

    store.build("order", {"epoch": 0}, write)
    assert (seen, rows(store, "SELECT count(*) FROM orders")) == ([(0,)], [(1,)])


def test_a_shard_stands_in_every_corpus_that_names_it_and_signals_are_united_by_name(store: Store) -> None:
    shared = put_shard(store, "a", [1, 2])
    put_corpus(store, "one", [shared], [1, 2])
    put_corpus(store, "two", [shared, put_shard(store, "b", [3], signal="lines")], [1, 2, 3])
    found = rows(store, "SELECT corpus, quality_words, quality_lines FROM signals JOIN fates USING (corpus, doc_id) ORDER BY ALL")
    assert found == [("one", 1, None), ("one", 2, None), ("two", 1, None), ("two", 2, None), ("two", None, 3)]


def test_bounds_and_recipe_steps_say_what_a_corpus_was_decided_by(store: Store) -> None:
    put_corpus(store, "web", [put_shard(store, "a", [1])], [1], words=50.0)
    assert rows(store, "FROM bounds ORDER BY ALL") == [
        ("web", "quality", "words", "max", "ja", 9.0),
        ("web", "quality", "words", "min", "", 50.0),
    ]
    assert rows(store, "FROM recipe_steps") == [("web", 1, "quality")]


def test_tokens_are_counted_by_split_whatever_their_width(store: Store) -> None:
    put_tokens(store, "narrow", pa.uint16(), train=[3, 4], validation=[5])
    put_tokens(store, "wide", pa.uint32(), train=[6])
    found = rows(store, "SELECT token_set, split, sum(tokens)::BIGINT, sum(bytes)::BIGINT FROM tokens GROUP BY ALL ORDER BY ALL")
    assert found == [("narrow", "train", 7, 7), ("narrow", "validation", 5, 5), ("wide", "train", 6, 6)]


def test_a_training_step_leads_to_its_documents_through_the_plan_of_its_epoch(store: Store) -> None:
    put_run(store, [[1, 2, 3], [3, 2, 1]], per_step=2)
    found = rows(store, "SELECT step, list(doc_id::VARCHAR ORDER BY sequence) FROM step_documents GROUP BY step ORDER BY step")
    expected = [(0, [1, 2]), (1, [3]), (2, [3, 2]), (3, [1])]
    assert found == [(step, [schema.show(schema.doc_id("web", b"%d" % key)) for key in keys]) for step, keys in expected]


def test_a_deleted_or_damaged_catalog_is_built_again(store: Store) -> None:
    put_corpus(store, "web", [put_shard(store, "a", [1, 2])], [1, 2])
    path = catalog.refresh(store)
    assert path is not None
    for damage in (path.unlink, lambda: path.write_bytes(b"no database" * 1000)):
        damage()
        assert rows(store, "SELECT count(*) FROM fates") == [(2,)]


def test_what_a_killed_refresh_left_behind_is_in_nobodys_way(store: Store) -> None:
    put_corpus(store, "web", [put_shard(store, "a", [1])], [1])
    left = Path(store.path("catalog.duckdb.aside"))
    left.write_bytes(b"half a database")
    catalog.refresh(store)
    assert rows(store, "SELECT count(*) FROM fates") == [(1,)]
    assert not left.exists()


def test_an_open_connection_goes_on_reading_while_the_catalog_is_swapped(store: Store) -> None:
    shard = put_shard(store, "a", [1])
    put_corpus(store, "web", [shard], [1])
    with catalog.connect(store) as before:
        put_corpus(store, "web", [shard, put_shard(store, "b", [2])], [1, 2], words=2.0)
        catalog.refresh(store)
        with catalog.connect(store) as after:
            assert after.execute("SELECT count(*) FROM fates").fetchone() == (2,)
        assert before.execute("SELECT count(*) FROM fates").fetchone() == (1,)


def test_a_root_that_moved_is_read_where_it_is_now(store: Store, tmp_path: Path) -> None:
    put_corpus(store, "web", [put_shard(store, "a", [1, 2])], [1, 2])
    catalog.refresh(store)
    moved = shutil.move(store.path(""), tmp_path / "moved")
    assert rows(Store(moved), "SELECT count(*) FROM fates") == [(2,)]


def test_crawl_logs_need_no_manifest_and_an_unfinished_file_is_passed_over(store: Store) -> None:
    log = fill(schema.CRAWL_LOG, url=["u"], host=["h"], depth=[0], outcome=["robots"], seen_at=[0])
    Version(store, "raw/docs/crawl_log").table("part-00000.parquet", log)
    Path(store.path("raw/docs/crawl_log/part-00001.parquet.aside")).write_bytes(b"half")
    assert rows(store, "SELECT crawl, url, outcome FROM crawl_log") == [("docs", "u", "robots")]


def test_the_crawl_log_of_a_later_edition_is_read_too(store: Store) -> None:
    for folder, url in (("raw/docs", "first"), ("raw/docs/2026-11-23", "second")):
        log = fill(schema.CRAWL_LOG, url=[url], host=["h"], depth=[0], outcome=["fetched"], seen_at=[0])
        Version(store, f"{folder}/crawl_log").table("part-00000.parquet", log)
    assert rows(store, "SELECT crawl, url FROM crawl_log ORDER BY url") == [("docs", "first"), ("docs", "second")]


OUTSIDE = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_text('{root}/../secret.txt')",
    "SELECT * FROM read_text('{root}2/secret.txt')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "ATTACH '{folder}/other.duckdb'",
    "COPY (SELECT 1) TO '{folder}/written.csv'",
    "INSTALL httpfs",
    "SELECT * FROM 'http://127.0.0.1:9/page.parquet'",
    "SET enable_external_access = true",
    "SET python_enable_replacements = true",
    "SET temp_directory = '{folder}'",
    "SELECT * FROM a_variable",
    "CREATE TABLE made AS SELECT 1",
    "DROP VIEW fates",
]


@pytest.mark.parametrize("statement", OUTSIDE)
def test_a_statement_reaches_nothing_outside_the_root(statement: str, tmp_path: Path) -> None:
    a_variable = pa.table({"secret": [1]})
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "secret.txt").write_text("secret")
    names = {"secret": tmp_path / "secret.txt", "root": tmp_path / "root", "folder": tmp_path}
    with catalog.connect(Store(tmp_path / "root")) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(**names)).fetchall()
    assert not (tmp_path / "written.csv").exists()
    assert a_variable.num_rows == 1


def test_a_query_beyond_memory_spills_away_from_the_working_folder(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spill"))
    with catalog.connect(store) as connection:
        (spill,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
    assert Path(spill).parent == tmp_path / "spill"


def test_an_object_store_answers_the_same_without_a_catalog_file(bucket: str, tmp_path: Path) -> None:
    remote, local = Store(f"{bucket}/it's a [prefix]"), Store(tmp_path / "root")
    for store in (remote, local):
        put_corpus(store, "web", [put_shard(store, "a's", [1, 2])], [1, 2])
        put_tokens(store, "web", pa.uint16(), train=[3, 4], test=[5])
    statements = ("FROM fates ORDER BY doc_id", "FROM signals ORDER BY doc_id", "FROM tokens ORDER BY doc_id")
    with catalog.connect(remote) as there, catalog.connect(local) as here:
        for statement in statements:
            assert there.execute(statement).fetchall() == here.execute(statement).fetchall() != []
    assert catalog.refresh(remote) is None
    assert remote.list("") == ["corpora", "shards", "tokens"]


def test_a_statement_over_an_object_store_reaches_nothing_else(bucket: str, tmp_path: Path) -> None:
    Store(bucket).write("root2/secret.txt", b"secret")
    (tmp_path / "secret.txt").write_text("secret")
    with catalog.connect(Store(f"{bucket}/root")) as connection:
        for path in (f"{bucket}/root2/secret.txt", str(tmp_path / "secret.txt"), "/etc/hosts"):
            with pytest.raises(duckdb.Error):
                connection.execute(f"SELECT * FROM read_text('{path}')").fetchall()
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]
