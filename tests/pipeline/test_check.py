"""`check` proves that nothing was lost, and notices when something was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import as_input, json_lines, warc_bytes

from pipeline import check, corpus, shard
from pipeline.ingest import inputs, jsonl, warc
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe, Source
from pipeline.store import Store, Version

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]
Given = list[tuple[Source, Input]]

RECIPE = """
[[source]]
name = "books"
format = "jsonl"
files = ["*.jsonl"]
[[source]]
name = "web"
files = ["*.warc.gz"]
[[step]]
use = "toy_words"
[limits]
max_error_share = 1
[split]
validation = 0.2
test = 0.2
[order]
sequence_tokens = 8
"""


def words(start: int, count: int = 40) -> str:
    return " ".join(f"word{number}" for number in range(start, start + count))


@pytest.fixture
def given(load: Load, tmp_path: Path) -> Given:
    recipe = load(RECIPE)
    lines = [{"text": words(100 * number)} for number in range(12)]
    lines += [{"text": words(100 * number, 41)} for number in range(6)] + [{"text": words(0)}, {"text": "short"}, {"text": 5}]
    (tmp_path / "a.jsonl").write_bytes(json_lines(lines[:8]) + b"half a line")
    (tmp_path / "b.jsonl").write_bytes(json_lines(lines[8:], gz=True)[:-3])
    pages = [("conversion", f"http://h.example/{number}", words(3000 + 100 * number).encode()) for number in range(6)]
    (tmp_path / "c.warc.gz").write_bytes(warc_bytes(pages))
    (tmp_path / "d.warc.gz").write_bytes(warc_bytes(pages)[:-40])
    books, web = recipe.sources
    return [(books, as_input(tmp_path / name)) for name in ("a.jsonl", "b.jsonl")] + [
        (web, as_input(tmp_path / name)) for name in ("c.warc.gz", "d.warc.gz")
    ]


def build(store: Store, load: Load, given: Given) -> str:
    recipe = load(RECIPE)
    shards = [shard.process(store, shard.Shard(source, (each,), recipe.steps)).manifest.fingerprint for source, each in given]
    return corpus.build(store, recipe, shards).path


def failing(store: Store, place: str, given: Given) -> list[str]:
    return [finding.what for finding in check.corpus(store, place, given) if not finding.holds]


def test_every_law_holds_on_a_good_corpus(store: Store, load: Load, given: Given) -> None:
    place = build(store, load, given)
    findings = {finding.what: finding for finding in check.corpus(store, place, given)}
    assert failing(store, place, given) == []
    assert findings["books: records in = fates"].expected == 8 + 1 + 13 + 1
    assert findings["web: records in = fates"].expected == 6 + 6
    assert findings["every duplicate names a twin that won over it"].expected > 5


@pytest.mark.parametrize(("reader", "source"), [(jsonl, "books"), (warc, "web")])
@pytest.mark.parametrize("which", [0, 3, -1])
def test_a_reader_that_loses_a_record_is_caught(  # fixtures
    store: Store, load: Load, given: Given, monkeypatch: pytest.MonkeyPatch, reader: object, source: str, which: int
) -> None:
    read = reader.read

    def losing(*args: object) -> Iterator[object]:
        rows = list(read(*args))
        del rows[which]
        yield from rows

    one = [(each, file) for each, file in given if each.name != source or file.name.startswith(("a", "c"))]
    monkeypatch.setattr(reader, "read", losing)
    assert failing(store, build(store, load, one), one) == [f"{source}: records in = fates"]


def test_a_reader_that_invents_a_record_is_caught(store: Store, load: Load, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    read = jsonl.read

    def inventing(*args: object) -> Iterator[jsonl.Row]:
        yield from read(*args)
        yield jsonl.Row(f"{args[1]}:more".encode(), 99, error="unreadable", error_detail="")

    monkeypatch.setattr(jsonl, "read", inventing)
    assert failing(store, build(store, load, given), given) == ["books: records in = fates"]


def test_a_raw_file_that_is_in_no_corpus_is_caught(store: Store, load: Load, given: Given) -> None:
    assert failing(store, build(store, load, given[1:]), given) == ["books: records in = fates"]


PAGES = [("conversion", f"http://h.example/{number}", words(3000 + 100 * number).encode()) for number in range(6)]


@pytest.fixture
def crawled(store: Store, load: Load) -> tuple[Path, Callable[[], list[str]]]:
    """A crawl's file, and a curation of what is there now followed by `check`: what does not hold."""
    recipe = load(RECIPE.replace('files = ["*.warc.gz"]', 'crawled = "web"'))
    source = recipe.sources[1]
    part = store.write("raw/web/0.warc.gz", warc_bytes(PAGES))
    listed = {"name": "0.warc.gz", "bytes": part.bytes, "sha256": part.sha256, "records": len(PAGES)}
    store.write("raw/web/crawl.json", json.dumps({"files": [listed]}).encode())

    def failing_now() -> list[str]:
        found = inputs.find(store, source, Path())
        shards = [shard.process(store, shard.Shard(source, (each,), recipe.steps)).manifest.fingerprint for each in found]
        return failing(store, corpus.build(store, recipe, shards).path, [(source, each) for each in found])

    return Path(store.path("raw/web/0.warc.gz")), failing_now


