"""Rows in = rows out, the same bytes for the same content, and a name that says what determined them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import as_input, json_lines, warc_bytes

from pipeline import ingest, shard, step
from pipeline.ingest import rows
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe
from pipeline.shard import Shard
from pipeline.store import Store

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

HEAD = '[[source]]\nname = "books"\nformat = "jsonl"\nfiles = ["books.jsonl"]\n[order]\nsequence_tokens = 8\n'
CODE = '[[step]]\nuse = "toy_code"\nas = "language"\n'
WORDS = '[[step]]\nuse = "toy_words"\n'
UPPER = '[[step]]\nuse = "toy_upper"\n'
TEXTS = ["en one two three", "de eins", "en FAIL here now", "", "fr un deux trois", "en FAIL", "de eins zwei drei", "\u0000 \U0001f600 end"]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.jsonl"
    lines = [{"text": text} for text in TEXTS]
    path.write_bytes(json_lines(lines[:4]) + b"{half a line\n" + json_lines(lines[4:]))
    return path


def one(recipe: Recipe, path: Path) -> Shard:
    return Shard(recipe.sources[0], (as_input(path),), recipe.steps)


def tables(store: Store, each: Shard) -> dict[str, pa.Table]:
    place = shard.process(store, each).path
    found = {kind: store.table(f"{place}/{kind}/part-00000.parquet") for kind in ("records", "texts", "signals")}
    for table in found.values():
        table.validate(full=True)
    return found


def by_text(found: dict[str, pa.Table]) -> dict[str, dict]:
    """Signals of the shard by the text that came in; the broken line's under None."""
    texts = [*TEXTS[:4], None, *TEXTS[4:]]
    return dict(zip(texts, found["signals"].to_pylist(), strict=True))


