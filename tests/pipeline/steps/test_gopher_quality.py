"""Gopher's quality measures against the paper's words, counted by hand or by plain Python."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch
from words_of import words_of

from pipeline.steps import gopher_quality
from pipeline.steps.gopher_quality import Config

CASES = {
    "words.min": ("the men " * 25, "the men " * 24 + "the ! ."),
    "words.max": ("the " * 100_000, "the " * 100_001),
    "mean_word_chars.min": ("ab abcd " * 30, "abc " * 29 + "ab"),
    "mean_word_chars.max": ("abcdefghij " * 30, "abcdefghij " * 30 + "abcdefghijk"),
    "hash_ratio.max": ("word " * 9 + "#", "word " * 8 + "#"),
    "ellipsis_ratio.max": ("word " * 9 + "...", "word " * 8 + "…"),
    "bullet_line_ratio.max": ("- a line\n" * 9 + "a line", "- a line\n" * 9 + "• a line\na line"),
    "ellipsis_line_ratio.max": ("a line...\n" * 3 + "a line\n" * 7, "a line …\n" * 4 + "a line\n" * 9),
    "alphabetic_ratio.min": ("word " * 8 + "1 2", "word " * 79 + "1 " * 20),
    "stop_words.min": ("the sea and sky", "the the the The And sky"),
}


def measure(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """The signals of each text."""
    result = gopher_quality.run(text_batch(list(texts)), Config(**settings))
    lists = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


# What the filters call punctuation, as far as these tests go.
_MARKS = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»–—’“”„…。，、！？：；«») ") | {chr(point) for point in (*range(32), *range(127, 160))}


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def plain_python(text: str) -> dict[str, Any]:
    """The definitions, word by word and line by line."""
    words, lines = words_of(text), text.splitlines()
    full = [word for word in words if not set(word) <= _MARKS]
    return {
        "words": len(full),
        "mean_word_chars": _share(sum(map(len, full)), len(full)),
        "hash_ratio": _share(text.count("#"), len(words)),
        "ellipsis_ratio": _share(text.count("...") + text.count("…"), len(words)),
        "bullet_line_ratio": _share(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "ellipsis_line_ratio": _share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "alphabetic_ratio": _share(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "stop_words": len({"the", "be", "to", "of", "and", "that", "have", "with"} & set(words)),
    }


def test_signals_counted_by_hand() -> None:
    (found,) = measure("- The cat's #1 toy, with bells...\nand that!\n")
    # - The cat 's # 1 toy , with bells ... and that !
    assert found == {
        "words": 9,
        "mean_word_chars": (3 + 3 + 2 + 1 + 3 + 4 + 5 + 3 + 4) / 9,
        "hash_ratio": 1 / 14,
        "ellipsis_ratio": 1 / 14,
        "bullet_line_ratio": 0.5,
        "ellipsis_line_ratio": 0.5,
        "alphabetic_ratio": 8 / 14,
        "stop_words": 3,
    }


@pytest.mark.parametrize("name", [*PLAIN, "all white space", "line breaks", "marks only", "thai", "emoji", "right to left"])
def test_signals_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name]
    assert measure(text) == [plain_python(text)]


@given(st.lists(st.sampled_from([*" \n\t\r\v-•.…#aZ1é—", "...", "the", "and ", " \n", "\r\n", "\u2028", "\x85", "word, "]), max_size=40))
@settings(max_examples=200)
def test_signals_of_any_text_equal_plain_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert measure(text) == [plain_python(text)]


def test_a_text_without_words_measures_zero() -> None:
    assert measure("") == [dict.fromkeys(gopher_quality.SIGNALS, 0)]


def test_stop_words_are_a_setting_and_keep_their_case() -> None:
    assert [row["stop_words"] for row in measure("der Hafen und die See", "Der die und", stop_words=("der", "die", "und"))] == [3, 2]


def test_characters_are_counted_not_bytes() -> None:
    assert measure("größe größe")[0]["mean_word_chars"] == 5


def test_prose_is_within_every_bound() -> None:
    (found,) = measure(PROSE)
    for signal, bound in gopher_quality.BOUNDS.items():
        assert bound.min is None or found[signal] >= bound.min
        assert bound.max is None or found[signal] <= bound.max
