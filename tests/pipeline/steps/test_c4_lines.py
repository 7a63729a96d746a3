"""C4's line rules, one by one and in their order, against plain Python."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch
from pydantic import ValidationError

from pipeline.kernels.sentences import sentences
from pipeline.steps import c4_lines
from pipeline.steps.c4_lines import Config

_FOUR = "One is here. Two is here. Three is here. Four is here.\n"

CASES = {
    "placeholder_lines.max": (_FOUR + "Of lorem and of ipsum.", _FOUR + "Here Lorem Ipsum stands."),
    "curly_bracket_lines.max": (_FOUR + "This is [no] curly one.\n{short}.\n{ without an end", _FOUR + "This is {a} curly one."),
    "sentences.min": (_FOUR + "Five is here.", _FOUR + "Five is not"),
}

OFF = {"max_word_chars": 10**9, "citations": False, "terminal": False, "min_words": 0, "placeholders": (), "scripts": (), "policies": ()}


def lines_of(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """What is left of each text, and its signals."""
    result = c4_lines.run(text_batch(list(texts)), Config(**settings))
    assert result.text is not None
    lists = {"text": result.text.to_pylist(), **{name: array.to_pylist() for name, array in result.signals.items()}}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _rule(line: str, config: Config) -> tuple[str, str, int]:
    """The name of the rule that drops a line, or "lines"; what is left of it; and its citations."""
    if max(map(len, line.split()), default=0) > config.max_word_chars:
        return "long_word_lines", line, 0
    citations = 0
    if config.citations:
        line, citations = re.subn(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line)
    if config.terminal and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
        return "unterminated_lines", line, citations
    if len(line.split()) < config.min_words:
        return "short_lines", line, citations
    if any(word in line.lower() for word in config.scripts):
        return "script_lines", line, citations
    if any(phrase in line.lower() for phrase in config.policies):
        return "policy_lines", line, citations
    return "lines", line, citations


def plain_python(text: str, **settings: Any) -> dict[str, Any]:
    """The rules, line by line; sentences are the kernel's."""
    config, kept = Config(**settings), []
    counts = dict.fromkeys(c4_lines.SIGNALS, 0)
    for stripped in map(str.strip, text.splitlines()):
        rule, line, citations = _rule(stripped, config)
        counts[rule] += bool(stripped)
        counts["citations"] += citations
        reached = rule in ("lines", "policy_lines", "script_lines")
        counts["placeholder_lines"] += reached and any(phrase in line.lower() for phrase in config.placeholders)
        counts["curly_bracket_lines"] += reached and rule != "script_lines" and "{" in line
        kept += [line] if rule == "lines" else []
    left = "\n".join(kept).strip()
    return {"text": left, **counts, "sentences": int(sentences(pa.array([left]))[0])}


def test_every_cause_is_counted_apart() -> None:
    lines = [
        "This stays as it is.",
        "This has a citation[12] or two[edit].",
        "no end here",
        "this trails off...",
        "Too short.",
        "Switch on JavaScript to read this.",
        "Here is our Privacy Policy, read it.",
        "A curly { in the line.",
        f"A word {'w' * 1001} too long.",
        "",
    ]
    (found,) = lines_of("\n".join(lines))
    assert found == {
        "text": "This stays as it is.\nThis has a citation or two.\nA curly { in the line.",
        "lines": 3,
        "long_word_lines": 1,
        "unterminated_lines": 2,
        "short_lines": 1,
        "script_lines": 1,
        "policy_lines": 1,
        "placeholder_lines": 0,
        "curly_bracket_lines": 1,
        "citations": 2,
        "sentences": 3,
    }


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("This is a {curly} line.", 1),
        ("This is a {curly} line", 0),
        ("{a} b.", 0),
        ("Our javascript is {a} curly one.", 0),
        ("Our privacy policy has {a} curly one.", 1),
        (f"{'w' * 1001} is before {{.", 0),
    ],
)
def test_a_curly_bracket_counts_only_where_its_rule_is_reached(line: str, counted: int) -> None:
    assert lines_of(line)[0]["curly_bracket_lines"] == counted