GATES = {
    "none": CODE + WORDS + UPPER,
    "first": CODE + 'keep.code = { in = ["en", "de"] }\ngate = true\n' + WORDS + UPPER,
    "middle": CODE + WORDS + "gate = true\n" + UPPER,
    "last": UPPER + CODE + WORDS + "gate = true\n",
    "all out at once": CODE + "keep.code = { in = [] }\ngate = true\n" + WORDS + UPPER,
    "no steps": "",
}


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("batch_rows", [1, 2, 512])
def test_rows_in_are_rows_out(  # fixtures
    gates: str, batch_rows: int, load: Load, books: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", batch_rows)
    found = tables(store, one(load(HEAD + GATES[gates]), books))
    ids = found["records"]["doc_id"].to_pylist()
    assert len(ids) == len(set(ids)) == len(TEXTS) + 1
    assert found["signals"]["doc_id"].to_pylist() == ids
    ended = [row["doc_id"] for row in found["signals"].to_pylist() if row["error"] is not None or row["gated_by"] is not None]
    assert [each for each in ids if each not in ended] == found["texts"]["doc_id"].to_pylist()


def test_a_row_goes_on_until_it_fails_or_a_gate_ends_it(load: Load, books: Path, store: Store) -> None:
    found = tables(store, one(load(HEAD + GATES["first"]), books))
    rows = by_text(found)
    gated = {text: row["gated_by"] for text, row in rows.items() if row["gated_by"]}
    assert gated == dict.fromkeys(["", "fr un deux trois", TEXTS[-1]], "language")
    assert {text: (row["error_step"], row["error"], row["error_detail"]) for text, row in rows.items() if row["error"] and text} == {
        text: ("toy_words", "said_so", text) for text in ("en FAIL here now", "en FAIL")
    }
    assert (rows[None]["error_step"], rows[None]["error"], rows[None]["language_code"]) == ("ingest", "not_json", None)
    # what was measured until then stays, what came after is null
    assert (rows["fr un deux trois"]["language_code"], rows["fr un deux trois"]["toy_words_count"]) == ("fr", None)
    assert (rows["en FAIL"]["language_code"], rows["en FAIL"]["toy_words_count"]) == ("en", None)
    assert rows["de eins"]["toy_words_count"] == 2
    assert found["texts"].drop_columns("doc_id").to_pylist() == [
        {"text": text.upper(), "title": text[:2]} for text in ("en one two three", "de eins", "de eins zwei drei")
    ]


def test_a_bound_that_is_no_gate_ends_nothing(load: Load, books: Path, store: Store) -> None:
    open_, gated = (tables(store, one(load(HEAD + GATES[name]), books)) for name in ("none", "middle"))
    assert "de eins" not in [row["text"] for row in gated["texts"].to_pylist()]
    assert len(open_["texts"]) == len(TEXTS) - 2 > len(gated["texts"])


def test_a_gate_has_limits_by_language(load: Load, books: Path, store: Store) -> None:
    recipe = load(HEAD + CODE + WORDS + "keep.count = { by_language = { de = { min = 1 } } }\ngate = true\n")
    rows = by_text(tables(store, one(recipe, books)))
    assert rows["de eins"]["gated_by"] is None
    assert rows[""]["gated_by"] == "toy_words"


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_input_is_an_empty_shard(text: str, load: Load, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text(text)
    found = tables(store, one(load(HEAD + CODE + WORDS), path))
    assert {kind: len(table) for kind, table in found.items()} == {"records": len(text), "texts": 0, "signals": len(text)}
    assert found["signals"].schema.names[-4:] == ["language_code", "toy_words_count", "toy_words_longest", "toy_words_share"]


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(load: Load, books: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    copy = Path(shutil.copy(books, tmp_path / "elsewhere" / books.name))
    recipe = load(HEAD + GATES["first"])
    files = []
    for path, root in ((books, tmp_path / "a"), (copy, tmp_path / "b")):
        built = shard.process(Store(root), one(recipe, path))
        files.append({str(file.relative_to(root)): file.read_bytes() for file in root.glob(f"{built.path}/**/*") if file.is_file()})
    assert len(files[0]) == 4
    assert files[0] == files[1]
    manifest = json.loads(files[0][f"{built.path}/manifest.json"])
    assert str(tmp_path) not in json.dumps(manifest)


def test_a_finished_shard_is_not_read_again(load: Load, books: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    each = one(load(HEAD + WORDS), books)
    assert shard.process(store, each).made
    monkeypatch.setattr(ingest, "read", None)
    assert not shard.process(store, each).made


BASE = CODE + 'keep.code = { in = ["en", "de"] }\ngate = true\n' + WORDS


@pytest.mark.parametrize(
    "override",
    [
        "toy_words.count.min=10",
        "toy_words.count=false",
        "toy_words.share.max=0.1",
        "dedup.near=false",
        "split.test=0.5",
        "limits.max_error_share=1",
    ],
)
def test_what_only_decides_keeps_the_fingerprint(override: str, load: Load, books: Path) -> None:
    assert one(load(HEAD + BASE), books).fingerprint == one(load(HEAD + BASE, override), books).fingerprint


@pytest.mark.parametrize(
    "override",
    [
        'language.code.in=["en"]',
        "language.code.null=true",
        "language.gate=false",
        "toy_words.gate=true",
        "toy_words.least_chars=2",
        "toy_words.as=other",
        "source.books.text_key=body",
        "source.books.id_key=id",
        "source.books.name=library",
    ],
)
def test_what_changes_the_shard_changes_the_fingerprint(override: str, load: Load, books: Path) -> None:
    assert one(load(HEAD + BASE), books).fingerprint != one(load(HEAD + BASE, override), books).fingerprint


def test_code_library_reader_and_input_change_the_fingerprint(load: Load, books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load(HEAD + BASE)
    seen = [one(recipe, books).fingerprint]
    with monkeypatch.context() as patch:
        patch.setattr(step.find("toy_words"), "VERSION", 2)
        seen.append(one(recipe, books).fingerprint)
    with monkeypatch.context() as patch:
        patch.setattr(shard, "versions", lambda uses: dict.fromkeys(uses, "0.0.1"))
        seen.append(one(recipe, books).fingerprint)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.ingest.jsonl.VERSION", 0)
        seen.append(one(recipe, books).fingerprint)
    assert one(recipe, books).fingerprint == seen[0]
    books.write_bytes(books.read_bytes() + b"{}\n")
    seen.append(one(recipe, books).fingerprint)
    seen.append(one(load(HEAD + WORDS + CODE), books).fingerprint)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("short", "returned 8 values of 'one' for 9 rows"),
        ("missing signal", "returned signals [], its SIGNALS are ['one']"),
        ("extra signal", "returned signals ['one', 'two'], its SIGNALS are ['one']"),
        ("wrong type", "returned 'one' as double, its SIGNALS say int64"),
        ("undeclared column", "returned columns ['colour'], its COLUMNS are []"),
        ("short text", "returned 8 values of 'text' for 9 rows"),
        ("error out of range", "returned an error for row 9 of 9"),
    ],
)
def test_a_step_that_breaks_its_contract_stops_the_run(how: str, told: str, load: Load, books: Path, store: Store) -> None:
    books.write_bytes(json_lines([{"text": str(number)} for number in range(9)]))
    each = one(load(HEAD + f'[[step]]\nuse = "toy_broken"\nhow = "{how}"\n'), books)
    with pytest.raises(TypeError) as raised:
        shard.process(store, each)
    assert str(raised.value) == f"step 'toy_broken' {told}"
    assert store.manifest(f"shards/{each.fingerprint}") is None


def test_a_document_that_never_got_a_text_stops_the_run(load: Load, books: Path, store: Store, tmp_path: Path) -> None:
    page = tmp_path / "a.warc.gz"
    page.write_bytes(warc_bytes([("response", "http://h.example/", b"<p>hello")]))
    recipe = load(HEAD.replace('"jsonl"', '"warc"'))
    with pytest.raises(ValueError, match="has no text, only bytes; expected the step `extract`"):
        shard.process(store, one(recipe, page))


def test_a_failure_told_in_broken_characters_is_still_a_fate(
    load: Load, books: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = step.find("toy_words")
    run = module.run

    def surrogates(batch: pa.RecordBatch, config: object) -> step.StepResult:
        found = run(batch, config)
        return step.StepResult(None, found.signals, found.columns, {0: step.RowError("odd", "\ud800")})

    monkeypatch.setattr(module, "run", surrogates)
    found = tables(store, one(load(HEAD + WORDS), books))
    assert found["signals"]["error_detail"][0].as_py() == "\ufffd"


def test_a_plan_has_a_shard_for_every_large_input(load: Load, books: Path) -> None:
    recipe = load(HEAD + WORDS)
    given = replace(as_input(books), bytes=shard.SMALL_BYTES + 1)
    assert shard.plan(recipe, {"books": [given, given]}) == [Shard(recipe.sources[0], (given,), recipe.steps)] * 2
    assert shard.plan(recipe, {"books": []}) == []


def test_small_inputs_are_bundled_and_a_new_one_changes_its_bundle_alone() -> None:
    def small(number: int) -> Input:
        return Input("/x", str(number), str(number), hashlib.sha256(str(number).encode()).hexdigest(), 1000)

    given = [small(number) for number in range(5000)]
    before = list(shard.bundles(given))
    assert [each for bundle in before for each in bundle] == given
    assert 5 <= len(before) <= 50
    after = list(shard.bundles([*given[:2500], small(9999), *given[2500:]]))
    assert len(set(after) - set(before)) <= 2


def test_a_bundle_is_bounded_in_bytes() -> None:
    given = [Input("/x", "x", "x", "1" * 64, shard.SMALL_BYTES)] * 200
    assert max(sum(each.bytes for each in bundle) for bundle in shard.bundles(given)) <= shard.MAX_BUNDLE_BYTES + shard.SMALL_BYTES
