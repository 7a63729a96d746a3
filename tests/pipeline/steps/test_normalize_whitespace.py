"""White space in one spelling, against plain Python's regular expressions."""

# ruff: noqa: RUF001  # texts of other scripts

from __future__ import annotations

import re
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import ARABIC, NASTY, PLAIN, PROSE, text_batch
from pydantic import ValidationError

from pipeline.steps import normalize_whitespace
from pipeline.steps.normalize_whitespace import Config

CASES: dict[str, tuple[str, str]] = {}  # no bounds

_INVISIBLE = "[\xad\u200b\u2060\ufeff]"
_CONTROL = "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u206a-\u206f\ufff9-\ufffc]"
_LINE_END = "\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]"


def normalized(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """Each text as it comes out, and its signals."""
    result = normalize_whitespace.run(text_batch(list(texts)), Config(**settings))
    assert result.text is not None
    lists = {"text": result.text.to_pylist(), **{name: array.to_pylist() for name, array in result.signals.items()}}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _line(line: str, keep_indentation: bool) -> tuple[str, int, int]:
    """A line as it comes out; the characters that its edges lost; its runs within that were no single space."""
    right = line.rstrip()
    inner = right.lstrip()
    indentation = right[: len(right) - len(inner)]
    kept = indentation if keep_indentation else ""
    runs = [run for run in re.findall(r"\s+", inner) if run != " "]
    return kept + re.sub(r"\s+", " ", inner), len(line) - len(right) + len(indentation) - len(kept), len(runs)


def plain_python(text: str, keep_indentation: bool = True, max_blank_lines: int = 1, compose: bool = True) -> dict[str, Any]:
    """The rules one after the other."""
    text, invisible = re.subn(_INVISIBLE, "", text)
    text, controls = re.subn(_CONTROL, "", text)
    text, line_ends = re.subn(_LINE_END, "\n", text)
    *ended, last = [_line(line, keep_indentation) for line in text.split("\n")]
    out, blank, blank_lines = [], 0, 0
    for line, _, _ in ended:
        blank = 0 if line else blank + 1
        blank_lines += blank > max_blank_lines
        out += [f"{line}\n"] if blank <= max_blank_lines else []
    cleaned = "".join(out) + last[0]
    composed = unicodedata.normalize("NFC", cleaned) if compose else cleaned
    return {
        "text": composed,
        "line_ends": line_ends,
        "blank_lines": blank_lines,
        "edge_spaces": sum(edges for _, edges, _ in [*ended, last]),
        "space_runs": sum(runs for _, _, runs in [*ended, last]),
        "invisible_chars": invisible,
        "control_chars": controls,
        "composed": composed != cleaned,
    }


def test_every_cause_is_counted_apart() -> None:
    text = "\ufeffOne\r\ntwo  and\tthree \t\n\n \n\n  in\xaddented\x00\rcafe\u0301\u2028end of it\u3000"
    assert normalized(text) == [
        {
            "text": "One\ntwo and three\n\n  indented\ncafé\nend of it",
            "line_ends": 3,
            "blank_lines": 2,
            "edge_spaces": 4,
            "space_runs": 2,
            "invisible_chars": 2,
            "control_chars": 1,
            "composed": True,
        }
    ]


def test_code_keeps_its_indentation_unless_it_is_not_to() -> None:
    code = "def f():\n\treturn  1\n    # a\n"
    assert normalized(code)[0]["text"] == "def f():\n\treturn 1\n    # a\n"
    (found,) = normalized(code, keep_indentation=False)
    assert (found["text"], found["edge_spaces"]) == ("def f():\nreturn 1\n# a\n", 5)


@pytest.mark.parametrize(("most", "left"), [(0, "a\nb\n"), (1, "a\n\nb\n\n"), (2, "a\n\n\nb\n\n\n"), (3, "a\n\n\n\nb\n\n\n")])
def test_blank_lines_are_kept_up_to_a_number(most: int, left: str) -> None:
    assert normalized("a\n\n \n\t\nb\n\n\n", max_blank_lines=most)[0]["text"] == left
    with pytest.raises(ValidationError):
        Config(max_blank_lines=-1)


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "ක්\u200dෂ", "👩\u200d👧", f"\u200f{ARABIC}\u202c", "", "\n", "a\n", "a\n\nb", " a b\n\tc\n"]
)
def test_what_a_text_is_spelled_with_stays(text: str) -> None:
    assert normalized(text) == [{"text": text, **dict.fromkeys(normalize_whitespace.SIGNALS, 0)}]


