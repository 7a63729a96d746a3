"""Corpora that come one after another: what earlier ones have is not taken again, and is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import as_input, json_lines
from dedup.planted import like, words

from pipeline import check, corpus, schema, shard, split
from pipeline.dedup import index
from pipeline.dedup.containment import HeldOut
from pipeline.dedup.same import Marks
from pipeline.ingest.inputs import Input
from pipeline.recipe import Recipe
from pipeline.split import SplitConfig
from pipeline.store import Built, Store

Load = Callable[..., Recipe]
MONTHS = ("january", "february", "march")
ALL_TRAIN = "[split]\nvalidation = 0\ntest = 0\n"
SOURCE = '[[source]]\nname = "{0}"\nformat = "jsonl"\nfiles = ["{0}.jsonl"]\nid_key = "id"\n'


def recipe(load: Load, name: str, months: tuple[str, ...], *, dedup: str = "", split: str = ALL_TRAIN) -> Recipe:
    return load(f'name = "{name}"\n{"".join(map(SOURCE.format, months))}{split}[dedup]\nallow_loss = {list(months)}\n{dedup}')


def texts(count: int, seed: int) -> dict[str, dict[str, str]]:
    """By month: texts like one another, within a month and across them, and exact copies."""
    rng = np.random.default_rng(seed)
    grown = [words(rng) for _ in range(count // 20)]
    while len(grown) < count:
        again = grown[rng.integers(len(grown))]
        grown.append(again if rng.random() < 0.1 else like(again, rng.uniform(0.6, 1.0), rng))
    months: dict[str, dict[str, str]] = {month: {} for month in MONTHS}
    for number, document in enumerate(grown):
        months[MONTHS[rng.integers(3)]][str(number)] = " ".join(document)
    return months


def build(
    store: Store, made: Recipe, folder: Path, held: dict[str, dict[str, str]], parts: int = 2
) -> tuple[Built, list[tuple[Any, Input]]]:
    shards, inputs = [], []
    for source in made.sources:
        rows = [{"id": key, "text": text} for key, text in held[source.name].items()]
        for part in range(parts):
            path = folder / f"{source.name}-{part}.jsonl"
            path.write_bytes(json_lines(rows[part::parts]))
            inputs.append((source, as_input(path)))
            shards.append(shard.process(store, shard.Shard(source, (inputs[-1][1],), made.steps)).manifest.fingerprint)
    return corpus.build(store, made, shards), inputs


def fates(store: Store, made: Built, held: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    names = {schema.doc_id(month, key.encode()): key for month, rows in held.items() for key in rows}
    rows = [row for path in made.manifest.paths("fates") for row in store.table(f"{made.path}/{path}").to_pylist()]
    return {names[row["doc_id"].bytes]: {**row, "duplicate_of": row["duplicate_of"] and names[row["duplicate_of"].bytes]} for row in rows}


@pytest.mark.parametrize("seed", range(3))
def test_three_months_in_turn_are_one_run_with_older_ones_first(load: Load, store: Store, tmp_path: Path, seed: int) -> None:
    held = texts(400, seed)
    at_once, _ = build(store, recipe(load, "all", MONTHS, dedup=f"prefer_sources = {list(MONTHS)}"), tmp_path, held)
    expected = fates(store, at_once, held)
    found: dict[str, dict[str, Any]] = {}
    for number, month in enumerate(MONTHS):
        made, inputs = build(store, recipe(load, month, (month,), dedup=f"against = {list(MONTHS[:number])}"), tmp_path, held)
        found |= fates(store, made, held)
        assert [finding for finding in check.corpus(store, made.path, inputs) if not finding.holds] == []
    assert {key: row["kept"] for key, row in found.items()} == {key: row["kept"] for key, row in expected.items()}
    assert {key: row["rule"] for key, row in found.items()} == {key: row["rule"] for key, row in expected.items()}
    month_of = {key: month for month, rows in held.items() for key in rows}
    dropped = {key: row for key, row in found.items() if not row["kept"]}
    across = {key for key, row in dropped.items() if row["twin_corpus"]}
    assert len(dropped) > 100
    assert len(across) > 50
    for key, row in dropped.items():
        assert found[row["duplicate_of"]]["kept"]
        assert (row["twin_corpus"] or month_of[key]) == month_of[row["duplicate_of"]]


HELD_OUT = "[split]\nvalidation = 0.3\ntest = 0.3\nmax_similarity = 0.5\n"


def by_split(month: str, count: int = 60) -> dict[str, list[str]]:
    """Ids of a month by the part of the split that they are in."""
    keys = [f"{month} {number}" for number in range(count)]
    ids = schema.doc_ids([schema.doc_id(month, key.encode()) for key in keys])
    where = split.assign(ids, pa.nulls(count, pa.string()), SplitConfig(validation=0.3, test=0.3)).to_pylist()
    return {name: [key for key, each in zip(keys, where, strict=True) if each == name] for name in ("train", "validation", "test")}


def test_records_that_an_earlier_corpus_has_already_are_its_own(load: Load, store: Store, tmp_path: Path) -> None:
    held = texts(200, 7)
    first, _ = build(store, recipe(load, "first", MONTHS[:1]), tmp_path, held)
    made, inputs = build(store, recipe(load, "second", MONTHS[:2], dedup='against = ["first"]'), tmp_path, held)
    earlier, found = fates(store, first, held), fates(store, made, held)
    assert not any(found[key]["kept"] for key in earlier)
    for key, row in earlier.items():
        if row["kept"]:
            assert (found[key]["rule"], found[key]["duplicate_of"], found[key]["twin_corpus"]) == ("exact.duplicate", key, "first")
    assert any(found[key]["kept"] for key in held["february"])
    assert [finding for finding in check.corpus(store, made.path, inputs) if not finding.holds] == []


@pytest.mark.parametrize("similarity", [0.5, 0.6])  # the older corpus asks for 0.5
def test_training_text_like_what_an_older_corpus_holds_out_is_left_out(load: Load, store: Store, tmp_path: Path, similarity: float) -> None:
    rng, old, new = np.random.default_rng(6), by_split("january"), by_split("march")
    one, other, third = (words(rng) for _ in range(3))
    january = {old["test"][0]: one, old["validation"][0]: other, old["train"][0]: third}
    # Too unlike to be near-duplicates, and too alike to be trained on.
    march = {
        new["train"][0]: like(one, 0.65, rng),
        new["train"][1]: like(other, 0.65, rng),
        new["train"][2]: like(third, 0.65, rng),  # like what January trains on
        new["train"][4]: other[10:40],  # held by what January holds out
        new["train"][5]: [*words(rng, 900), *one[: len(one) * 9 // 10], *words(rng, 900)],  # holds most of it
        new["test"][0]: like(one, 0.65, rng),  # held out itself
        new["train"][3]: words(rng),
    }
    held = {month: {key: " ".join(text) for key, text in texts.items()} for month, texts in (("january", january), ("march", march))}
    build(store, recipe(load, "january", ("january",), split=HELD_OUT), tmp_path, held)
    own = HELD_OUT.replace("max_similarity = 0.5", f"max_similarity = {similarity}")
    made, inputs = build(store, recipe(load, "march", ("march",), dedup="against = ['january']", split=own), tmp_path, held)
    found = fates(store, made, held)
    assert {key: (row["rule"], row["duplicate_of"], row["twin_corpus"]) for key, row in found.items()} == {
        new["train"][0]: ("split.overlap", old["test"][0], "january"),
        new["train"][1]: ("split.overlap", old["validation"][0], "january"),
        new["train"][4]: ("split.overlap", old["validation"][0], "january"),
        new["train"][5]: ("split.overlap", old["test"][0], "january"),
        **dict.fromkeys([new["train"][2], new["test"][0], new["train"][3]], (None, None, None)),
    }
    assert 0.5 <= found[new["train"][0]]["similarity"] < 0.8
    assert found[new["train"][4]]["similarity"] == 1.0
    assert [finding for finding in check.corpus(store, made.path, inputs) if not finding.holds] == []


def test_a_digest_is_found_by_all_of_its_bits(load: Load, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    held = rng.integers(0, 9, (200, 2)).astype(np.uint64)  # many stand more than once, and many are equal in one half
    asked = rng.integers(0, 10, (300, 2)).astype(np.uint64)
    rows = rng.permutation(200)
    nothing = HeldOut(np.empty(0, np.int64), pa.array([], pa.large_list(pa.uint64())))
    version = store.build(
        "corpora/held",
        {},
        lambda version: index.write(version, {"text": Marks(held, np.ones(200, np.bool_))}, None, nothing, rows) or {},
    )
    first: dict[tuple[int, ...], int] = {}
    for row in np.argsort(rows):
        first.setdefault(tuple(held[row].tolist()), int(rows[row]))
    corpus_ = index.Indexed(store, version.path, version.manifest)
    assert corpus_.copies("text", asked).tolist() == [first.get(tuple(each), -1) for each in asked.tolist()]
    assert corpus_.copies("text", asked[:0]).tolist() == []


def test_a_corpus_is_asked_for_what_was_found_alone(load: Load, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an older corpus the row groups are read that hold a twin, and no others."""
    monkeypatch.setattr(corpus, "_ROWS_AT_ONCE", 10)
    rng = np.random.default_rng(4)
    old = {str(number): " ".join(words(rng)) for number in range(500)}
    build(store, recipe(load, "january", ("january",)), tmp_path, {"january": old}, parts=1)
    read: list[int] = []
    some = index._some
    monkeypatch.setattr(index, "_some", lambda file, name, rows: [read.append(len(rows)), some(file, name, rows)][1])
    new = {"copy": old["7"] + "!", "alike": " ".join([*old["9"].split(), "more"]), "own": " ".join(words(rng))}
    made, _ = build(store, recipe(load, "march", ("march",), dedup="against = ['january']"), tmp_path, {"march": new}, parts=1)
    found = fates(store, made, {"january": old, "march": new})
    assert {key: (row["rule"], row["duplicate_of"], row["twin_corpus"]) for key, row in found.items()} == {
        "copy": ("near.duplicate", "7", "january"),
        "alike": ("near.duplicate", "9", "january"),
        "own": (None, None, None),
    }
    assert sum(read) == 4  # two texts, two ids


