"""Repeated runs of bytes, found over shards of any size, against windows that are compared one by one."""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import anchors, substrings
from pipeline.dedup.anchors import segments, window
from pipeline.dedup.config import SubstringsConfig
from pipeline.dedup.cuts import without
from pipeline.dedup.lines import Part
from pipeline.dedup.words import batches

LIMIT = 40
ALPHABET = list("abcdefghij kléĩü中串席😀🐀\u0301")


class Made(NamedTuple):
    left: list[str]
    spans: list[list[tuple[int, int]]]  # of each text
    keys: list[int]
    pages: list[list[int]]
    dropped_by: list[int]


def cut(texts: list[str], folder: Path, sizes: list[int] | None = None, ranks: np.ndarray | None = None, **config: object) -> Made:
    """What is cut from texts in shards of some sizes, given in the order in which they are kept unless `ranks` say otherwise."""
    settings = SubstringsConfig.model_validate({"min_bytes": LIMIT, **config})
    ends = np.cumsum(sizes or [len(texts)]).tolist()
    arrays = [pa.array(texts[end - size : end], pa.large_string()) for size, end in zip(sizes or [len(texts)], ends, strict=True)]
    parts = [Part(end - len(each), lambda each=each: [each.slice(0, 3), each.slice(3)]) for each, end in zip(arrays, ends, strict=True)]
    folder /= str(time.monotonic_ns())
    folder.mkdir()
    found = substrings.find(settings, parts, np.arange(len(texts)) if ranks is None else ranks, folder)
    made = [(batch, substrings.cut(batch, end - len(batch), found)) for batch, end in zip(arrays, ends, strict=True)]
    spans = [
        (one.spans.starts[one.spans.rows == row], one.spans.ends[one.spans.rows == row]) for each, one in made for row in range(len(each))
    ]
    return Made(
        [text for each, one in made for text in without(each, one.spans).to_pylist()],
        [list(zip(starts.tolist(), ends.tolist(), strict=True)) for starts, ends in spans],
        [key for _, one in made for key in one.keys.tolist()],
        [one.pages[one.spans.rows == row].tolist() for each, one in made for row in range(len(each))],
        [number for _, one in made for number in one.dropped_by.tolist()],
    )


def brute_force(texts: list[str], limit: int = LIMIT, keep_first: bool = True) -> list[list[tuple[int, int]]]:
    """The spans to cut, by a dictionary of all windows of all texts."""
    first: dict[str, int] = {}
    owners = [first.setdefault(text, number) for number, text in enumerate(texts)]
    places: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for number, data in enumerate(text.encode() for text in texts):
        if owners[number] == number:
            for start in range(len(data) - limit + 1):
                places[data[start : start + limit]].append((number, start))
    marks = [np.zeros(len(text.encode()), np.bool_) for text in texts]
    for each in places.values():
        for number, start in each:
            others = (each[0],) if keep_first else (each[0], each[-1])
            if any(other != number or abs(start - place) >= limit for other, place in others):
                marks[number][start : start + limit] = True
    return [spans_of(texts[owner].encode(), marks[owner]) for owner in owners]


def spans_of(data: bytes, marks: np.ndarray) -> list[tuple[int, int]]:
    """Runs of marks, as far as the borders of characters in them."""
    borders = {place for place in range(len(data) + 1) if place == len(data) or data[place] & 0xC0 != 0x80}
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(int))).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(min(b for b in borders if b >= start), max(b for b in borders if b <= end)) for start, end in runs]


def letters(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(ALPHABET, count))


def of_bytes(rng: np.random.Generator, count: int) -> str:
    """Random text of so many bytes."""
    text = letters(rng, count)
    while len(text.encode()) > count:
        text = text[:-1]
    return text + "z" * (count - len(text.encode()))


def test_a_run_goes_from_the_limit_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size, gone in ((LIMIT - 1, 0), (LIMIT, LIMIT), (LIMIT + 1, LIMIT + 1), (50 * LIMIT, 50 * LIMIT)):
        run = of_bytes(rng, size)
        texts = [f"A{run}B", f"{of_bytes(rng, 100)}C{run}D{of_bytes(rng, 300)}"]
        made = cut(texts, tmp_path)
        assert made.spans == [[], [(101, 101 + gone)] if gone else []]
        assert made.left[0] == texts[0]
        assert made.pages == [[], [2] if gone else []]


