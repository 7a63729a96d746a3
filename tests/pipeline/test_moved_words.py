"""The words that lines bring along are those that a scan of the new text finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, text_batch

from pipeline.kernels.words import words
from pipeline.steps import c4_lines, mask_personal_data
from pipeline.steps.c4_lines import Config

_PIECES = [
    "Mr. O'Neill", "it's", "U.S.", "e.g.", "3.5km", ":)", "a-b", "(x)", ".", "...", "'s", " ", "  ", "\t", "\n", "\n\n", "\r\n", "\r", "\v",
    "\x1c", "\x1f", "\x85", "\u2028", "\u2029", "\xa0", "\u3000", "\ufeff", "\u200b", "\0", "[", "]", "[1]", "[12] ", " []", "[edit]",
    "[citation needed]", "中文字", "ไทยคำ", "é", "e\u0301", "👩‍👩‍👧", "http://a.example/b?c=[1]", "privacy policy", "javascript",
]  # fmt: skip


def left(array: pa.Array, **changed: Any) -> pa.Array:
    """What the line rules leave."""
    text = c4_lines.run(pa.record_batch({"text": array}), Config(**changed)).text
    assert text is not None
    return text


def masked(array: pa.Array) -> pa.Array:
    """The texts without personal data."""
    text = mask_personal_data.run(pa.record_batch({"text": array}), mask_personal_data.Config()).text
    assert text is not None
    return text


def assert_moved_as_scanned(array: pa.Array, **changed: Any) -> None:
    """The words known of what is left are those of the same texts in other memory."""
    words(array)
    assert_known_as_scanned(left(array, **changed))


def assert_known_as_scanned(text: pa.Array) -> None:
    """The words known of these texts are those of the same texts in other memory."""
    moved, scanned = words.known(text), words(pa.array(text.to_pylist(), pa.string()))
    assert moved is not None
    columns: zip[tuple[np.ndarray, np.ndarray]] = zip(moved, scanned, strict=True)
    for one, other in columns:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


texts = st.lists(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join) | st.none(), max_size=5)


@given(texts, st.sampled_from([0, 1, 2]), st.booleans(), st.booleans(), st.sampled_from([5, 1000]), st.data())
@settings(max_examples=600)
def test_words_are_moved_as_a_scan_finds_them(
    rows: list[str | None], min_words: int, terminal: bool, citations: bool, longest: int, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    array = pa.array(rows, kind).slice(data.draw(st.integers(0, len(rows))))
    assert_moved_as_scanned(array, min_words=min_words, terminal=terminal, citations=citations, max_word_chars=longest)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
@settings(max_examples=200)
def test_words_of_any_characters_are_moved(rows: list[str]) -> None:
    assert_moved_as_scanned(pa.array(rows, pa.string()), min_words=0, terminal=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "[1] \n[2]\n [3] a b[4].\u2028\n[5]",
        "\n \n[1]  \n[2] Mr[3]. Smith\n\n",
        "one\r\ntwo[1]\r\n\r\nthree 中文[1]字\r\n[2]",
        "kept as it is\nshort\nCut[1] here and中文 there\u2029kept again, Mr. Smith.",
    ],
)
def test_lines_that_were_cut_are_scanned_anew(text: str) -> None:
    for min_words in (0, 2, 3):
        assert_moved_as_scanned(pa.array(["before.", text, "after [1]."]), min_words=min_words, terminal=False)


_TEXTS = [text for text in {**PLAIN, **NASTY}.values() if len(text) < 150_000]


@pytest.mark.parametrize("text", _TEXTS, ids=range(len(_TEXTS)))
def test_words_of_nasty_texts_are_moved(text: str) -> None:
    assert_moved_as_scanned(pa.array([text, text[1:]]), min_words=0, terminal=False)
    assert_moved_as_scanned(pa.array([text, text[1:]]))


@given(
    st.lists(st.lists(st.sampled_from([*_PIECES, "a@b.cc", " tel +49 30 1234567"]), max_size=12).map("".join) | st.none(), max_size=5),
    st.data(),
)
@settings(max_examples=200)
def test_whole_texts_bring_their_words_along(rows: list[str | None], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    array = pa.array(rows, kind).slice(data.draw(st.integers(0, len(rows))))
    words(array)
    assert_known_as_scanned(masked(array))


def test_words_are_known_of_texts_beside_a_masked_one() -> None:
    array = pa.array(["Mr. Smith 中文字", "Ask bob@example.org, it's he.", None, "", "the end"])
    words(array)
    assert_known_as_scanned(masked(array))


def test_nothing_is_moved_where_the_old_words_are_forgotten() -> None:
    batch = text_batch(["One two three. Four five six."])
    words(batch["text"])
    words(pa.array(["another"]))
    text = c4_lines.run(batch, Config()).text
    assert text is not None
    assert np.diff(words(text).row_offsets).tolist() == [8]
