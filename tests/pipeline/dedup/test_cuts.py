from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.cuts import Spans, among, spans, without
from pipeline.kernels.lines import lines


def is_cut(line: str) -> bool:
    return line.strip().startswith("#")


def cut(*texts: str | None) -> tuple[list[str], list[tuple[int, int, int]]]:
    """The texts without the lines that begin with a number sign, and the spans of those."""
    array = pa.array(texts, pa.string())
    marks = np.array([is_cut(line) for text in texts for line in (text or "").splitlines()], np.uint8)
    found = spans(array, lines(array), marks)
    return without(array, found).to_pylist(), list(zip(*(column.tolist() for column in found), strict=True))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\n#\nb", "a\nb"),
        ("a\n#\nb\n", "a\nb\n"),
        ("#\na", "a"),
        ("a\n#", "a"),
        ("a\n#\n", "a"),
        ("#", ""),
        ("#\n#\n", ""),
        ("a\r\n#\r\nb\r\n", "a\r\nb\r\n"),
        ("a\u2028#\u2028b", "a\u2028b"),
        # Between paragraphs one break stays: the first one.
        ("a\n\n#\n\nb", "a\n\nb"),
        ("a\n\n#\nb", "a\n\nb"),
        ("a\n#\n\nb", "a\n\nb"),
        ("a\n\n#\n\n\n#\n\nb", "a\n\nb"),
        ("a\n#\n\n#\nb", "a\nb"),
        ("a\n \t\n#\n\u00a0\nb", "a\n \t\nb"),
        # No blank is left at an end.
        ("\n#\n\na", "a"),
        ("a\n\n#\n\n", "a"),
        ("\n\n#\n\n", ""),
        # What has nothing to do with a cut line stays as it is.
        ("\na\n\n\nb\n#\nc\n\n", "\na\n\n\nb\nc\n\n"),
        ("", ""),
        ("\n \n", "\n \n"),
        ("é\n# ü\n中", "é\n中"),
    ],
)
def test_what_is_left_reads_as_if_the_lines_had_never_been_there(text: str, left: str) -> None:
    assert cut(text)[0] == [left]


def test_each_cut_line_has_a_span_of_its_own() -> None:
    left, found = cut("x", "a\n\n# one\n\n# two\n\nb\n# three", None, "#")
    assert left == ["x", "a\n\nb", "", ""]
    assert found == [(1, 3, 10), (1, 10, 17), (1, 18, 26), (3, 0, 1)]


@given(st.lists(st.text("#a\n\r \u2028é", max_size=30), max_size=5))
def test_lines_that_are_not_cut_stay_in_their_order(texts: list[str]) -> None:
    left, found = cut(*texts)
    for row, (text, rest) in enumerate(zip(texts, left, strict=True)):
        worded = [line for line in text.splitlines() if line.strip() and not is_cut(line)]
        assert [line for line in rest.splitlines() if line.strip()] == worded
        own = [(start, end) for each, start, end in found if each == row]
        assert len(own) == sum(map(is_cut, text.splitlines()))
        assert all(start < end for start, end in own)
        assert own == sorted(own)
        assert all(one[1] <= other[0] for one, other in pairwise(own))
        if not own:
            assert rest == text


def test_slices_are_cut_as_whole_arrays_are() -> None:
    array = pa.array(["zero", "a\n#\nb", "é\n#"], pa.large_string())
    found = spans(array.slice(1), lines(array.slice(1)), np.array([0, 1, 0, 0, 1], np.uint8))
    assert without(array.slice(1), found).to_pylist() == ["a\nb", "é"]
    assert without(array.slice(3), spans(array.slice(3), lines(array.slice(3)), np.zeros(0, np.uint8))).to_pylist() == []


def numbered(ranges: list[tuple[int, int, int]]) -> Spans:
    return Spans(*np.array(ranges, np.int64).reshape(-1, 3).T.copy())


@pytest.mark.parametrize(
    ("cut", "later", "placed"),
    [
        ([], [(0, 1, 3)], [(0, 1, 3)]),
        ([(0, 0, 2)], [(0, 0, 3)], [(0, 2, 5)]),
        ([(0, 2, 4)], [(0, 0, 2)], [(0, 0, 2)]),
        ([(0, 2, 4)], [(0, 2, 3)], [(0, 4, 5)]),
        ([(0, 2, 4)], [(0, 1, 3)], [(0, 1, 2), (0, 4, 5)]),
        ([(0, 2, 4), (0, 4, 5), (0, 6, 7)], [(0, 1, 4)], [(0, 1, 2), (0, 5, 6), (0, 7, 8)]),
        ([(0, 0, 9), (2, 1, 2)], [(1, 0, 2), (2, 0, 1), (2, 1, 2)], [(1, 0, 2), (2, 0, 1), (2, 2, 3)]),
    ],
)
def test_what_is_cut_later_has_its_place_in_the_whole(
    cut: list[tuple[int, int, int]], later: list[tuple[int, int, int]], placed: list[tuple[int, int, int]]
) -> None:
    found, of = among(numbered(cut), numbered(later))
    assert list(zip(*(column.tolist() for column in found), strict=True)) == placed
    assert len(set(of.tolist())) == len(later)


RANGES = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(0, 20), max_size=6, unique=True)), max_size=4, unique_by=lambda row: row[0]
)


def as_spans(rows: list[tuple[int, list[int]]], sizes: list[int]) -> Spans:
    kept = [(row, [place for place in sorted(places) if place <= sizes[row]]) for row, places in sorted(rows)]
    return numbered([(row, start, end) for row, places in kept for start, end in zip(places[::2], places[1::2], strict=False)])


@given(RANGES, RANGES)
def test_cutting_twice_is_cutting_once_by_both(first: list[tuple[int, list[int]]], second: list[tuple[int, list[int]]]) -> None:
    texts = pa.array([f"{row}bcdefghijklmnopqrst" for row in range(4)])
    cut = as_spans(first, [20] * 4)
    left = without(texts, cut)
    later = as_spans(second, [len(text) for text in left.to_pylist()])
    expected = without(left, later).to_pylist()
    rows, starts, ends = (np.concatenate(pair) for pair in zip(cut, among(cut, later)[0], strict=True))
    order = np.lexsort((starts, rows))
    assert without(texts, Spans(rows[order], starts[order], ends[order])).to_pylist() == expected