def test_of_five_hundred_planted_runs_all_of_the_limit_are_cut_and_no_shorter_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    runs = [of_bytes(rng, int(size)) for size in rng.integers(LIMIT // 2, 3 * LIMIT, 500)]
    texts = [f"{of_bytes(rng, int(rng.integers(200)))}1{run}1{of_bytes(rng, int(rng.integers(200)))}" for run in runs]
    before = [of_bytes(rng, int(rng.integers(200))) for _ in runs]
    again = [f"{head}2{run}2{of_bytes(rng, 50)}" for head, run in zip(before, runs, strict=True)]
    alone = [run for run in runs if len(run.encode()) >= LIMIT][:20]
    made = cut([*texts, *again, *alone], tmp_path, sizes=[100] * 10 + [len(alone)])
    sizes = [(len(head.encode()) + 1, len(run.encode())) for head, run in zip(before, runs, strict=True)]
    assert sum(size < LIMIT for _, size in sizes) > 50
    assert made.spans[:500] == [[]] * 500
    assert made.spans[500:1000] == [[(start, start + size)] if size >= LIMIT else [] for start, size in sizes]
    assert {substrings.RULES[number] for number in made.dropped_by[1000:]} == {"empty"}
    assert made.left[1000:] == [""] * 20


def test_a_run_stays_in_its_first_place_or_in_none(tmp_path: Path) -> None:
    run = of_bytes(np.random.default_rng(0), 60)
    texts = [f"a{run}a", f"b{run}d{run}e", f"c{run}f"]
    assert cut(texts, tmp_path).left == [texts[0], "bde", "cf"]
    assert cut(texts, tmp_path, keep_first=False).left == ["aa", "bde", "cf"]
    assert cut(texts, tmp_path, ranks=np.array([2, 0, 1])).left == ["aa", f"b{run}de", "cf"]
    made = cut(texts, tmp_path, keep_first=False)
    assert made.pages == [[4], [4, 4], [4]]
    assert len(set(made.keys)) == 1


def test_cut_points_are_borders_of_characters(tmp_path: Path) -> None:
    # In UTF-8, é and ê, 中 and 串, 😀 and 😁 differ in their last byte alone; é and ĩ, 中 and 席, 😀 and 🤀 in one before it.
    run = "the same words in both of the texts, é and 中"
    for before in ("ab", "éĩ", "中席", "😀🤀"):
        for after in ("ab", "éê", "中串", "😀😁"):
            texts = [f"1{before[0]}{run}{after[0]}1", f"2{before[1]}{run}{after[1]}2"]
            assert cut(texts, tmp_path).left == [texts[0], f"2{before[1]}{after[1]}2"]


def test_copies_are_cut_alike(tmp_path: Path) -> None:
    one, other = (of_bytes(np.random.default_rng(seed), 60) for seed in range(2))
    texts = [one, f"x{one}y", one, f"x{one}y", other, other]
    assert cut(texts, tmp_path).left == [one, "xy", one, "xy", other, other]
    assert cut(texts, tmp_path).pages == [[], [2], [], [2], [], []]
    assert cut(texts, tmp_path, keep_first=False).left == ["", "xy", "", "xy", other, other]


@pytest.mark.parametrize(
    ("period", "left"), [("a", 40), ("ab", 40), ("abc", 42), ("é", 40), ("中", 42), ("abcdefghijklmnopqrstuvwxyz", 52)]
)
def test_text_that_repeats_itself_keeps_one_window_of_whole_periods(tmp_path: Path, period: str, left: int) -> None:
    text = period * (1000 // len(period.encode()))
    made = cut([text], tmp_path)
    assert made.left == [text.encode()[:left].decode()]
    assert made.spans == brute_force([text])
    assert cut([text], tmp_path, keep_first=False).left == [""]
    assert cut([text[: left // len(period.encode())]], tmp_path).spans == [[]]


def planted(seed: int) -> list[str]:
    """Texts with hundreds of runs put in more than once: around the limit, long, next to each other, overlapping, periodic."""
    rng = np.random.default_rng(seed)
    texts = [letters(rng, rng.integers(0, 400)) for _ in range(120)]
    source = letters(rng, 4000)
    runs = [of_bytes(rng, size) for size in [LIMIT - 1, LIMIT, LIMIT + 1, 200] * 20]
    runs += [source[start : start + size] for start, size in zip(rng.integers(0, 3000, 60), rng.integers(20, 300, 60), strict=True)]
    runs += [str(rng.choice(["a", "ab", "é", "中x", "abcdefg"])) * int(rng.integers(5, 120)) for _ in range(30)]
    runs += [one[len(one) // 2 :] + other for one, other in pairwise(runs[:60])]
    for number in rng.integers(0, len(runs), 600):
        row, run = rng.integers(0, len(texts)), runs[number]
        place = rng.integers(0, len(texts[row]) + 1)
        texts[row] = texts[row][:place] + run + texts[row][place:]
    return texts + [texts[number] for number in rng.integers(0, len(texts), 10)] + ["", "x"]


@pytest.mark.parametrize("keep_first", [True, False])
@pytest.mark.parametrize(("seed", "limit"), [(0, LIMIT), (1, LIMIT), (2, 8), (3, 9), (4, 150)])
def test_it_is_what_comparing_all_windows_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, limit: int, keep_first: bool
) -> None:
    monkeypatch.setattr(substrings, "_ROWS_AT_ONCE", 500)  # many runs and files
    monkeypatch.setattr(anchors, "_WINDOWS_AT_ONCE", 300)
    texts = planted(seed)
    expected = brute_force(texts, limit, keep_first)
    assert sum(map(len, expected)) > 150
    made = cut(texts, tmp_path, [30, 0, 100, len(texts) - 130], min_bytes=limit, keep_first=keep_first)
    assert made.spans == expected
    for text, left, spans in zip(texts, made.left, made.spans, strict=True):
        data = text.encode()
        assert all(end - start >= limit - 6 for start, end in spans)
        edges = [0, *(place for span in spans for place in span), len(data)]
        assert left.encode() == b"".join(data[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def test_what_goes_is_left_in_an_earlier_place(tmp_path: Path) -> None:
    texts = planted(5)
    left = cut(texts, tmp_path).left
    assert sum(map(len, left)) < 0.7 * sum(map(len, texts))
    assert set("".join(left)) == set("".join(texts))


@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_shards_nor_runs_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = planted(seed)
    first = cut(texts, tmp_path, keep_first=bool(seed % 2))
    monkeypatch.setattr(substrings, "_ROWS_AT_ONCE", int(rng.integers(100, 3000)))
    order = rng.permutation(len(texts))
    sizes = [len(each) for each in np.array_split(order, 7)]
    again = cut([texts[place] for place in order], tmp_path, sizes, order, keep_first=bool(seed % 2))
    back = np.argsort(order)
    assert [again.spans[place] for place in back] == first.spans
    assert [again.pages[place] for place in back] == first.pages
    assert [again.dropped_by[place] for place in back] == first.dropped_by
    assert sorted(again.keys) == sorted(first.keys)


def test_a_document_of_nothing_else_is_dropped(tmp_path: Path) -> None:
    run = of_bytes(np.random.default_rng(0), 60)
    texts = [f"{run} and more", f"{run}…!", f"?{run}\n", f"{run}1", "=" * 100, "* " * 9]
    assert [substrings.RULES[number] if number >= 0 else "" for number in cut(texts, tmp_path).dropped_by] == [
        "", "empty", "empty", "", "empty", "",
    ]  # fmt: skip


def test_a_document_of_which_too_much_went_is_dropped(tmp_path: Path) -> None:
    run = of_bytes(np.random.default_rng(0), 60)
    texts = [run + "a" * 20, run + "b" * 20, run + "c" * 19, run + "d" * 21]
    assert cut(texts, tmp_path, drop_share=0.75).dropped_by == [-1, -1, 1, -1]
    assert cut(texts, tmp_path).dropped_by == [-1] * 4


@pytest.mark.parametrize("texts", [[], [""], ["", "", "a"], ["é" * 19, "é" * 19 + "x"]])
def test_documents_of_little_or_nothing(tmp_path: Path, texts: list[str]) -> None:
    assert cut(texts, tmp_path).left == texts
    assert cut(texts, tmp_path, [0, len(texts), 0]).spans == [[]] * len(texts)


def test_windows_share_anchors_in_a_text_of_no_great_regularity() -> None:
    text = letters(np.random.default_rng(0), 100_000)
    ((_, strings),) = batches(pa.array([text]))
    found = np.concatenate(list(segments(strings, np.zeros(1, np.uint64), window(200))), axis=1)
    assert found[3].sum() == len(text.encode()) - 199  # and no row of equal ones
    assert 45 < found[3].mean() < 55


def test_text_that_repeats_itself_at_once_is_a_segment_for_each_place_in_its_period() -> None:
    ((_, strings),) = batches(pa.array(["abcdefg" * 100_000]))
    assert sum(each.shape[1] for each in segments(strings, np.zeros(1, np.uint64), window(200))) <= 7


def hostile(kind: str, size: int) -> str:
    if kind == "one letter and another at times":
        return ("a" * 9_999 + "b") * (size // 10_000)
    if kind == "nested":  # the ruler sequence: each run of it stands everywhere, its ends differ
        text = ""
        for letter in "abcdefghijklmnopqrstuvwxyz":
            if len(text) < size:
                text += letter + text
        return text[:size]
    return kind * (size // len(kind))


@pytest.mark.parametrize("kind", ["a", "ab", "one letter and another at times", "nested", "x" * 99 + "y"])
def test_hostile_texts_take_time_in_proportion(tmp_path: Path, kind: str) -> None:
    cut([hostile(kind, 1000)], tmp_path)

    def seconds(size: int) -> float:
        text = hostile(kind, size)
        began = time.process_time()
        made = cut([text, text[: size // 2] + "x"], tmp_path, min_bytes=200)
        assert len(made.left[0]) < 0.9 * len(text)
        return time.process_time() - began

    assert seconds(5_000_000) < 50 * max(seconds(500_000), 0.1)  # where it is their square, a hundred times
