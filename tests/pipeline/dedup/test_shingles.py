from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.shingles import shingle_sets
from pipeline.dedup.words import mix

from .test_words import TEXT, plain_hash, plain_words

BASE = 0xD1342543DE82EF95


def plain_set(text: str, shingle_words: int) -> list[int]:
    hashes = [plain_hash(word) for word in plain_words(text)]
    width = min(len(hashes), shingle_words)
    shingles = set()
    for start in range(len(hashes) - width + 1 if hashes else 0):
        value = 0
        for word in hashes[start : start + width]:
            value = (value * BASE + word) % 2**64
        shingles.add(int(mix(np.uint64(value))))
    return sorted(shingles)


@given(st.lists(TEXT, max_size=4), st.integers(1, 6))
def test_sets_are_those_of_plain_python(texts: list[str], shingle_words: int) -> None:
    assert shingle_sets(pa.array(texts, pa.string()), shingle_words).to_pylist() == [plain_set(text, shingle_words) for text in texts]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("...", 0), ("one", 1), ("a b c d", 1), ("a b c d e", 1), ("a b c d e f", 2)])
def test_a_short_text_has_one_shingle_and_one_without_words_none(text: str, count: int) -> None:
    assert len(shingle_sets(pa.array([text]), 5)[0]) == count


def test_a_repeated_shingle_counts_once() -> None:
    assert len(shingle_sets(pa.array(["a b " * 50]), 5)[0]) == 2


def test_case_spacing_and_punctuation_change_no_shingle() -> None:
    plain, dressed = shingle_sets(pa.array(["the cat sat on the mat", "The cat, sat\n\non -- THE mat!"]), 5).to_pylist()
    assert plain == dressed


def test_the_order_of_words_counts() -> None:
    one, other = shingle_sets(pa.array(["a b c d e", "a b c e d"]), 5).to_pylist()
    assert one != other


def test_rows_that_are_not_wanted_have_empty_sets() -> None:
    texts = pa.array(["one two", "three four", "five six"])
    some, every = shingle_sets(texts, 2, np.array([True, False, True])).to_pylist(), shingle_sets(texts, 2).to_pylist()
    assert some == [every[0], [], every[2]]


def test_hostile_texts_are_only_texts() -> None:
    texts = pa.array(
        ["x" * 1_000_000, "a " * 500_000, "\n" * 100_000, "\x00", "日" * 100_000, "e" + "\u0301" * 100_000, "עברית مرحبا", None]
    )
    assert [len(shingles) for shingles in shingle_sets(texts, 5).to_pylist()] == [1, 1, 0, 0, 1, 1, 1, 0]
