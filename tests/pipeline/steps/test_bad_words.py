"""Listed words in texts, against plain Python that tries every entry at every character."""

# ruff: noqa: RUF001  # texts of other scripts

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import CHINESE, NASTY, PLAIN, PROSE, text_batch

from pipeline.kernels.lexicon import find, fold, lexicon
from pipeline.recipe import Recipe
from pipeline.steps import bad_words
from pipeline.steps.bad_words import Config
from pipeline.typed import RecipeError

CASES = {"matches.max": ("a darned good cart", "a good, DARN cart")}

Found = dict[str, Any]


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., list[Found]]:
    """Look for lists, each a text, in texts; the signals of each."""

    def look(lists: Mapping[str, str], *texts: str, **settings: Any) -> list[Found]:
        for language, content in lists.items():
            (tmp_path / language).write_text(content)
        config = Config(lists={language: str(tmp_path / language) for language in lists}, **settings)
        result = bad_words.run(text_batch(list(texts)), config)
        columns = {name: array.to_pylist() for name, array in result.signals.items()}
        return [{name: values[row] for name, values in columns.items()} for row in range(len(texts))]

    return look


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "_\u200c\u200d" or unicodedata.category(character)[0] == "M"


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", "".join(map(fold, text)))


def plain_python(text: str, entries: list[str], whole: bool) -> Found:
    """Every entry at every character."""
    text = _folded(text)
    wanted = {_folded(entry): place for place, entry in reversed(list(enumerate(entries)))}
    places, seen, first = 0, set(), -1
    for at in range(len(text)):
        here = []
        for entry in wanted:
            if text.startswith(entry, at) and not (whole and _inside(text, at, at + len(entry))):
                here.append(entry)
        if here and first < 0:
            first = wanted[max(here, key=len)]
        places += bool(here)
        seen |= set(here)
    words = len(re.findall("W+", "".join("W" if _is_word(character) else " " for character in text)))
    return {"places": places, "distinct": len(seen), "words": words, "first": first}


def _inside(text: str, at: int, after: int) -> bool:
    """Whether a word character stands on either side."""
    return (at > 0 and _is_word(text[at - 1])) or (after < len(text) and _is_word(text[after]))


def found_in(text: str, entries: list[str], whole: bool) -> Found:
    found = find(pa.array([text]), lexicon(pa.array(entries, pa.string()), [0] * len(entries), whole), 1)
    assert found.by_list[:, 0].tolist() == found.places.tolist()
    return {name: int(getattr(found, name)[0]) for name in ("places", "distinct", "words", "first")}


_PIECES = [
    "a", "A", "b", "ab", "ß", "ẞ", "σ", "ς", "Σ", "İ", "ı", "i", "é", "e\u0301", "中", "文", "-", "*", "$", " ", "  ", "\n", "\u3000", "_",
    "7", "\u200d", "👩", "ก", "ำ", "\0", "\U00010400", "\U00010428",
]  # fmt: skip
_ENTRY = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=4).map("".join).map(str.strip).filter(bool)


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join), st.lists(_ENTRY, max_size=6), st.booleans())
@settings(max_examples=500)
def test_matches_in_any_text_equal_plain_python(text: str, entries: list[str], whole: bool) -> None:
    assert found_in(text, entries, whole) == plain_python(text, entries, whole)


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=3).map(str.strip).filter(bool), max_size=6), st.booleans())
@settings(max_examples=150)
def test_matches_in_any_characters_equal_plain_python(text: str, entries: list[str], whole: bool) -> None:
    assert found_in(text, entries, whole) == plain_python(text, entries, whole)


@pytest.mark.parametrize("name", [name for name, text in {**PLAIN, **NASTY}.items() if len(text) < 80_000])
def test_matches_in_hostile_texts_equal_plain_python(name: str) -> None:
    text = {**PLAIN, **NASTY}[name][:20_000]
    entries = ["the", "a", "on the quay", "...", "ด", "👧", "e\u0301", "\0", "лодках", "港口", "@@"]
    for whole in (True, False):
        assert found_in(text, entries, whole) == plain_python(text, entries, whole)


def test_signals_counted_by_hand(look: Callable[..., list[Found]]) -> None:
    english = "# mild ones\ndarn\nblast it  # a phrase\n\nheck\n"
    assert look({"en": english}, "Oh DARN! Blast\n it, darn heck-bound hecks.", "All is well here.", "") == [
        {"matches": 4, "distinct": 3, "per_100_words": 50.0, "first": "darn", "language": "en"},
        {"matches": 0, "distinct": 0, "per_100_words": 0.0, "first": None, "language": None},
        {"matches": 0, "distinct": 0, "per_100_words": 0.0, "first": None, "language": None},
    ]