@pytest.mark.parametrize(
    ("dedup", "problem"),
    [
        ("against = ['june']", "dedup.against: 'june': expected the name of another corpus in {root}: january"),
        ("against = ['march']", "dedup.against: 'march': expected the name of another corpus in {root}: january"),
        (
            "against = ['january']\nnear = {{ similarity = 0.7 }}",
            "dedup.against: 'january': expected a corpus with the same dedup.near; its similarity is 0.8, not 0.7",
        ),
        (
            "against = ['january']\nnear = {{ shingle_words = 3 }}",
            "dedup.against: 'january': expected a corpus with the same dedup.near; its shingle_words is 5, not 3",
        ),
        (
            "against = ['january']\nexact = {{ by = ['bytes'] }}",
            "dedup.against: 'january': expected a corpus with the same dedup.exact; it keeps nothing to compare by bytes",
        ),
    ],
)
def test_what_cannot_be_compared_with_is_said_in_one_line(load: Load, store: Store, tmp_path: Path, dedup: str, problem: str) -> None:
    build(store, recipe(load, "january", ("january",), split=""), tmp_path, {"january": {"a": "one text"}})
    with pytest.raises(ValueError, match="against") as raised:
        build(store, recipe(load, "march", ("march",), dedup=dedup.format(), split=""), tmp_path, {"march": {"b": "another"}})
    assert str(raised.value) == problem.format(root=store.root)


