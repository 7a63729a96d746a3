"""What is masked is exactly what was planted; every other byte stays, and a masked text has nothing left to mask."""

# these characters are meant

from __future__ import annotations

import random
import time
from collections import Counter
from functools import cache
from typing import Any

import personal_data_set
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY, PROSE, text_batch
from personal_data_set import Case
from pydantic import ValidationError

from pipeline.personal_data import KINDS
from pipeline.steps import mask_personal_data
from pipeline.steps.mask_personal_data import Config

CASES: dict[str, tuple[str, str]] = {}


def mask(text: str, **settings: Any) -> tuple[str, dict[str, int]]:
    """The text, and how many of each kind were masked, of kinds that there were."""
    result = mask_personal_data.run(text_batch([text]), Config(**settings))
    assert result.text is not None
    return result.text[0].as_py(), {name: count for name, array in result.signals.items() if (count := array[0].as_py())}


@cache
def scored() -> tuple[list[Case], Counter[str | None], Counter[str | None], Counter[str | None]]:
    """The generated set; and of each kind how many were planted, were masked, and were masked exactly where they were planted."""
    cases = personal_data_set.cases(random.Random(1))
    result = mask_personal_data.run(text_batch([case.text for case in cases]), Config())
    assert result.text is not None
    planted, masked, right = Counter(case.kind for case in cases), Counter[str | None](), Counter[str | None]()
    for row, (case, text) in enumerate(zip(cases, result.text.to_pylist(), strict=True)):
        masked.update({kind: result.signals[kind][row].as_py() for kind in KINDS})
        if case.kind:
            data = case.text.encode()
            expected = data[: case.start] + getattr(Config(), case.kind).encode() + data[case.end :]
            right[case.kind] += text.encode() == expected
    return cases, planted, masked, right


@pytest.mark.parametrize("kind", KINDS)
def test_of_each_kind_nearly_all_is_masked_and_nearly_nothing_else(kind: str) -> None:
    _, planted, masked, right = scored()
    assert right[kind] / planted[kind] >= 0.98, "recall"
    assert right[kind] / masked[kind] >= 0.98, "precision"


def test_the_set_is_as_large_and_mixed_as_it_claims() -> None:
    cases, planted, masked, right = scored()
    items = sum(planted[kind] for kind in KINDS)
    assert items >= 2000
    assert planted[None] >= items
    assert len({case.sort for case in cases if case.kind == "phone"}) >= 20
    assert len({case.sort for case in cases if case.kind is None}) >= 20
    assert sum(right.values()) / items >= 0.98
    assert sum(right.values()) / sum(masked.values()) >= 0.98


def test_placeholders_are_typed_and_the_rest_stays() -> None:
    text = "Ask bob@example.org (+49 30 1234567), 日本 93.184.216.34:80\t\x00\n"
    masked = ("Ask <email> (<phone>), 日本 <ip-address>:80\t\x00\n", {"email": 1, "phone": 1, "ip_address": 1})
    assert mask(text) == masked


def test_a_recipe_names_placeholders_and_leaves_kinds_alone() -> None:
    assert mask("bob@example.org, +49 30 1234567", email="[MAIL]", phone=False) == ("[MAIL], +49 30 1234567", {"email": 1})


@pytest.mark.parametrize("placeholder", ["", "email", "<a@b.org>", "<1>", "<a b>", "<>", True])
def test_a_placeholder_is_a_name_in_brackets(placeholder: Any) -> None:
    with pytest.raises(ValidationError):
        Config(email=placeholder)


def test_texts_without_personal_data_are_passed_on_as_they_are() -> None:
    texts = [PROSE, "", "bob@example.org"]
    result = mask_personal_data.run(text_batch(texts), Config())
    assert result.text is not None
    assert result.text.to_pylist() == [PROSE, "", "<email>"]


def test_null_texts_stay_null() -> None:
    result = mask_personal_data.run(text_batch([None, "bob@example.org"]), Config())
    assert result.text is not None
    assert result.text.to_pylist() == [None, "<email>"]


def test_every_case_of_the_set_is_settled_by_masking_once() -> None:
    texts = [case.text for case in personal_data_set.cases(random.Random(2))]
    once = mask_personal_data.run(text_batch(texts), Config()).text
    assert once is not None
    again = mask_personal_data.run(text_batch(once.to_pylist()), Config()).text
    assert again == once


PARTS = ["a@b.cc", "+49 30 123456", "212-555-0123", "8.8.4.40", "2606:4700::1", "DE89370400440532013000", "4111111111111111",
         "01 23 45 67 89",
         "tel ", "/", "-", ".", " ", ":", "//", "(", ")", "1", "a", "\u0301", "@", "<phone>", "00", "é", "日", "\n", "+", ","]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
@settings(max_examples=400, derandomize=True, database=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    once, _ = mask(text)
    assert mask(once) == (once, {})


@pytest.mark.parametrize("unit", ["/1.2.3.40", "212-555-0123-", "a@b.cc ", "+49 30 1234567 ", "8.8.4.40:", "01 23 45 67 89 "])
def test_long_chains_take_no_longer_than_their_length(unit: str) -> None:
    before = time.process_time()
    once, _ = mask((unit * 300_000)[:300_000])
    assert time.process_time() - before < 10
    assert mask(once) == (once, {})


@pytest.mark.parametrize("name", [name for name, text in NASTY.items() if len(text) < 200_000])
def test_hostile_texts_stay_valid(name: str) -> None:
    pa.array([mask(NASTY[name])[0]]).validate(full=True)
