"""Languages are told, the unsure are asked about twice, and the too short are not guessed."""

from __future__ import annotations

from typing import Any

import pytest
from nasty import ARABIC, CHINESE, GERMAN, PROSE, RUSSIAN, THAI, text_batch

from pipeline.steps import language
from pipeline.steps.language import Config

CASES: dict[str, tuple[str, str]] = {}

_UNSURE = "Vind de haven vanmorgen stil, die manne het min te doen gehad as praat."


def detect(*texts: str, **settings: Any) -> list[dict[str, Any]]:
    """The signals of each text."""
    result = language.run(text_batch(list(texts)), Config(**settings))
    lists = {name: array.to_pylist() for name, array in result.signals.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PROSE, "en"),
        (GERMAN, "de"),
        (RUSSIAN, "ru"),
        (CHINESE, "zh"),
        (ARABIC, "ar"),
        (THAI, "th"),
        (PROSE.upper(), "en"),
        (PROSE * 100, "en"),
    ],
)
def test_the_language_is_told(text: str, code: str) -> None:
    (found,) = detect(text)
    assert found["code"] == code
    assert 0.8 <= found["score"] <= 1


@pytest.mark.parametrize("text", ["", "ok", "12345 67890 " * 50, "?!" * 100, "nineteen letters ab "])
def test_too_few_letters_are_no_language(text: str) -> None:
    assert detect(text) == [{"code": "und", "score": 0.0, "first_score": None, "second_code": None, "second_score": None}]


def test_enough_letters_are_some_language() -> None:
    assert detect("twenty letters are it so")[0]["code"] != "und"
    assert detect("short", min_letters=5)[0]["code"] != "und"


def test_only_the_unsure_are_asked_about_twice() -> None:
    (sure,) = detect(PROSE)
    assert (sure["second_code"], sure["second_score"]) == (None, None)
    (asked,) = detect(PROSE, unsure_below=1.1)
    assert (asked["second_code"], asked["first_score"]) == ("en", sure["score"])
    assert asked["second_score"] > 0.9
    (never,) = detect(_UNSURE, unsure_below=0)
    assert never["second_code"] is None


def test_the_surer_detector_is_believed_and_both_scores_stay() -> None:
    (asked,) = detect(_UNSURE, unsure_below=1.1)
    assert asked["score"] == max(asked["first_score"], asked["second_score"])
    assert asked["code"] == asked["second_code"]


def test_the_second_opinion_does_not_depend_on_what_was_asked_before() -> None:
    alone = detect(_UNSURE, unsure_below=1.1)
    assert detect(PROSE, GERMAN, _UNSURE, RUSSIAN, _UNSURE, unsure_below=1.1)[2::2] == alone * 2


def test_a_second_detector_without_an_answer_leaves_the_first_ones() -> None:
    (found,) = detect("ⲁⲃⲅⲇⲉⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱ", unsure_below=1.1)
    assert found["second_code"] is None
    assert found["score"] == found["first_score"]


def test_the_whole_text_is_sampled_not_its_beginning() -> None:
    menu = "Startseite Kontakt Impressum Über uns Datenschutz " * 12
    assert detect(menu + PROSE * 20)[0]["code"] == "en"
    assert detect(menu + PROSE * 20, pieces=1)[0]["code"] == "de"