def test_a_corpus_of_an_earlier_version_is_to_be_made_again(load: Load, store: Store, tmp_path: Path) -> None:
    made = recipe(load, "march", ("march",), dedup="against = ['old']\nnear = false")
    old = store.build("corpora/old", {"dedup": {"near": False}}, lambda version: {})
    store.point("corpora/old", old.manifest.fingerprint)
    with pytest.raises(
        ValueError, match="'old': expected a corpus with a whole index, which this one of an earlier version has not; run it"
    ):
        build(store, made, tmp_path, {"march": {"b": "another"}})


def test_held_out_text_of_an_older_corpus_is_kept_by_shingles_of_as_many_words(load: Load, store: Store, tmp_path: Path) -> None:
    held = {"january": {"a": "one text"}, "march": {"b": "another"}}
    build(store, recipe(load, "january", ("january",), dedup="near = { shingle_words = 3 }"), tmp_path, held)
    said = "'january': expected a corpus whose held-out documents are kept by the same dedup.near.shingle_words; they are 3, not 5"
    with pytest.raises(ValueError, match=said):
        build(store, recipe(load, "march", ("march",), dedup="near = false\nagainst = ['january']"), tmp_path, held)


def test_a_corpus_without_near_duplicates_is_asked_for_copies_alone(load: Load, store: Store, tmp_path: Path) -> None:
    held = {"january": {"a": "one text of words", "b": "other"}, "march": {"c": "one  text of words", "d": "other words"}}
    build(store, recipe(load, "january", ("january",), dedup="near = false"), tmp_path, held)
    made, _ = build(store, recipe(load, "march", ("march",), dedup="near = false\nagainst = ['january']"), tmp_path, held)
    assert {key: (row["rule"], row["twin_corpus"]) for key, row in fates(store, made, held).items()} == {
        "c": ("exact.duplicate", "january"),
        "d": (None, None),
    }


def test_what_is_signed_once_serves_every_bound(load: Load, store: Store, tmp_path: Path) -> None:
    held = texts(60, 5)
    build(store, recipe(load, "january", ("january",)), tmp_path, held)
    signed = store.folders("signatures")
    assert len(signed) == 2
    build(store, recipe(load, "again", ("january",), dedup="near = { similarity = 0.6 }"), tmp_path, held)
    assert store.folders("signatures") == signed
