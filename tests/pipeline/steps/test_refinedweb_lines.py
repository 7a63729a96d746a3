"""RefinedWeb's line-wise corrections, one by one, against plain Python."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch

from pipeline.steps import refinedweb_lines
from pipeline.steps.refinedweb_lines import Config

_LINE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"

CASES = {"removed_word_ratio.max": (f"{_LINE}\nHome", f"{_LINE}\n3 likes")}


def lines_of(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """What is left of each text, and its signals."""
    result = refinedweb_lines.run(text_batch(list(texts)), Config(**settings))
    assert result.text is not None
    lists = {"text": result.text.to_pylist(), **{name: array.to_pylist() for name, array in result.signals.items()}}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def rule_of(line: str, **settings: Any) -> str:
    """The rule that one line falls to, or "kept"."""
    (found,) = lines_of(f"{PROSE}\n{line}\n{PROSE}", **settings)
    rules = [name for name, value in found.items() if name.endswith("_lines") and value]
    return rules[0] if rules else "kept"


_COUNTER = re.compile(r"[\W]*[0-9][0-9,.]*[kmb]?\s+(?:likes?|comments?|views?)\W*", re.IGNORECASE)


def plain_python(text: str) -> dict[str, Any]:
    """The rules, line by line, for texts of a few words."""
    counts, kept, left = dict.fromkeys(list(refinedweb_lines.SIGNALS)[:-1], 0), [], 0
    for line in text.split("\n"):
        words = line.split()
        if words and sum(map(str.isupper, line)) > 0.5 * len(line):
            counts["uppercase_lines"] += 1
        elif words and line.isdecimal():
            counts["numeric_lines"] += 1
        elif words and _COUNTER.fullmatch(line):
            counts["counter_lines"] += 1
        elif len(words) == 1:
            counts["one_word_lines"] += 1
        else:
            kept.append(line)
            left += len(words)
    whole = len(text.split())
    return {"text": "\n".join(kept).strip(), **counts, "removed_word_ratio": (whole - left) / whole if whole else 0.0}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("SIGN UP FOR OUR NEWS", "uppercase_lines"),
        ("AB ab", "kept"),
        ("ABC ab", "kept"),
        ("ABCD ab", "uppercase_lines"),
        ("20260101", "numeric_lines"),
        ("2026 01", "kept"),
        ("3 likes", "counter_lines"),
        ("* 1,204.5K  Views!", "counter_lines"),
        ("1 comment", "counter_lines"),
        ("3 likes and more", "kept"),
        ("3likes of it", "kept"),
        ("Home", "one_word_lines"),
        ("Two words", "kept"),
        ("", "kept"),
        ("Sign-in or register", "edited_lines"),
        ("You may sign-in here", "kept"),
        ("3 items in cart now", "edited_lines"),
        ("The storm came back. Read more... ", "edited_lines"),
        ("Read more... about it", "kept"),
        ("Sign-in is what these ten words begin with it seems", "edited_lines"),
        ("Sign-in is what these eleven words begin with and it stays", "kept"),
    ],
)
def test_a_line_falls_to_its_rule(line: str, rule: str) -> None:
    assert rule_of(line) == rule


def test_an_edited_line_keeps_the_rest() -> None:
    lines = [
        "Sign-in or register",
        "There are 3 items in cart now",
        "The storm came back. Read more... ",
        "Read more...",
        "And so on it went.",
    ]
    (found,) = lines_of("\n".join(lines))
    assert found["text"] == "or register\nThere are 3 now\nThe storm came back.\nAnd so on it went."
    assert found["edited_lines"] == 4
    assert found["removed_word_ratio"] == (1 + 3 + 2 + 2) / 23


def test_settings_are_the_rules() -> None:
    assert rule_of("AB ab", max_uppercase_ratio=0.3) == "uppercase_lines"
    assert rule_of("Two words", min_words=3) == "one_word_lines"
    assert rule_of("3 stars", counted=("stars",)) == "counter_lines"
    assert rule_of("Log in here", at_start=("log in",)) == "edited_lines"
    assert rule_of("3 items in cart now", max_edited_words=4) == "kept"


@pytest.mark.parametrize("name", ["prose", "paragraphs", "german", "russian", "capitals", "short"])
def test_texts_without_furniture_equal_plain_python(name: str) -> None:
    assert lines_of(PLAIN[name]) == [plain_python(PLAIN[name])]


_PIECES = ["One", "two", "THREE", "É", " ", "  ", "\n", "\n\n", "\t", "12", "3 likes", "1.5k views", "٣", ".", "!", "\r"]


@given(st.lists(st.sampled_from(_PIECES), max_size=30))
@settings(max_examples=400)
def test_lines_of_any_text_equal_plain_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert lines_of(text) == [plain_python(text)]


def test_what_is_left_of_many_lines_is_as_long_as_they_say() -> None:
    (found,) = lines_of(NASTY["1 million lines"][:50_000])
    assert (found["text"], found["one_word_lines"], found["removed_word_ratio"]) == ("", 10_000, 1.0)
