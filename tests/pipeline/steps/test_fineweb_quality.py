"""FineWeb's measures against their definitions, counted by hand or by plain Python."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE, text_batch
from words_of import words_of

from pipeline.steps import fineweb_quality
from pipeline.steps.fineweb_quality import Config

CASES = {
    "line_punct_ratio.min": ("An end.\n" * 3 + "no end\n" * 22, "An end.\n" * 2 + "no end\n" * 15),
    "short_line_ratio.max": ("x" * 31 + "\n" + ("x" * 30 + "\n") * 2, ("x" * 31 + "\n") * 32 + ("x" * 30 + "\n") * 68),
    "char_dup_ratio.max": ("a\na\n" + "b" * 98, "a\na\n" + "b" * 97),
    "list_ratio.max": ("one two three four\n" * 3, "one two three\n" * 3),
}


def measure(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """The signals of each text."""
    result = fineweb_quality.run(text_batch(list(texts)), Config(**settings))
    lists = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def plain_python(text: str) -> dict[str, float]:
    """The definitions, line by line."""
    lines = [line for line in text.split("\n") if line.strip()]
    repeated = [line for place, line in enumerate(lines) if line in lines[:place]]
    return {
        "line_punct_ratio": _share(sum(line.endswith((".", "!", "?", "。", "।")) for line in lines), len(lines)),
        "short_line_ratio": _share(sum(len(line) <= 30 for line in lines), len(lines)),
        "char_dup_ratio": _share(sum(map(len, repeated)), len(text.replace("\n", ""))),
        "list_ratio": _share(text.count("\n"), len(words_of(text))),
    }


def test_signals_counted_by_hand() -> None:
    (found,) = measure("An end. \nEnd of é!\n\n \t\nEnd of é!\n")
    assert found == {"line_punct_ratio": 2 / 3, "short_line_ratio": 1, "char_dup_ratio": 9 / 28, "list_ratio": 5 / 11}


@pytest.mark.parametrize("name", [*PLAIN, "all white space", "line breaks", "marks only", "thai", "emoji", "NULs"])
def test_signals_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name]
    assert measure(text) == [plain_python(text)]


@given(
    st.lists(
        st.sampled_from([*" \n\t\r\v.!?é。।", "a line", "a line of more than thirty characters", "\n\n", "\u2028", "\x85"]), max_size=40
    )
)
@settings(max_examples=300)
def test_signals_of_any_text_equal_plain_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert measure(text) == [plain_python(text)]


def test_what_a_short_line_is_is_a_setting() -> None:
    assert [row["short_line_ratio"] for row in measure("ab\nabc\nabcd\nabcde", short_line_chars=3)] == [0.5]


def test_a_text_without_lines_measures_zero() -> None:
    assert measure("", " \n\t") == [dict.fromkeys(fineweb_quality.SIGNALS, 0.0)] * 2


def test_prose_is_within_every_bound() -> None:
    (found,) = measure(PROSE)
    for signal, bound in fineweb_quality.BOUNDS.items():
        assert bound.min is None or found[signal] >= bound.min
        assert bound.max is None or found[signal] <= bound.max
