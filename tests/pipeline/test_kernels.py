"""The compiled loops against plain Python, and against spaCy's own words."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import unicodedata
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PLAIN, PROSE
from words_of import words_of

from pipeline import kernels
from pipeline.kernels import characters, mojibake
from pipeline.kernels.eight import letters_first, plain_first, to_any, to_line_feed
from pipeline.kernels.html import shape
from pipeline.kernels.lines import BULLET, ELLIPSIS, lines
from pipeline.kernels.rows import count_distinct, count_flag, share
from pipeline.kernels.sentences import sentences
from pipeline.kernels.strings import count_byte, hashes, strings
from pipeline.kernels.words import HAS_LETTER, HAS_NON_SYMBOL, words

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "spacy_words.json").read_text())
SMALL = [text for text in {**PLAIN, **NASTY}.values() if len(text) < 150_000]

some_text = st.text(st.sampled_from("ab.Z9 \n\t'’-…/:@#é中🎉\u2028\x85"), max_size=40)


@pytest.mark.parametrize(("text", "expected"), REFERENCE["cases"], ids=range(len(REFERENCE["cases"])))
def test_words_are_those_of_spacy(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


@given(some_text)
@settings(max_examples=200)
def test_words_are_the_text_without_its_white_space(text: str) -> None:
    assert "".join(words_of(text)) == "".join(text.split())


@pytest.mark.parametrize("text", SMALL, ids=range(len(SMALL)))
def test_nasty_texts_have_words_too(text: str) -> None:
    assert "".join(words_of(text)) == "".join(text.split())


@given(st.lists(some_text, max_size=8), st.data())
@settings(max_examples=100)
def test_rows_of_a_slice_of_either_type_have_their_own_words(texts: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    for kind in (pa.string(), pa.large_string()):
        found = words(pa.array([*texts, "after"], kind).slice(start, len(texts) - start))
        counts = [len(words_of(text)) for text in texts[start:]]
        assert np.diff(found.row_offsets).tolist() == counts
        assert found.starts.tolist() == [place for text in texts[start:] for place in words(pa.array([text])).starts.tolist()]


def test_null_rows_have_no_words_and_no_lines() -> None:
    array = pa.array(["a b", None, "", "c"])
    assert words(array).row_offsets.tolist() == [0, 2, 2, 2, 3]
    assert lines(array).row_offsets.tolist() == [0, 1, 1, 1, 2]
    assert words(array.slice(0, 0)).row_offsets.tolist() == [0]


def test_a_word_is_described() -> None:
    text = "Größe: 中文 3 ... #"
    found = words(pa.array([text]))
    assert found.chars.tolist() == [5, 1, 2, 1, 3, 1]
    letter, full = int(HAS_LETTER), int(HAS_NON_SYMBOL)
    assert found.flags.tolist() == [letter | full, 0, letter | full, full, 0, 0]
    assert found.hashes.tolist() == hashes(pa.array(words_of(text))).tolist()


def test_every_row_of_many_is_scanned_when_room_runs_out() -> None:
    texts = ["a " * 100, "." * 3, "!?" * 3000, "(" * 10_000, "x" * 5000, PROSE] * 20
    found = words(pa.array(texts))
    assert np.diff(found.row_offsets).tolist() == [len(words_of(text)) for text in texts]


def test_the_words_of_another_array_at_the_same_place_are_not_taken_for_its_own() -> None:
    for text in ("one two", "three", "four five six") * 20:
        assert np.diff(words(pa.array([text])).row_offsets).tolist() == [len(text.split())]


@given(some_text)
@settings(max_examples=200)
def test_lines_are_those_of_python(text: str) -> None:
    found, data = lines(pa.array(["before\n", text])), text.encode()
    own = slice(int(found.row_offsets[1]), int(found.row_offsets[2]))
    edges = zip(found.starts[own].tolist(), found.ends[own].tolist(), strict=True)
    assert [data[start:end].decode() for start, end in edges] == text.splitlines()


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("- a", BULLET),
        ("\u3000•a", BULLET),
        ("a...", ELLIPSIS),
        ("a… \t", ELLIPSIS),
        (" -...", BULLET | ELLIPSIS),
        ("a - b..", 0),
        ("", 0),
        ("..", 0),
    ],
)
def test_the_edges_of_a_line_are_told(line: str, flags: int) -> None:
    assert lines(pa.array([f"{line}\nx"])).flags.tolist() == [flags, 0]


# As spaCy's `Sentencizer` counts them.
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The cat sat. It left! Why? Who knows...", 4),
        ('He said (at U.S. Steel). ") Next', 2),
        ("e.g. this, e.g. that.", 1),
        ("Hello.  World.", 2),
        ("Hello.  )", 2),
        ("Hello. )", 1),
        ("a.b.c", 1),
        ("Mr. Smith went. 3.5 km on.", 2),
        ("Ends. 。 more", 2),
        ("...", 1),
        ("", 0),
        ("No end\nno end\n\nEnd.\nOne. Two.", 5),
    ],
)
def test_sentences_are_those_of_spacy(text: str, count: int) -> None:
    assert sentences(pa.array(["A row. Before.", text]).slice(1)).tolist() == [count]


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (characters.SPACE, str.isspace),
        (characters.LETTER, str.isalpha),
        (characters.DECIMAL, str.isdecimal),
        (characters.CAPITAL, str.isupper),
        (characters.PUNCTUATION, lambda character: unicodedata.category(character).startswith("P")),
    ],
)
def test_characters_are_what_python_says(kind: np.uint32, test: object) -> None:
    assert callable(test)
    table = characters.kinds()
    assert [point for point in range(0x110000) if bool(table[point] & kind) != test(chr(point))] == []


def test_characters_of_a_kind_are_counted() -> None:
    assert characters.count(pa.array(["a1é 中!", None, ""]), characters.LETTER).tolist() == [3, 0, 0]
    assert characters.count(pa.array(["xx", "。. ؟"]).slice(1), characters.TERMINAL).tolist() == [3]


@given(st.text(st.sampled_from("azAZ@[`{ \n\t\x1f\x7f\x0bé中🎉"), max_size=30), st.integers(0, 10))
@settings(max_examples=300)
def test_eight_bytes_at_a_time_are_told_as_one_by_one(text: str, before: int) -> None:
    data = np.frombuffer(b"x" * before + text.encode(), np.uint8)
    line = text.split("\n", maxsplit=1)[0]
    assert to_line_feed(data, before, len(data)) == (before + len(line.encode()), len(line))
    marks = [place for place, byte in enumerate(text.encode(), before) if byte in b"\n@\xc3"]
    assert to_any(data, before, len(data), ord("\n"), ord("@"), 0xC3) == min([*marks, len(data)])
    if len(text.encode()) >= 8:
        first = text.encode()[:8]
        eight = np.uint64(int.from_bytes(first, "big"))
        assert letters_first(eight) == len(re.match(rb"[A-Za-z]*", first)[0])
        assert plain_first(eight) == len(re.match(rb"[\x20-\x7f]*", first)[0])


@given(st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=200)
def test_a_hash_is_of_the_bytes_wherever_they_lie(text: str, after: str) -> None:
    alone, among = hashes(pa.array([text])), hashes(pa.array(["x", text, after]))
    assert alone[0] == among[1]


@given(st.lists(st.text(st.sampled_from("aáb"), max_size=9), max_size=9))
def test_bytes_are_counted_row_by_row(texts: list[str]) -> None:
    found = count_byte(pa.array(["a", *texts, "aaa"], pa.large_string()).slice(1, len(texts)), ord("a"))
    assert found.tolist() == [text.count("a") for text in texts]


@given(st.lists(st.text(max_size=20), unique=True, max_size=50))
def test_different_strings_have_different_hashes(texts: list[str]) -> None:
    assert len(set(hashes(pa.array(texts, pa.string())).tolist())) == len(texts)


def test_strings_of_one_byte_and_two_have_different_hashes() -> None:
    every = [chr(first) for first in range(128)] + [chr(first) + chr(second) for first in range(128) for second in range(128)]
    assert len(set(hashes(pa.array(every)).tolist())) == len(every)


def test_hashes_spread_over_all_bits() -> None:
    found = hashes(pa.array([f"{number}" for number in range(20_000)]))
    assert len(np.unique(found)) == 20_000
    for bit in range(64):
        assert 0.48 < np.mean((found >> np.uint64(bit)) & np.uint64(1)) < 0.52


def test_only_strings_are_scanned() -> None:
    with pytest.raises(TypeError, match="expected an array of strings, not of int64"):
        strings(pa.array([1]))


def test_counts_and_shares_are_by_row() -> None:
    offsets, flags = np.array([0, 2, 2, 5]), np.array([1, 2, 3, 0, 1], np.uint8)
    assert count_flag(offsets, flags, np.uint8(1)).tolist() == [1, 0, 2]
    assert count_distinct(offsets, flags.astype(np.uint64), np.array([1, 3], np.uint64)).tolist() == [1, 0, 2]
    assert share(np.array([1, 0]), np.array([4, 0])).tolist() == [0.25, 0.0]


MOJIBAKE_CHARACTERS = sorted(
    {chr(point) for ranges in MOJIBAKE_CATEGORIES.values() for point in mojibake.characters(ranges)} | set("ØÙŒœЂўГВβ·")
)


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_whatever_ftfy_calls_bad_is_flagged(length: int) -> None:
    dice = random.Random(length)
    alphabet, plain = MOJIBAKE_CHARACTERS, " aAz.\n1"
    texts = ["".join(dice.choice(alphabet if dice.random() < 0.8 else plain) for _ in range(length)) for _ in range(60_000)]
    flagged = mojibake.flag(pa.array(texts)) & mojibake.MOJIBAKE != 0
    bad = np.array([is_bad(text) for text in texts])
    assert [text for text, missed in zip(texts, bad & ~flagged, strict=True) if missed] == []
    assert bad.sum() > 10_000
    assert flagged.sum() < 1.3 * bad.sum()


def test_every_pair_that_ftfy_calls_bad_is_flagged() -> None:
    texts = [f"{first}{second}" for first in MOJIBAKE_CHARACTERS for second in MOJIBAKE_CHARACTERS]
    flagged = mojibake.flag(pa.array(texts)) & mojibake.MOJIBAKE != 0
    assert [text for text, found in zip(texts, flagged, strict=True) if not found and is_bad(text)] == []


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("plain\ttext\n", 0),
        ("a\0", mojibake.CONTROL),
        ("a\r", mojibake.CONTROL),
        ("\ufeffa", mojibake.CONTROL),
        ("a & b", 0),
        ("a &b", mojibake.ENTITY),
        ("<b>&#1", mojibake.MARKUP | mojibake.ENTITY),
        ("“it’s” — naïve", 0),
        ("nai\u0308ve \U0001d15e", mojibake.UNCOMPOSED),
        ("naÃ¯ve", mojibake.MOJIBAKE),
    ],
)
def test_what_a_text_may_need_is_flagged(text: str, flags: int) -> None:
    assert mojibake.flag(pa.array(["x", text]).slice(1)).tolist() == [flags]


@pytest.mark.parametrize(
    ("page", "depth", "options"),
    [
        (b"", 0, 0),
        (b"<", 0, 0),
        (b"<html><body><div><p>a<p>b<br><b>c</b></div>", 2, 0),
        (b"<DIV><Div></div><div></DIV>", 2, 0),
        (b"<div/>" * 7, 7, 0),
        (b"<svg><path/><path/><g><path/></g></svg><b/>", 2, 0),
        (b"<script>'<b><b><b>'</script><b>", 1, 0),
        (b"<!-- <b><b> --><b>", 1, 0),
        (b'<a title="<b><b>"><i>', 2, 0),
        (b"<select><option>1<option>2</select>", 1, 2),
        (b"1 < 2 </p></p><p>", 0, 0),
    ],
)
def test_the_shape_of_a_page_is_told_without_a_parser(page: bytes, depth: int, options: int) -> None:
    assert shape(page) == (depth, options)


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_the_shape_of_anything_is_told(page: bytes) -> None:
    assert 0 <= shape(page).depth <= page.count(b"<")


def test_the_cache_is_named_by_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    ours = kernels.cache_folder()
    assert ours.parent == tmp_path
    copy = tmp_path / "pipeline"
    shutil.copytree(Path(kernels.__file__).parent.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    names = [_folder_of(copy.parent)]
    (copy / "schema.py").write_text("# no kernel\n")
    names.append(_folder_of(copy.parent))
    with (copy / "kernels" / "lines.py").open("a") as stream:
        stream.write("# a change\n")
    names.append(_folder_of(copy.parent))
    assert names[0] == names[1] == ours.name
    assert names[2] != ours.name


def _folder_of(path: Path) -> str:
    code = "from pipeline import kernels; print(kernels.cache_folder().name)"
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=path, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_icons_are_symbols() -> None:
    table = characters.kinds()
    icons = [chr(point) for point in range(0x110000) if table[point] & characters.INFIX]
    assert {unicodedata.category(icon) for icon in icons} == {"So", "Po"}


def test_what_other_packages_add_to_numba_is_not_loaded() -> None:
    assert metadata.entry_points(group="numba_extensions", name="init")  # there is some: gigatoken brings awkward
    program = "import sys, pyarrow; from pipeline.kernels.strings import hashes; hashes(pyarrow.array(['a'])); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "numba" in loaded
    assert "awkward" not in loaded
