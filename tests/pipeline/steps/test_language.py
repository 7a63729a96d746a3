"""Languages are told, the unsure are asked about twice, and the too short are not guessed."""

# ruff: noqa: RUF001  # Chinese is written with such commas

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from nasty import ARABIC, CHINESE, GERMAN, PROSE, RUSSIAN, THAI, text_batch

from pipeline.decide import decide
from pipeline.recipe import StepUse
from pipeline.step import Bound
from pipeline.steps import language
from pipeline.steps.language import Config

CASES: dict[str, tuple[str, str]] = {}

_UNSURE = "Vind de haven vanmorgen stil, die manne het min te doen gehad as praat."


_SERBIAN = "Лука је тог јутра била мирна, а људи на пристаништу нису имали много посла осим разговора о зими и бродовима."


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
    nothing = {"first_score": None, "second_code": None, "second_score": None, "script": None}
    assert detect(text) == [{"outcome": "too_short", "code": "und", "score": 0.0, **nothing}]


def test_enough_letters_are_some_language() -> None:
    for text, least in [("twenty letters are it so", 20), ("short", 5)]:
        (found,) = detect(text, min_letters=least)
        assert found["outcome"] == "told"
        assert found["code"] != "und"


def test_a_fate_says_that_a_text_was_too_short_to_tell() -> None:
    bound = Bound(**{"in": ("told",)})
    use = StepUse("language", "language", Config(), {"outcome": bound})
    batch = text_batch([PROSE, "ok"])
    signals = {f"language_{name}": values for name, values in language.run(batch, Config()).signals.items()}
    nothing = {name: pa.nulls(2, pa.string()) for name in ("gated_by", "error_step", "error", "error_detail")}
    fates = decide(
        pa.table({name: batch[name] for name in ("doc_id", "source")}), pa.table({"doc_id": batch["doc_id"], **nothing, **signals}), (use,)
    )
    assert fates["kept"].to_pylist() == [True, False]
    assert fates["rule"].to_pylist() == [None, "language.outcome.in"]
    assert fates["detail"].to_pylist() == [None, "too_short"]


def test_only_the_unsure_are_asked_about_twice() -> None:
    (sure,) = detect(PROSE)
    assert (sure["second_code"], sure["second_score"]) == (None, None)
    (asked,) = detect(PROSE, unsure_below=1.1)
    assert (asked["second_code"], asked["first_score"]) == ("en", sure["score"])
    assert asked["second_score"] > 0.9
    (never,) = detect(_UNSURE, unsure_below=0)
    assert never["second_code"] is None


def test_the_second_is_not_asked_about_a_language_that_it_has_not_learnt() -> None:
    (found,) = detect(_SERBIAN, unsure_below=1.1)
    assert (found["code"], found["second_code"]) == ("sr", None)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (CHINESE, "Hans"),
        ("那天早上港口很安靜，碼頭上的人沒有什麼事情可做。他們談論冬天，談論需要修理的船。", "Hant"),
        ("人人生而自由，在尊言和利上一律平等。他有理性和良心，天地之大也。", None),
        (CHINESE + "門", "Hans"),
        ("日本の港は静かで、人々は冬と船について話していました。", None),
        (PROSE, None),
    ],
)
def test_simplified_and_traditional_chinese_are_told_apart(text: str, script: str | None) -> None:
    (found,) = detect(text)
    assert found["script"] == script


def test_each_text_has_its_own_script() -> None:
    texts = [PROSE, CHINESE, "ok", "那天早上港口很安靜，碼頭上的人沒有什麼事情可做。", RUSSIAN]
    assert [found["script"] for found in detect(*texts)] == [None, "Hans", None, "Hant", None]


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