@pytest.mark.parametrize("text", ["scunthorpe", "shelling", "hell_", "hell7", "xhell", "shell\u0301", "hell\u200d", "$hit", "hel l"])
def test_a_part_of_a_word_is_no_match(look: Callable[..., list[Found]], text: str) -> None:
    assert look({"en": "hell\ncunt\nhit$\nhi\n"}, text)[0]["matches"] == 0


@pytest.mark.parametrize("text", ["(hell)", "HELL", "hell-bent", "hell's", "что hell", "“hell”", "hell\n"])
def test_a_whole_word_is_one_in_any_case_and_between_any_marks(look: Callable[..., list[Found]], text: str) -> None:
    assert look({"en": "Hell"}, text)[0]["matches"] == 1


def test_languages_without_spaces_match_within_words(look: Callable[..., list[Found]]) -> None:
    assert [look({language: "港口\n冬"}, CHINESE)[0]["matches"] for language in ("zh", "ja", "en")] == [2, 2, 0]
    assert look({"zh": "港口"}, CHINESE, within_words=())[0]["matches"] == 0
    assert look({"de": "hafen"}, "im Bootshafenbecken", within_words=("de",))[0]["matches"] == 1


def test_a_text_tells_which_list_it_has_most_of(look: Callable[..., list[Found]]) -> None:
    lists = {"en": "die\nheck", "de": "mist\ndie hard", "zh": "港"}
    found = look(lists, "die heck mist", "mist", "die hard", "港 heck", "港港 heck", "heck 港")
    assert [row["language"] for row in found] == ["en", "de", "de", "en", "zh", "en"]
    assert [row["first"] for row in found] == ["die", "mist", "die hard", "港", "港", "heck"]
    assert [row["matches"] for row in found] == [3, 1, 1, 2, 3, 2]
    assert [row["distinct"] for row in found] == [3, 1, 2, 2, 2, 2]


def test_entries_are_composed_and_an_entry_of_two_lists_counts_once(look: Callable[..., list[Found]]) -> None:
    assert look({"fr": "cafe\u0301"}, "un caf\u00e9")[0]["matches"] == 1
    (found,) = look({"fr": "sot", "nl": "sot"}, "sot")
    assert (found["matches"], found["distinct"], found["language"]) == (1, 1, "fr")


def test_without_lists_nothing_is_found() -> None:
    (found,) = bad_words.run(text_batch([PROSE]), Config()).signals["matches"].to_pylist()
    assert found == 0


def test_a_changed_list_is_read_anew(look: Callable[..., list[Found]]) -> None:
    assert [look({"en": content}, "sea and sand")[0]["matches"] for content in ("sea", "sea\nsand", "silt")] == [1, 2, 0]


def test_a_list_that_is_not_text_says_where(tmp_path: Path) -> None:
    (tmp_path / "en").write_bytes(b"one\ntwo\nthr\xffee\n")
    with pytest.raises(ValueError, match=r"en, line 3: expected UTF-8"):
        bad_words.run(text_batch([""]), Config(lists={"en": str(tmp_path / "en")}))


def test_a_recipe_asks_each_language_for_its_own_words(load: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("mist\n")
    text = '[[step]]\nuse = "language"\n[[step]]\nuse = "bad_words"\nas = "german"\nlists = {{ de = "{}" }}\n'
    text += "keep.matches = {{ max = inf, by_language = {{ de = {{ max = 0 }} }} }}\n"
    (_, use) = load(text.format("de.txt")).steps
    assert use.bounds["matches"].for_language("de").max == 0
    assert use.bounds["matches"].for_language("en").max is None
    with pytest.raises(RecipeError, match=r"lists\.de.*a file that exists"):
        load(text.format("fr.txt"))


@pytest.mark.parametrize("text", ["a " * 500_000, "a" * 1_000_000, " " * 1_000_000, "a-" * 500_000, "中" * 300_000])
def test_time_grows_with_the_text_alone(look: Callable[..., list[Found]], text: str) -> None:
    lists = {"en": "a a a a a a a b\na-a-a-a-b\naaaa\n", "zh": "中中中中中中中文\naaaaaaab"}
    look(lists, "")
    start = time.process_time()
    look(lists, text)
    assert time.process_time() - start < 2