def test_a_placeholder_counts_before_the_script_is_looked_for() -> None:
    found = lines_of("Lorem ipsum and javascript together.", "Lorem ipsum without an end", "Lorem ipsum.")
    assert [row["placeholder_lines"] for row in found] == [1, 0, 0]


def test_words_are_counted_without_the_citations() -> None:
    assert [row["short_lines"] for row in lines_of("Two [1] words.", "Three [1] words here.")] == [1, 0]


def test_each_rule_can_be_switched_off() -> None:
    text = f"  short\njavascript\nuse cookies\nlorem ipsum\na[1] {{\n{'w' * 1001}\n\nlast"
    (found,) = lines_of(text, **OFF)
    assert found["text"] == text.strip()
    assert {name: value for name, value in found.items() if name != "text" and value} == {
        "lines": 7,
        "curly_bracket_lines": 1,
        "sentences": 7,
    }


def test_fineweb_keeps_lines_without_an_end() -> None:
    (found,) = lines_of("a line without end\nof two", terminal=False)
    assert (found["text"], found["unterminated_lines"], found["short_lines"]) == ("a line without end", 0, 1)


def test_phrases_are_a_setting_of_two_characters_at_least() -> None:
    assert lines_of("Wir benutzen überall CÖÖKIES hier.", policies=("öökies", "cöökies"))[0]["policy_lines"] == 0
    assert lines_of("Wir benutzen überall Cöökies hier.", policies=("kekse", "cöökies"))[0]["policy_lines"] == 1
    with pytest.raises(ValidationError):
        Config(scripts=("x",))


@pytest.mark.parametrize("name", [*PLAIN, "all white space", "line breaks", "marks only", "thai", "emoji", "NULs"])
@pytest.mark.parametrize("terminal", [True, False])
def test_lines_equal_plain_python(name: str, terminal: bool) -> None:
    text = {**PLAIN, **NASTY}[name]
    assert lines_of(text, terminal=terminal) == [plain_python(text, terminal=terminal)]


_PIECES = [
    "One two three", ".", "...", "!", '"', " ", "  ", "\n", "\r\n", "\u2028", "\x85", "\xa0", "[", "]", "[edit]", "[citation needed]",
    "{", "JavaScript", "lorem ipsum", "Lorem  ipsum", "privacy policy", "terms of use", "use cookies", "é", "[٣]", "xxxxxxxx", "[12]",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(_PIECES), max_size=40), st.booleans(), st.booleans(), st.sampled_from([0, 1, 3]), st.sampled_from([7, 1000])
)
@settings(max_examples=400)
def test_lines_of_any_text_equal_plain_python(pieces: list[str], terminal: bool, citations: bool, min_words: int, longest: int) -> None:
    text = "".join(pieces)
    wanted = {"terminal": terminal, "citations": citations, "min_words": min_words, "max_word_chars": longest}
    assert lines_of(text, **wanted) == [plain_python(text, **wanted)]


_LETTERS = st.sampled_from("abcABC {é.")


@given(st.text(_LETTERS, max_size=30), st.lists(st.text(_LETTERS, min_size=2, max_size=4), max_size=9).map(tuple))
@settings(max_examples=400)
def test_any_phrases_are_found_wherever_they_stand(text: str, policies: tuple[str, ...]) -> None:
    wanted = {"terminal": False, "min_words": 0, "policies": tuple(map(str.lower, policies))}
    assert lines_of(text, **wanted) == [plain_python(text, **wanted)]


def test_the_end_of_the_row_before_is_not_this_ones() -> None:
    assert [row["text"] for row in lines_of("an end to this?\nno end..", ".", terminal=True, min_words=0)] == [
        "an end to this?\nno end..",
        ".",
    ]


def test_prose_is_kept_whole() -> None:
    (found,) = lines_of(PROSE)
    assert found["text"] == PROSE
    assert found["sentences"] == 5
