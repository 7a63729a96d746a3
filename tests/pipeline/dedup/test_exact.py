from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.exact import exact_duplicates, text_digest, text_digests

from .planted import doc_ids, pairs


def dropped(texts: list[str | None], priority: list[int]) -> dict[int, tuple[int, float]]:
    ids = doc_ids(len(texts))
    return pairs(exact_duplicates(ids, pa.array(texts, pa.string()), np.array(priority)), ids)


def test_of_one_text_the_first_in_order_is_kept() -> None:
    assert dropped(["a", "b", "a", "a"], [3, 0, 1, 2]) == {0: (2, 1.0), 3: (2, 1.0)}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b", "a\n\t b ", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("", "   ", True),
        ("a", "A", False),
        ("a b", "ab", False),
        ("\ufb01", "fi", False),
    ],
)
def test_spacing_and_composition_are_not_text(one: str, other: str, same: bool) -> None:
    assert (text_digest(one) == text_digest(other)) is same
    assert dropped([one, other], [0, 1]) == ({1: (0, 1.0)} if same else {})


def test_the_digest_is_xxh3_of_the_normalised_text() -> None:
    assert text_digest(" cafe\u0301\n au lait ") == xxhash.xxh3_128_digest("café au lait".encode())


ODD = "ab \t\n\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000\u200b\u00e9e\u0301\u1100\u1161\u212b\U0001f600"


@given(st.lists(st.text(st.sampled_from(ODD), max_size=12)))
def test_digests_of_many_are_those_of_each(texts: list[str]) -> None:
    chunks = pa.chunked_array([pa.array(texts, pa.large_string()), pa.array(texts[1:], pa.large_string())])
    assert text_digests(chunks).tobytes() == b"".join(text_digest(text) for text in (*texts, *texts[1:]))


def test_null_texts_are_like_no_other() -> None:
    assert dropped([None, None, ""], [0, 1, 2]) == {}


def test_neither_the_order_of_rows_nor_chunks_matter() -> None:
    rng = np.random.default_rng(0)
    texts, ids, priority = np.array([f"text {i}" for i in rng.integers(0, 300, 9000)]), doc_ids(9000), rng.integers(0, 5, 9000)
    expected = exact_duplicates(ids, pa.array(texts), priority)
    assert len(expected) == 8700
    shuffled = rng.permutation(9000)
    chunks = pa.chunked_array([pa.array(part) for part in np.array_split(texts[shuffled], 7)])
    assert exact_duplicates(ids.take(pa.array(shuffled)), chunks, priority[shuffled]).equals(expected)


def test_texts_must_be_as_many_as_documents() -> None:
    with pytest.raises(ValueError, match="as many texts"):
        exact_duplicates(doc_ids(2), pa.array(["a"]), np.zeros(2, np.int64))
