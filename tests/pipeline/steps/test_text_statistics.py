"""What texts are made of, against plain Python's own classes of characters and a regular expression for URLs."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch
from words_of import words_of

from pipeline.steps import text_statistics
from pipeline.steps.text_statistics import Config

CASES: dict[str, tuple[str, str]] = {}  # no bounds

_URL = re.compile(r"(?<![0-9A-Za-z])(?:https?://|www\.)[-._~:/?#\[\]@!$&'()*+,;=%0-9A-Za-z]+", re.IGNORECASE | re.ASCII)


def measure(*texts: str) -> list[dict[str, Any]]:
    """The signals of each text."""
    result = text_statistics.run(text_batch(list(texts)), Config())
    lists = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def plain_python(text: str) -> dict[str, float]:
    """The definitions, character by character and word by word."""
    words, letters = words_of(text), [char for char in text if char.isalpha()]
    return {
        "non_alphanumeric_ratio": _share(sum(not char.isalnum() for char in text), len(text)),
        "digit_ratio": _share(sum(map(str.isdecimal, text)), len(text)),
        "uppercase_ratio": _share(sum(map(str.isupper, letters)), len(letters)),
        "whitespace_ratio": _share(sum(map(str.isspace, text)), len(text)),
        "url_ratio": _share(sum(map(len, _URL.findall(text))), len(text)),
        "longest_word_chars": max(map(len, words), default=0),
        "unique_word_ratio": _share(len(set(words)), len(words)),
        "compression_ratio": len(text.encode()) / pa.Codec("snappy").compress(text.encode()).size,
    }


def test_signals_counted_by_hand() -> None:
    (found,) = measure("An Übel 4٢ at www.a.de/c é")
    assert {name: value for name, value in found.items() if name != "compression_ratio"} == {
        "non_alphanumeric_ratio": 8 / 26,  # white space, two full stops, a slash
        "digit_ratio": 2 / 26,
        "uppercase_ratio": 2 / 16,
        "whitespace_ratio": 5 / 26,
        "url_ratio": 10 / 26,
        "longest_word_chars": 10,
        "unique_word_ratio": 1,
    }


@pytest.mark.parametrize("name", [name for name in {**PLAIN, **NASTY} if len({**PLAIN, **NASTY}[name]) < 3_000_000])
def test_signals_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name]
    assert measure(text) == [plain_python(text)]


_PIECES = [
    "http", "https", "HTTPS", "w", "www", "WwW", ":", "//", "://", ".", " ", "\n", "a", "Z", "7", "é", "\u017f", "_", "%20", "/x?y=1#z",
    "ǅ", "Ⓐ", "٣", "²", "\u0301", "\u3000", "中", "😀", "the", "The", "<", '"',
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=40))
@settings(max_examples=400)
def test_signals_of_any_pieces_equal_plain_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert measure(text) == [plain_python(text)]


@given(st.lists(st.text(max_size=60), max_size=4))
@settings(max_examples=200)
def test_signals_of_any_texts_equal_plain_python(texts: list[str]) -> None:
    assert measure(*texts) == [plain_python(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "chars"),
    [
        ("http://a", 8),
        ("HTTPS://a", 9),
        ("www.a", 5),
        ("http://", 0),
        ("www.", 0),
        ("www. a", 0),
        ("xhttp://a", 0),
        ("1www.a", 0),
        ("(www.a)", 6),
        ("中www.a中", 5),
        ("http://www.a", 12),
        ("xhttp://www.a", 5),
        ("http:/a", 0),
        ("s://a", 0),
        ("ww.a", 0),
    ],
)
def test_a_url_is_told_by_its_beginning(text: str, chars: int) -> None:
    assert measure(text)[0]["url_ratio"] == chars / len(text)


def test_an_empty_text_measures_zero() -> None:
    assert measure("") == [dict.fromkeys(text_statistics.SIGNALS, 0)]


def test_more_characters_than_a_lane_holds_are_counted() -> None:
    found = measure("A" * 4096, "1" * 4095, " " * 12_286)
    assert [row["uppercase_ratio"] for row in found] == [1, 0, 0]
    assert [row["digit_ratio"] for row in found] == [0, 1, 0]
    assert [row["whitespace_ratio"] for row in found] == [0, 0, 1]


def test_what_repeats_itself_compresses_better() -> None:
    once, often = measure(PROSE, PROSE * 20)
    assert 2 * once["compression_ratio"] < often["compression_ratio"]
    assert often["unique_word_ratio"] < once["unique_word_ratio"]