def test_composing_is_a_setting() -> None:
    assert [row["text"] for row in normalized("e\u0301", compose=False)] == ["e\u0301"]
    assert [row["text"] for row in normalized("e\u200b\u0301", "\u1100\u200b\u1161", "\u212b")] == ["é", "가", "Å"]


def test_marks_without_end_are_left_in_their_order_and_cost_no_time() -> None:
    pair = "\u0301\u0323"
    parted = "e" + "\u200b".join(pair * 100_000)
    start = time.process_time()
    found = normalized(f"e  {pair * 100_000}", parted, "e" + pair * 15, "e" + pair * 15 + "\u0301")
    assert time.process_time() - start < 5
    assert [row["text"] for row in found[:2]] == [f"e {pair * 100_000}", f"e{pair * 100_000}"]
    assert [row["composed"] for row in found] == [False, False, True, False]


@pytest.mark.parametrize("name", [name for name, text in {**PLAIN, **NASTY}.items() if len(text) < 3_000_000])
def test_texts_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name]
    composes = name not in ("combining", "all of the first plane")  # they have more marks in a row than are put in order
    assert normalized(text, compose=composes) == [plain_python(text, compose=composes)]


_PIECES = [
    "a", "b c", " ", "  ", "\t", "\xa0", "\u3000", "\x1f", "\n", "\n\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028",
    "\u200b", "\ufeff", "\xad", "\0", "\x7f", "\x9f", "\ufffc", "\u200d", "é", "e", "\u0301", "\u0323", "\u1100", "\u1161", "\u11a8",
    "\u0344", "\u0958", "中", "😀", "\U0001d15e", "\u0dcf", "\u0dd9",
]  # fmt: skip
_TEXTS = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=25).map("".join), st.text(max_size=40))
_SETTINGS = st.fixed_dictionaries({"keep_indentation": st.booleans(), "max_blank_lines": st.integers(0, 2), "compose": st.booleans()})


@given(st.lists(_TEXTS, max_size=4), _SETTINGS)
@settings(max_examples=800)
def test_any_texts_equal_plain_python(texts: list[str], chosen: dict[str, Any]) -> None:
    assert normalized(*texts, **chosen) == [plain_python(text, **chosen) for text in texts]


@given(st.lists(_TEXTS, min_size=1, max_size=4), _SETTINGS)
@settings(max_examples=400)
def test_a_second_time_changes_nothing(texts: list[str], chosen: dict[str, Any]) -> None:
    once = [row["text"] for row in normalized(*texts, **chosen)]
    nothing = dict.fromkeys(normalize_whitespace.SIGNALS, 0)
    assert normalized(*once, **chosen) == [{"text": text, **nothing} for text in once]


def test_every_character_however_spelled_is_composed() -> None:
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    spelled = [unicodedata.normalize("NFD", char) for char in points]
    texts = ["".join(f"{char}x" for char in part[start : start + 997]) for part in (points, spelled) for start in range(0, len(part), 997)]
    assert normalized(*texts) == [plain_python(text) for text in texts]


def test_prose_is_left_as_it_is() -> None:
    assert normalized(PROSE) == [{"text": PROSE, **dict.fromkeys(normalize_whitespace.SIGNALS, 0)}]
