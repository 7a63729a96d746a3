from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import near
from pipeline.dedup.bands import layout
from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import signature_matrix, signatures
from pipeline.dedup.near import near_duplicates

from .planted import doc_ids, jaccard_matrix, like, pairs, words

CONFIG = NearConfig()


def zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.int64)


def family(count: int, seed: int) -> list[str]:
    """Documents that are each like some earlier one, by 0.6 to 1, so that chains abound."""
    rng = np.random.default_rng(seed)
    grown = [words(rng) for _ in range(10)]
    while len(grown) < count:
        grown.append(like(grown[rng.integers(len(grown))], rng.uniform(0.6, 1.0), rng))
    return [" ".join(document) for document in grown]


def by_the_book(texts: pa.Array, order: np.ndarray, config: NearConfig) -> dict[int, tuple[int, float]]:
    """The rule, in plain Python over every pair that shares a band."""
    similarity, matrix = jaccard_matrix(texts), signature_matrix(signatures(texts, config))
    bands, rows = layout(config)
    kept: list[int] = []
    dropped = {}
    for this in order.tolist():
        twins = []
        for rank, other in enumerate(kept):
            if (matrix[this] == matrix[other])[: bands * rows].reshape(bands, rows).all(1).any():
                twins.append((similarity[this, other], -rank))
        best = max(twins, default=(0.0, 0))
        if best[0] >= config.similarity:
            dropped[this] = (kept[-best[1]], best[0])
        else:
            kept.append(this)
    return dropped


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_what_is_dropped_and_for_what_is_what_the_rule_says(similarity: float) -> None:
    texts, ids, priority = pa.array(family(300, 1)), doc_ids(300), np.random.default_rng(2).integers(0, 4, 300)
    config = NearConfig(similarity=similarity)
    order = np.array(sorted(range(300), key=lambda row: (priority[row], ids[row].as_py().bytes)))
    found = pairs(near_duplicates(ids, texts, priority, config), ids)
    assert found == by_the_book(texts, order, config)
    assert len(found) > 30


def test_each_twin_is_itself_kept_so_that_there_are_no_chains() -> None:
    rng = np.random.default_rng(5)
    chain = [words(rng)]
    for _ in range(30):
        chain.append(like(chain[-1][::-1], 0.82, rng)[::-1] if len(chain) % 2 else like(chain[-1], 0.82, rng))
    texts, ids = pa.array([" ".join(document) for document in chain]), doc_ids(31)
    found = pairs(near_duplicates(ids, texts, np.arange(31), CONFIG), ids)
    assert found
    assert not {twin for twin, _ in found.values()} & set(found)
    assert len(found) <= 20  # one cluster by transitive closure, which would leave one document of all


def test_documents_that_share_seven_tenths_of_boilerplate_are_not_duplicates() -> None:
    rng = np.random.default_rng(6)
    boilerplate = words(rng, 140)
    texts = pa.array([" ".join(boilerplate[:70] + words(rng, 60) + boilerplate[70:]) for _ in range(2000)])
    assert len(near_duplicates(doc_ids(2000), texts, zeros(2000), CONFIG)) == 0


def test_short_and_empty_documents() -> None:
    texts = pa.array(["two words", "Two words!", "two", "", "", "...", None, "other words"])
    ids = doc_ids(8)
    assert pairs(near_duplicates(ids, texts, np.arange(8), CONFIG), ids) == {1: (0, 1.0)}


def test_scripts_without_spaces_are_deduplicated_as_well() -> None:
    rng = np.random.default_rng(7)
    original = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 300)))
    other = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 300)))
    texts, ids = pa.array([original, original[:290] + other[:10], other]), doc_ids(3)
    assert set(pairs(near_duplicates(ids, texts, np.arange(3), CONFIG), ids)) == {1}


def test_the_twin_is_the_most_similar_kept_one_and_of_equals_the_first() -> None:
    rng = np.random.default_rng(8)
    this = words(rng)
    # each parts from it elsewhere, so that they are not duplicates of each other
    near_one, nearer, as_near = this[:47] + words(rng, 5) + this[52:], like(this, 0.88, rng), like(this[::-1], 0.88, rng)[::-1]
    texts = pa.array([" ".join(document) for document in (near_one, nearer, as_near, this)])
    ids = doc_ids(4)
    found = pairs(near_duplicates(ids, texts, np.array([0, 2, 1, 3]), CONFIG), ids)
    similarity = jaccard_matrix(texts)
    assert similarity[3, 1] == similarity[3, 2] > similarity[3, 0] >= 0.8 > similarity[:3, :3][~np.eye(3, dtype=bool)].max()
    assert found == {3: (2, similarity[3, 2])}


@pytest.mark.parametrize("places", [1, 3, near._PLACES])
@pytest.mark.parametrize("config", [CONFIG, NearConfig(similarity=0.7), NearConfig(bands=2, rows=8)])
def test_any_order_of_rows_any_chunks_and_any_room_in_buckets_give_the_same(
    config: NearConfig, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(9)
    boilerplate = words(rng, 80)
    pages = [" ".join(boilerplate + words(rng, 20)) for _ in range(150)] + [" ".join(boilerplate[::-1] + words(rng, 6)) for _ in range(50)]
    texts, ids = np.array(family(400, 10) + pages, object), doc_ids(600)
    priority = rng.integers(0, 3, 600)
    expected = near_duplicates(ids, pa.array(texts), priority, config)
    assert len(expected) > 80
    monkeypatch.setattr(near, "_PLACES", places)
    shuffled = rng.permutation(600)
    chunks = pa.chunked_array([pa.array(part, pa.large_string()) for part in np.array_split(texts[shuffled], 5)])
    assert near_duplicates(ids.take(pa.array(shuffled)), chunks, priority[shuffled], config).equals(expected)


@pytest.mark.parametrize("most", [0, 20_000, 100_000])
def test_how_many_documents_are_compared_at_a_time_changes_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, ids = pa.array(family(600, 14)), doc_ids(600)
    expected = near_duplicates(ids, texts, zeros(600), CONFIG)
    monkeypatch.setattr(near, "_BATCH_BYTES", most)
    read: list[int] = []
    compare = near._compare
    monkeypatch.setattr(near, "_compare", lambda batch, *rest: [read.append(len(batch.rows)), compare(batch, *rest)][1])
    assert near_duplicates(ids, texts, zeros(600), CONFIG).equals(expected)
    assert len(read) > 1


def test_texts_must_be_as_many_as_documents_to_compare() -> None:
    with pytest.raises(ValueError, match="as many texts"):
        near_duplicates(doc_ids(2), pa.array(["a"]), zeros(2), CONFIG)


def test_nothing_in_nothing_out() -> None:
    assert len(near_duplicates(doc_ids(0), pa.array([], pa.string()), zeros(0), CONFIG)) == 0


@pytest.mark.parametrize(
    ("own_words", "dropped"),
    [
        (4, 19_999),  # similar enough: all are copies of the first
        (26, 0),  # 0.75 alike, each with each: all are kept, and 200 million pairs are not compared
    ],
)
def test_twenty_thousand_documents_of_one_template_take_seconds(own_words: int, dropped: int) -> None:
    rng = np.random.default_rng(15)
    template = " ".join(words(rng, 190))
    texts = pa.array([f"{template} {' '.join(f'{i}x{k}' for k in range(own_words))}" for i in range(20_000)])
    near_duplicates(doc_ids(2), texts[:2], zeros(2), CONFIG)  # compiled
    began = time.process_time()
    assert len(near_duplicates(doc_ids(20_000), texts, zeros(20_000), CONFIG)) == dropped
    assert time.process_time() - began < 10