SPOILT = {
    "emptied": (lambda data: b"", "web: raw/web/0.warc.gz: bytes"),
    "cut where a record ends": (lambda data: warc_bytes(PAGES[:4]), "web: raw/web/0.warc.gz: bytes"),
    "of other bytes": (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "web: raw/web/0.warc.gz: SHA-256"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_crawls_file_that_is_not_as_it_was_closed_is_named(crawled: tuple[Path, Callable[[], list[str]]], how: str) -> None:
    path, failing_now = crawled
    assert failing_now() == []
    spoil, what = SPOILT[how]
    path.write_bytes(spoil(path.read_bytes()))
    assert failing_now() == [what, "web: raw files as crawl.json lists them"]


def test_a_crawls_file_that_is_gone_is_named(crawled: tuple[Path, Callable[[], list[str]]]) -> None:
    path, failing_now = crawled
    path.unlink()
    assert failing_now() == ["web: raw/web/0.warc.gz: bytes", "web: raw files as crawl.json lists them"]


def test_a_crawls_file_that_holds_fewer_records_than_were_counted_is_named(crawled: tuple[Path, Callable[[], list[str]]]) -> None:
    path, failing_now = crawled
    listed = path.with_name("crawl.json")
    listed.write_text(listed.read_text().replace('"records": 6', '"records": 7'))
    assert failing_now() == ["web: raw/web/0.warc.gz: records", "web: raw files as crawl.json lists them"]


Tables = dict[str, pa.Table]


def lose_rule(tables: Tables) -> Tables:
    rules = pc.if_else(pc.equal(tables["fates"]["rule"], "toy_words.count.min"), None, tables["fates"]["rule"])
    return tables | {"fates": tables["fates"].set_column(4, tables["fates"].schema.field(4), rules.cast(pa.string()))}


def repeat_fate(tables: Tables) -> Tables:
    # one fate is replaced by another's, of the same source and kind
    fates = tables["fates"]
    alike = pc.indices_nonzero(pc.and_(fates["kept"], pc.equal(fates["source"], "books"))).to_pylist()
    rows = list(range(len(fates)))
    rows[alike[0]] = alike[1]
    gone = fates["doc_id"].combine_chunks().storage[alike[0]]
    left = pc.invert(pc.equal(tables["documents"]["doc_id"].combine_chunks().storage, gone))
    return tables | {"fates": fates.take(rows), "documents": tables["documents"].filter(left)}


def lose_document(tables: Tables) -> Tables:
    return tables | {"documents": tables["documents"].slice(1)}


def swap_document(tables: Tables) -> Tables:
    # a dropped record's id in a kept one's place
    fates, documents = tables["fates"], tables["documents"]
    dropped = fates.filter(pc.invert(fates["kept"]))["doc_id"].combine_chunks().storage[:1]
    ids = documents["doc_id"].combine_chunks().storage
    changed = pa.ExtensionArray.from_storage(documents.schema.field(0).type, pa.concat_arrays([dropped, ids[1:]]))
    return tables | {"documents": documents.set_column(0, documents.schema.field(0), changed)}


def name_a_loser(tables: Tables) -> Tables:
    fates = tables["fates"]
    loser = fates.filter(pc.equal(fates["rule"], "toy_words.count.min"))["doc_id"].combine_chunks().storage[0]
    twins = fates["duplicate_of"].combine_chunks().storage
    changed = pa.ExtensionArray.from_storage(fates.schema.field("doc_id").type, pc.if_else(pc.is_valid(twins), loser, twins))
    number = fates.schema.get_field_index("duplicate_of")
    return tables | {"fates": fates.set_column(number, fates.schema.field(number), changed)}


LAWS = {
    lose_rule: ["fates = kept + dropped by a named rule"],
    repeat_fate: ["every doc_id stands once", "kept = documents"],
    lose_document: ["kept = documents"],
    swap_document: ["every document has the fate `kept`"],
    name_a_loser: ["every duplicate names a twin that won over it"],
}


@pytest.mark.parametrize("spoil", LAWS, ids=lambda spoil: spoil.__name__)
def test_each_law_can_fail(store: Store, load: Load, given: Given, spoil: Callable[[Tables], Tables]) -> None:
    place = build(store, load, given)
    manifest = store.manifest(place)
    tables = {kind: pa.concat_tables(store.table(f"{place}/{path}") for path in manifest.paths(kind)) for kind in ("fates", "documents")}

    def write(version: Version) -> dict[str, int]:
        for kind, table in spoil(tables).items():
            version.table(f"{kind}/part-00000.parquet", table)
        return {}

    assert failing(store, store.build("corpora/spoilt", {}, write).path, given) == LAWS[spoil]


def test_a_corpus_of_nothing_holds(store: Store, load: Load) -> None:
    assert failing(store, corpus.build(store, load(RECIPE), []).path, []) == []


def test_a_corpus_that_is_not_there_is_told_in_one_line(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match="corpora/none: no finished corpus there"):
        list(check.corpus(store, "corpora/none", []))
