"""Gopher's repetition measures against the paper's definitions in plain Python."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch
from words_of import words_of

from pipeline.kernels.repetition import REPEATED, TOP
from pipeline.steps import gopher_repetition
from pipeline.steps.gopher_repetition import Config

_NUMBERS = " ".join(f"n{number}" for number in range(300))
_TEN = "one two three four five six seven eight nine ten "

CASES = {
    "duplicate_paragraph_ratio.max": ("a\n\nb\n\nc\n\nd\n\ne\n\nf\n\ng\n\na\n\na\n\na", "a\n\nb\n\nc\n\nd\n\na\n\na"),
    "duplicate_paragraph_char_ratio.max": (PROSE, f"{PROSE}\n\n{PROSE}"),
    "duplicate_line_ratio.max": ("a\nb\nc\nd\ne\nf\ng\na\na\na", "a\nb\nc\nd\ne\nf\ng\nh\ni\na\na\na\na"),
    "duplicate_line_char_ratio.max": (PROSE, f"{PROSE}\n{PROSE}"),
    **{f"top_{n}gram_char_ratio.max": (_NUMBERS, "yes no " * 100) for n in TOP},
    **{f"duplicate_{n}gram_char_ratio.max": (_NUMBERS, _TEN * 3) for n in REPEATED},
}


def measure(*texts: str) -> list[dict[str, Any]]:
    """The signals of each text."""
    result = gopher_repetition.run(text_batch(list(texts)), Config())
    lists = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _parts(parts: list[str]) -> tuple[int, int]:
    """Parts that have stood before, and their characters."""
    repeats = [part for place, part in enumerate(parts) if part in parts[:place]]
    return len(repeats), sum(map(len, repeats))


def _top(words: list[str], n: int) -> int:
    grams = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
    best = Counter(grams).most_common(1)
    return len(best[0][0]) * best[0][1] if best else 0


def _repeated(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    place, chars = 0, 0
    while place + n <= len(words):
        gram = tuple(words[place : place + n])
        repeated = gram in seen
        chars += len("".join(gram)) * repeated
        seen.add(gram)
        place += n if repeated else 1
    return chars


def plain_python(text: str) -> dict[str, float]:
    """The definitions, step by step."""
    words, whole = words_of(text), len(text) or 1
    paragraphs, lines = re.split("\n{2,}", text.strip()), re.split("\n+", text)
    repeated_paragraphs, paragraph_chars = _parts(paragraphs)
    repeated_lines, line_chars = _parts(lines)
    found = {
        "duplicate_paragraph_ratio": repeated_paragraphs / len(paragraphs),
        "duplicate_paragraph_char_ratio": paragraph_chars / whole,
        "duplicate_line_ratio": repeated_lines / len(lines),
        "duplicate_line_char_ratio": line_chars / whole,
    }
    found |= {f"top_{n}gram_char_ratio": _top(words, n) / whole for n in TOP}
    return found | {f"duplicate_{n}gram_char_ratio": _repeated(words, n) / whole for n in REPEATED}


def test_signals_counted_by_hand() -> None:
    (found,) = measure("a b c\n\na b c\n\nx é é é é é é\nx")
    assert found["duplicate_paragraph_ratio"] == 1 / 3
    assert found["duplicate_paragraph_char_ratio"] == 5 / 29
    assert found["duplicate_line_ratio"] == 1 / 4
    assert found["duplicate_line_char_ratio"] == 5 / 29
    assert found["top_2gram_char_ratio"] == 3 * 5 / 29
    assert found["duplicate_5gram_char_ratio"] == 5 / 29


@pytest.mark.parametrize("name", [*PLAIN, "all white space", "line breaks", "marks only", "thai", "emoji", "NULs"])
def test_signals_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name]
    assert measure(text) == [plain_python(text)]


@given(st.lists(st.sampled_from(["a", "b", "é", " ", " ", "\n", "\n\n", "a b ", "a b a b c ", "\t", "\u3000"]), max_size=60))
@settings(max_examples=300)
def test_signals_of_any_text_equal_plain_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert measure(text) == [plain_python(text)]


@given(st.lists(st.integers(0, 3), min_size=10, max_size=300), st.integers(1, 4))
@settings(max_examples=100)
def test_texts_of_few_words_equal_plain_python(words: list[int], spread: int) -> None:
    text = " ".join(f"w{word % spread}" for word in words)
    assert measure(text) == [plain_python(text)]


def test_the_first_of_the_most_frequent_ngrams_counts() -> None:
    # "long b" and "b c" both stand twice; the first one is longer.
    assert measure("long b c. long b c!")[0]["top_2gram_char_ratio"] == 2 * 6 / 19


def test_bounds_are_those_of_table_a1() -> None:
    shares = [0.30, 0.20, 0.30, 0.20, 0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    assert [bound.max for bound in gopher_repetition.BOUNDS.values()] == shares


def test_an_empty_text_repeats_nothing() -> None:
    assert measure("") == [dict.fromkeys(gopher_repetition.SIGNALS, 0)]
