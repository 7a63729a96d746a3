"""One fate for every record: the first rule it broke, and every rule it broke that was evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.decide import decide
from pipeline.recipe import Recipe
from pipeline.shard import signals_schema

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

HEAD = '[[source]]\nname = "web"\nfiles = ["x"]\n[order]\nsequence_tokens = 8\n'
CODE = '[[step]]\nuse = "toy_code"\nas = "language"\nkeep.code = { in = ["en", "de"] }\n'
WORDS = '[[step]]\nuse = "toy_words"\nkeep.share = { max = 0.5 }\n'


def fates(recipe: Recipe, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The fates of records with these signals; what is not given is null."""
    ids = schema.doc_ids([schema.doc_id("web", b"%d" % row) for row in range(len(rows))])
    records = pa.table({"doc_id": ids, "source": pa.array(["web"] * len(rows), pa.string())})
    wanted = signals_schema(recipe.steps)
    unknown = {name for row in rows for name in row} - set(wanted.names)
    assert not unknown
    columns = [ids if field.name == "doc_id" else pa.array([row.get(field.name) for row in rows], field.type) for field in wanted]
    found = decide(records, pa.table(columns, schema=wanted), recipe.steps)
    assert found.schema == schema.FATES
    found.validate(full=True)
    assert found["doc_id"].to_pylist() == ids.to_pylist()
    return found.to_pylist()


def short(fate: dict[str, Any]) -> tuple[Any, ...]:
    return fate["kept"], fate["step"], fate["rule"], fate["value"], fate["bound"], fate["broken"]


def test_the_first_broken_rule_in_recipe_order_is_named_and_all_are_listed(load: Load) -> None:
    good = {"language_code": "en", "toy_words_count": 5, "toy_words_share": 0.5}
    found = fates(
        load(HEAD + CODE + WORDS),
        good,
        good | {"toy_words_count": 2},
        good | {"toy_words_share": 0.6},
        good | {"toy_words_count": 2, "toy_words_share": 0.6},
        good | {"toy_words_count": 2, "language_code": "fr"},
    )
    assert [short(fate) for fate in found] == [
        (True, None, None, None, None, []),
        (False, "toy_words", "toy_words.count.min", 2, 3, ["toy_words.count.min"]),
        (False, "toy_words", "toy_words.share.max", 0.6, 0.5, ["toy_words.share.max"]),
        (False, "toy_words", "toy_words.count.min", 2, 3, ["toy_words.count.min", "toy_words.share.max"]),
        (False, "language", "language.code.in", None, None, ["language.code.in", "toy_words.count.min"]),
    ]
    assert found[4]["detail"] == "fr"
    assert [fate["detail"] for fate in found[:4]] == [None] * 4


def test_the_order_of_the_recipe_decides_not_that_of_names(load: Load) -> None:
    row = {"language_code": "fr", "toy_words_count": 2, "toy_words_share": 0.6}
    assert fates(load(HEAD + CODE + WORDS), row)[0]["rule"] == "language.code.in"
    assert fates(load(HEAD + WORDS + CODE), row)[0]["rule"] == "toy_words.count.min"


def test_a_null_signal_of_a_step_that_ran_is_out_of_bounds_unless_allowed(load: Load) -> None:
    row = {"language_code": "en", "toy_words_count": None, "toy_words_share": 0.1}
    assert short(fates(load(HEAD + CODE + WORDS), row)[0]) == (False, "toy_words", "toy_words.count.min", None, 3, ["toy_words.count.min"])
    assert fates(load(HEAD + CODE + WORDS + "keep.count = { null = true }\n"), row)[0]["kept"]
    text = row | {"language_code": None, "toy_words_count": 5}
    found = fates(load(HEAD + CODE + WORDS), text)[0]
    assert (found["rule"], found["detail"]) == ("language.code.in", None)


def test_a_value_that_is_no_number_is_out_and_stays_unnamed(load: Load) -> None:
    row = {"language_code": "en", "toy_words_count": 5, "toy_words_share": float("nan")}
    assert short(fates(load(HEAD + CODE + WORDS), row)[0])[2:5] == ("toy_words.share.max", None, 0.5)


def test_rules_behind_a_gate_are_not_evaluated(load: Load) -> None:
    found = fates(
        load(HEAD + CODE + "gate = true\n" + WORDS),
        {"language_code": "fr", "gated_by": "language"},
        {"language_code": "en", "toy_words_count": 1, "toy_words_share": 0.1},
    )
    assert short(found[0]) == (False, "language", "language.code.in", None, None, ["language.code.in"])
    assert [fate["gated_by"] for fate in found] == ["language", None]
    assert found[1]["broken"] == ["toy_words.count.min"]


def test_an_error_is_the_fate_and_ends_evaluation(load: Load) -> None:
    found = fates(
        load(HEAD + CODE + WORDS + '[[step]]\nuse = "toy_words"\nas = "later"\n'),
        {"error_step": "ingest", "error": "truncated", "error_detail": "at byte 7"},
        {"error_step": "toy_words", "error": "said_so", "error_detail": "FAIL", "language_code": "en"},
        {"error_step": "toy_words", "error": "said_so", "error_detail": "", "language_code": "fr"},
    )
    assert [short(fate) for fate in found] == [
        (False, "ingest", "ingest.truncated", None, None, []),
        (False, "toy_words", "toy_words.said_so", None, None, []),
        (False, "toy_words", "toy_words.said_so", None, None, ["language.code.in"]),
    ]
    assert [fate["detail"] for fate in found] == ["at byte 7", "FAIL", ""]


def test_limits_by_language_hold_for_rows_of_that_language(load: Load) -> None:
    recipe = load(HEAD + CODE + WORDS + "keep.count = { by_language = { de = { min = 1 } } }\n")
    row = {"toy_words_count": 2, "toy_words_share": 0.1}
    english, german = fates(recipe, row | {"language_code": "en"}, row | {"language_code": "de"})
    assert (english["kept"], english["bound"]) == (False, 3)
    assert german["kept"]


def test_without_steps_all_is_kept_but_what_could_not_be_read(load: Load) -> None:
    found = fates(load(HEAD), {}, {"error_step": "ingest", "error": "not_json", "error_detail": "?"})
    assert [(fate["kept"], fate["rule"], fate["broken"]) for fate in found] == [(True, None, []), (False, "ingest.not_json", [])]


@pytest.mark.parametrize("steps", ["", CODE + WORDS])
def test_no_records_no_fates(load: Load, steps: str) -> None:
    assert fates(load(HEAD + steps)) == []


def test_records_and_signals_of_different_rows_are_refused(load: Load) -> None:
    ids = [schema.doc_ids([schema.doc_id("web", key)]) for key in (b"1", b"2")]
    records = pa.table({"doc_id": ids[0], "source": ["web"]})
    wanted = signals_schema(())
    signals = pa.table([ids[1], *(pa.nulls(1, field.type) for field in list(wanted)[1:])], schema=wanted)
    with pytest.raises(ValueError, match="the same rows in the same order"):
        decide(records, signals, ())
