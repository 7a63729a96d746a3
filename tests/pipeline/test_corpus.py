"""From shards to a corpus: every dropped duplicate names the twin that won, and what is held out stays held out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import as_input, json_lines

from pipeline import corpus, schema, shard, split
from pipeline import recipe as recipes
from pipeline.alarms import TooMuchLostError
from pipeline.dedup.precedence import priority
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe
from pipeline.split import SplitConfig
from pipeline.store import Store, fingerprint

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

HEAD = """
[[source]]
name = "books"
format = "jsonl"
files = ["books.jsonl"]
id_key = "id"
[[source]]
name = "web"
format = "jsonl"
files = ["web.jsonl"]
id_key = "id"
[[step]]
use = "toy_words"
[order]
sequence_tokens = 8
"""
ALL_TRAIN = "[split]\nvalidation = 0\ntest = 0\n"


def words(*numbers: int) -> str:
    return " ".join(f"word{number}" for number in numbers)


LONG = range(100)
TEXTS = {
    "original": words(*LONG),
    "copy": "  " + words(*LONG).replace(" ", "\n") + " ",
    "alike": words(*LONG, 100, 101, 102),  # 0.97 alike, and longer: it wins
    "half": words(*range(30, 100), *range(200, 222)),  # 0.59 alike
    "other": words(*range(300, 350)),
    "short": "two words",
    "failing": "it will FAIL here",
}


def built(store: Store, recipe: Recipe, folder: Path, **sources: dict[str, str]) -> dict[str, Any]:
    """The corpus of these texts by id, as fates and documents by id."""
    shards, names = [], {}
    for source in recipe.sources:
        path = folder / f"{source.name}.jsonl"
        path.write_bytes(json_lines([{"id": key, "text": text} for key, text in sources.get(source.name, {}).items()]))
        each = shard.Shard(source, (as_input(path),), recipe.steps)
        shards.append(shard.process(store, each).manifest.fingerprint)
        names |= {schema.doc_id(source.name, key.encode()): key for key in sources.get(source.name, {})}
    made = corpus.build(store, recipe, shards)
    tables = {kind: read(store, made.path, made.manifest.paths(kind)) for kind in ("fates", "documents", "duplicates")}

    def named(kind: str) -> dict[str, dict[str, Any]]:
        rows = [{key: names.get(getattr(value, "bytes", None), value) for key, value in row.items()} for row in tables[kind].to_pylist()]
        assert len({row["doc_id"] for row in rows}) == len(rows)
        return {row["doc_id"]: row for row in rows}

    return {kind: named(kind) for kind in tables} | {"built": made}


def read(store: Store, place: str, paths: list[str]) -> pa.Table:
    tables = [store.table(f"{place}/{path}") for path in paths]
    for table in tables:
        table.validate(full=True)
    return pa.concat_tables(tables)


def fate(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["kept"], row["rule"], row["duplicate_of"], row["similarity"]


def test_each_record_has_its_fate_and_each_duplicate_names_its_twin(load: Load, store: Store, tmp_path: Path) -> None:
    recipe = load(HEAD + ALL_TRAIN + "[dedup]\nnear = { similarity = 0.8 }\n[limits]\nmax_error_share = 0.5\n")
    found = built(store, recipe, tmp_path, books=TEXTS)
    alike = found["fates"]["original"]["similarity"]
    assert 0.95 < alike < 1
    first, second = sorted(["original", "copy"], key=lambda key: (-len(TEXTS[key]), schema.doc_id("books", key.encode())))
    assert {key: fate(row) for key, row in found["fates"].items()} == {
        first: (False, "near.duplicate", "alike", alike),
        second: (False, "near.duplicate", "alike", alike),  # the copy follows its twin to the one that is kept
        "alike": (True, None, None, None),
        "half": (True, None, None, None),
        "other": (True, None, None, None),
        "short": (False, "toy_words.count.min", None, None),
        "failing": (False, "toy_words.said_so", None, None),
    }
    assert {row["step"] for row in found["fates"].values()} == {None, "near", "toy_words"}
    assert set(found["documents"]) == {"alike", "half", "other"}
    assert {key: row["text"] for key, row in found["documents"].items()} == {key: TEXTS[key] for key in found["documents"]}
    assert {key: (row["duplicate_of"], row["twin_corpus"]) for key, row in found["duplicates"].items()} == {
        "original": ("alike", ""),
        "copy": ("alike", ""),
    }
    assert found["built"].manifest.counts == {"records": 7, "kept": 3, "dropped": 4, "duplicates": 2}
    assert store.current("corpora/recipe") == found["built"].manifest.fingerprint


def test_documents_lie_in_order_of_their_ids(load: Load, store: Store, tmp_path: Path) -> None:
    found = built(store, load(HEAD + ALL_TRAIN), tmp_path, books={str(key): words(*range(key, key + 9)) for key in range(0, 300, 10)})
    table = read(store, found["built"].path, found["built"].manifest.paths("documents")[:1])
    ids = table["doc_id"].combine_chunks().storage.to_pylist()
    assert ids == sorted(ids)
    assert table.schema == schema.DOCUMENTS


def test_what_breaks_a_bound_takes_no_part_in_deduplication(load: Load, store: Store, tmp_path: Path) -> None:
    recipe = load(HEAD + ALL_TRAIN + "[dedup]\nprefer_sources = ['web']\n", "toy_words.longest.max=7")
    long_word = words(*range(100), 1000)
    found = built(store, recipe, tmp_path, books={"fine": words(*range(100))}, web={"broken": long_word})
    assert found["fates"]["broken"]["rule"] == "toy_words.longest.max"
    assert found["fates"]["fine"]["kept"]


@pytest.mark.parametrize("dedup", ["exact = false\nnear = false", "near = false", "exact = false"])
def test_either_kind_of_deduplication_can_be_left_out(load: Load, store: Store, tmp_path: Path, dedup: str) -> None:
    found = built(store, load(HEAD + ALL_TRAIN + f"[dedup]\n{dedup}\n"), tmp_path, books={"a": TEXTS["original"], "b": TEXTS["copy"]})
    rules = {row["rule"] for row in found["fates"].values()}
    assert rules == {"exact = false\nnear = false": {None}, "near = false": {None, "exact.duplicate"}}.get(dedup, {None, "near.duplicate"})


def test_preferred_sources_win_then_the_longest(load: Load, store: Store, tmp_path: Path) -> None:
    texts = {"books": {"b": TEXTS["original"]}, "web": {"w": TEXTS["alike"]}}
    longest = built(store, load(HEAD + ALL_TRAIN + "[dedup]\nallow_loss = ['books']\n"), tmp_path, **texts)
    assert fate(longest["fates"]["b"])[:3] == (False, "near.duplicate", "w")
    preferred = built(store, load(HEAD + ALL_TRAIN + "[dedup]\nprefer_sources = ['books']\nallow_loss = ['web']\n"), tmp_path, **texts)
    assert fate(preferred["fates"]["w"])[:3] == (False, "near.duplicate", "b")


@pytest.mark.parametrize(("prefer", "order"), [("oldest", [1, 2, None]), ("newest", [2, 1, None])])
def test_documents_of_unknown_time_come_last(load: Load, prefer: str, order: list[int | None]) -> None:
    recipe = load(HEAD + f'[dedup]\nprefer = "{prefer}"\n')
    times = [2, None, 1]
    known = pa.table({"source": ["web"] * 3, "fetched_at": pa.array(times, pa.timestamp("us", "UTC"))})
    ranks = priority(recipe.dedup, known)
    assert [times[row] for row in ranks.argsort()] == order


SHARES = SplitConfig(validation=0.2, test=0.2)


def by_split(count: int) -> dict[str, list[str]]:
    """Ids of the source `books` by the split that their hash puts them in."""
    keys = [str(number) for number in range(count)]
    where = split.assign(schema.doc_ids([schema.doc_id("books", key.encode()) for key in keys]), NO_HOSTS, SHARES).to_pylist()
    return {name: [key for key, each in zip(keys, where, strict=True) if each == name] for name in ("train", "validation", "test")}


NO_HOSTS = pa.array([], pa.string())
HELD_OUT = "[split]\nvalidation = 0.2\ntest = 0.2\n"


def test_training_text_like_a_held_out_one_is_left_out_and_says_of_which(load: Load, store: Store, tmp_path: Path) -> None:
    keys = by_split(60)
    train, validation, test = keys["train"], keys["validation"], keys["test"]
    texts = {validation[0]: TEXTS["original"], train[0]: TEXTS["half"], test[0]: words(*range(500, 560)), train[1]: TEXTS["other"]}
    texts |= {train[2]: words(*range(500, 556), 1, 2), validation[1]: words(*range(90), *range(600, 610))}
    found = built(store, load(HEAD + HELD_OUT + "[dedup]\nnear = { similarity = 0.95 }\n"), tmp_path, books=texts)
    fates = {key: fate(row)[:3] for key, row in found["fates"].items()}
    assert fates[train[0]] == (False, "split.overlap", validation[0])
    assert fates[train[2]] == (False, "split.overlap", test[0])
    assert 0.5 <= found["fates"][train[0]]["similarity"] < 0.8
    assert found["fates"][train[0]]["step"] == "split"
    # held-out documents stay, though they are like each other; so does what is like none
    assert [fates[key][0] for key in (validation[0], validation[1], test[0], train[1])] == [True] * 4
    assert {row["kind"] for row in found["duplicates"].values()} == {"overlap"}
    assert {row["split"] for row in found["documents"].values()} == {"train", "validation", "test"}


def test_training_text_that_holds_most_of_a_held_out_one_is_left_out_and_so_is_what_one_holds(
    load: Load, store: Store, tmp_path: Path
) -> None:
    keys = by_split(60)
    train, held_out = keys["train"], keys["validation"][0]
    texts = {held_out: words(*LONG), train[0]: words(*range(1000, 1400), *range(5, 95)), train[1]: words(*range(40, 60))}
    texts[train[2]] = words(*range(2000, 2400), *range(30, 95))  # 61 of 96 shingles
    found = built(store, load(HEAD + HELD_OUT), tmp_path, books=texts)
    assert {key: fate(row) for key, row in found["fates"].items()} == {
        held_out: (True, None, None, None),
        train[0]: (False, "split.overlap", held_out, 86 / 96),
        train[1]: (False, "split.overlap", held_out, 1.0),
        train[2]: (True, None, None, None),
    }
    assert {row["kind"] for row in found["duplicates"].values()} == {"contained"}
    assert built(store, load(HEAD + HELD_OUT, "split.max_containment=1.0"), tmp_path, books=texts)["fates"][train[0]]["kept"]


def test_a_copy_of_a_training_document_left_out_names_it(load: Load, store: Store, tmp_path: Path) -> None:
    keys = by_split(60)
    first, second = sorted(keys["train"][:2], key=lambda key: schema.doc_id("books", key.encode()))
    texts = {keys["test"][0]: words(*LONG, 100), first: words(*range(30, 100)), second: words(*range(30, 100))}
    found = built(store, load(HEAD + HELD_OUT), tmp_path, books=texts)
    assert [fate(found["fates"][key])[1:3] for key in (first, second)] == [("split.overlap", keys["test"][0]), ("exact.duplicate", first)]


def test_splits_are_stable_as_a_corpus_grows(load: Load, store: Store, tmp_path: Path) -> None:
    recipe = load(HEAD + HELD_OUT)
    texts = {str(key): words(*range(10 * key, 10 * key + 9)) for key in range(60)}
    small = built(store, recipe, tmp_path, books=dict(list(texts.items())[:30]))["documents"]
    large = built(store, recipe, tmp_path, books=texts, web={"w": words(*range(5000, 5009))})["documents"]
    assert {key: row["split"] for key, row in small.items()} == {key: large[key]["split"] for key in small}
    assert {row["split"] for row in small.values()} == {"train", "validation", "test"}
    assert {key: row["split"] for key, row in large.items() if key != "w"} == {
        key: name for name, each in by_split(60).items() for key in each
    }


def test_split_shares_are_as_set() -> None:
    ids = schema.doc_ids([schema.doc_id("books", b"%d" % number) for number in range(5000)])
    counts = split.assign(ids, NO_HOSTS, SHARES).value_counts().to_pylist()
    assert {each["values"]: round(each["counts"] / 5000, 1) for each in counts} == {"train": 0.6, "validation": 0.2, "test": 0.2}
    edge = schema.doc_ids([b"\0" * 16, b"\xff" * 16, b"\x33" + b"\0" * 15, b"\x34" * 16])
    assert split.assign(edge, NO_HOSTS, SHARES).to_pylist() == ["test", "train", "test", "validation"]
    assert split.assign(edge.slice(1, 2), NO_HOSTS, SHARES).to_pylist() == ["train", "test"]
    assert split.assign(edge.slice(0, 0), NO_HOSTS, SHARES).to_pylist() == []
    assert split.assign(edge, NO_HOSTS, SplitConfig(validation=0, test=0)).to_pylist() == ["train"] * 4


def test_by_host_all_pages_of_a_site_go_together_and_none_moves_as_hosts_come() -> None:
    config = SplitConfig(by="host", validation=0.2, test=0.2)
    ids = schema.doc_ids([schema.doc_id("books", b"%d" % number) for number in range(4000)])
    hosts = pa.array([None if number % 5 == 0 else f"host{number % 400}.example" for number in range(4000)])
    found = split.assign(ids, hosts, config)
    by_host: dict[str, set[str]] = {}
    for host, name in zip(hosts.to_pylist(), found.to_pylist(), strict=True):
        by_host.setdefault(host, set()).add(name)
    assert {len(names) for host, names in by_host.items() if host} == {1}
    assert by_host[None] == {"train", "validation", "test"}
    assert 0.25 < sum(names != {"train"} for names in by_host.values()) / len(by_host) < 0.55
    alone = pc.is_null(hosts)
    by_document = split.assign(ids.filter(alone), NO_HOSTS, SplitConfig(validation=0.2, test=0.2))
    assert found.filter(alone).to_pylist() == by_document.to_pylist()
    assert split.assign(ids.slice(7, 900), pa.chunked_array([hosts.slice(7, 900)]), config).to_pylist() == found.slice(7, 900).to_pylist()


def test_too_many_failures_stop_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    texts = {"a": TEXTS["other"], "b": TEXTS["failing"], "c": TEXTS["failing"] + " again"}
    with pytest.raises(TooMuchLostError) as raised:
        built(store, load(HEAD), tmp_path, books=texts, web={"w": TEXTS["original"]})
    said = "source 'books': 2 of 3 records failed, more than limits.max_error_share = 0.2 allows: 2 toy_words.said_so (it will FAIL here)"
    assert str(raised.value) == said
    assert store.current("corpora/recipe") is None
    assert built(store, load(HEAD, "limits.max_error_share=0.7"), tmp_path, books=texts)["built"].made


def test_what_breaks_bounds_is_no_failure(load: Load, store: Store, tmp_path: Path) -> None:
    assert built(store, load(HEAD), tmp_path, books={"a": "no", "b": "good"})["built"].manifest.counts["kept"] == 0


def test_a_source_that_deduplication_all_but_empties_stops_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    texts = {"books": {str(key): TEXTS["other"] for key in range(20)}, "web": {"w": TEXTS["original"]}}
    with pytest.raises(TooMuchLostError) as raised:
        built(store, load(HEAD + ALL_TRAIN), tmp_path, **texts)
    first = min(range(20), key=lambda key: schema.doc_id("books", str(key).encode()))
    assert str(raised.value) == (
        "source 'books': 19 of 20 documents are duplicates, more than dedup.max_duplicate_share = 0.9 allows; "
        f"name it in dedup.allow_loss if that is right. Copies: 19 of books.jsonl at {first}"
    )
    allowed = built(store, load(HEAD + ALL_TRAIN, 'dedup.allow_loss=["books"]'), tmp_path, **texts)
    assert allowed["built"].manifest.counts["kept"] == 2


def test_a_language_that_deduplication_all_but_empties_stops_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    german = "Die Katze sitzt auf der Mauer und sieht den Vögeln zu, bis es dunkel wird."
    own = {
        f"own {key}": f"The cat sat on the wall and watched the birds all day; it was day {words(*range(key, key + 9))}."
        for key in range(0, 900, 9)
    }
    measured = HEAD.replace("[order]", '[[step]]\nuse = "language"\n[order]')
    few, many = ({**own, **{str(key): german for key in range(count)}} for count in (60, 120))
    assert built(store, load(measured + ALL_TRAIN), tmp_path, books=few)["built"].manifest.counts["kept"] == 101
    with pytest.raises(TooMuchLostError, match=r"^language 'de': 119 of 120 documents are duplicates, more than dedup.max_duplicate_share"):
        built(store, load(measured + ALL_TRAIN), tmp_path, books=many)
    assert built(store, load(measured + ALL_TRAIN, 'dedup.allow_loss=["de"]'), tmp_path, books=many)["built"].manifest.counts["kept"] == 101


def test_a_record_that_comes_in_twice_stops_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    recipe, shards = load(HEAD), []
    for name, more in (("a.jsonl", ""), ("b.jsonl", "more")):
        (tmp_path / name).write_bytes(json_lines([{"id": "same", "text": TEXTS["other"] + more}]))
        shards.append(shard.process(store, shard.Shard(recipe.sources[0], (as_input(tmp_path / name),), recipe.steps)).manifest.fingerprint)
    with pytest.raises(ValueError, match="source 'books': expected record ids that stand once, but 1 stand more often") as raised:
        corpus.build(store, recipe, shards)
    assert "such as the one of a.jsonl at 0 and b.jsonl at 0, counted from 0" in str(raised.value)


@pytest.mark.parametrize("texts", [{}, {"a": "no", "b": "good"}, {"a": TEXTS["other"]}])
def test_a_corpus_of_little_or_nothing(load: Load, store: Store, tmp_path: Path, texts: dict[str, str]) -> None:
    found = built(store, load(HEAD + HELD_OUT), tmp_path, books=texts)
    assert len(found["fates"]) == len(texts)
    assert found["built"].manifest.counts["records"] == len(texts)
    assert len(found["documents"]) == (TEXTS["other"] in texts.values())


def test_a_corpus_of_no_shards(load: Load, store: Store) -> None:
    made = corpus.build(store, load(HEAD), [])
    assert made.manifest.counts == {"records": 0, "kept": 0, "dropped": 0, "duplicates": 0}


def test_the_same_shards_in_any_order_are_the_same_corpus(load: Load, tmp_path: Path) -> None:
    texts = {str(key): words(*range(200 * (key % 17), 200 * (key % 17) + 40 + key)) for key in range(30)}
    recipe = load(HEAD + HELD_OUT)
    halves = []
    for number in range(2):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(json_lines([{"id": key, "text": text} for key, text in texts.items() if int(key) % 2 == number]))
        halves.append(as_input(path))

    def files(root: Path, inputs: list[Input]) -> dict[str, bytes]:
        store = Store(root)
        shards = [shard.process(store, shard.Shard(recipe.sources[0], (each,), recipe.steps)).manifest.fingerprint for each in inputs]
        made = corpus.build(store, recipe, shards)
        return {str(path.relative_to(root)): path.read_bytes() for path in (root / made.path).rglob("*") if path.is_file()}

    first = files(tmp_path / "a", halves)
    assert first == files(tmp_path / "b", halves[::-1]) == files(tmp_path / "c", [*halves, halves[0]])
    assert str(tmp_path) not in str(first)


def test_the_fingerprint_says_what_determined_the_corpus_and_no_place(load: Load, tmp_path: Path) -> None:
    recipe = load(HEAD)
    spec = corpus.spec(recipe, ["b", "a"])
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "recipe.toml").write_text((tmp_path / "recipe.toml").read_text())
    assert corpus.spec(recipes.load(moved / "recipe.toml"), ["a", "b", "a"]) == spec
    shutil.rmtree(moved)
    overrides = ["toy_words.count.min=4", "toy_words.count=false", "dedup.prefer=oldest", "dedup.near=false", "split.test=0.5"]
    specs = [spec, corpus.spec(recipe, ["a"]), *(corpus.spec(load(HEAD, override), ["a", "b"]) for override in overrides)]
    assert all(one != other for number, one in enumerate(specs) for other in specs[:number])


def test_the_order_of_bounds_is_part_of_the_fingerprint(load: Load) -> None:
    one = load(HEAD.replace('"toy_words"\n', '"toy_words"\nkeep.longest = { max = 9 }\nkeep.share = { max = 1 }\n'))
    other = load(HEAD.replace('"toy_words"\n', '"toy_words"\nkeep.share = { max = 1 }\nkeep.longest = { max = 9 }\n'))
    assert fingerprint(corpus.spec(one, [])) != fingerprint(corpus.spec(other, []))
