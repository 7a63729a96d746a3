"""What is kept: ends included, compared as 64-bit floats, null and NaN out unless the bound says otherwise."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bounds import broken, describe, kinds
from pipeline.step import Bound


def out(bound: Bound, values: pa.Array, languages: list[str | None] | None = None) -> list[bool]:
    """Whether each value breaks the bound, in any way."""
    found = broken(bound, values, None if languages is None else pa.array(languages, pa.string()))
    return np.logical_or.reduce([np.zeros(len(values), bool), *(mask for mask, _ in found.values())]).tolist()


def test_both_ends_are_kept() -> None:
    values = pa.array([9, 10, 11, 20, 21], pa.int64())
    assert out(Bound(min=10, max=20), values) == [True, False, False, False, True]


@pytest.mark.parametrize(("part", "whole", "limit"), [(3, 25, 0.12), (67, 100, 0.67), (1, 10, 0.1), (7, 10, 0.7), (3, 10, 0.3)])
def test_a_share_exactly_on_its_limit_is_kept(part: int, whole: int, limit: float) -> None:
    values = pa.array([math.nextafter(part / whole, 0), part / whole, math.nextafter(part / whole, 1)])
    assert out(Bound(min=limit), values) == [True, False, False]
    assert out(Bound(max=limit), values) == [False, False, True]


def test_a_value_of_32_bits_is_compared_as_one_of_64() -> None:
    single = pa.array([0.1], pa.float32())  # a little more than 0.1
    assert out(Bound(max=0.1), single) == [True]
    assert out(Bound(min=0.1), single) == [False]


def test_an_integer_beyond_what_floats_hold_is_compared_all_the_same() -> None:
    assert out(Bound(max=10), pa.array([2**63 - 1, 2**53 + 1, 3], pa.int64())) == [True, True, False]


def test_null_and_nan_are_out_unless_null_is_allowed() -> None:
    values = pa.array([None, math.nan, 1.0])
    for bound in (Bound(min=0), Bound(max=2), Bound(min=0, max=2)):
        assert out(bound, values) == [True, True, False]
        assert out(bound.model_copy(update={"null": True}), values) == [False, True, False]


def test_a_bound_without_limits_keeps_even_null() -> None:
    assert kinds(Bound()) == []
    assert out(Bound(), pa.array([None, 1.0])) == [False, False]
    assert out(Bound(min=math.inf), pa.array([None, 1.0])) == [False, False]


def test_yes_or_no_is_1_or_0() -> None:
    assert out(Bound(max=0), pa.array([True, False, None])) == [True, False, True]


def test_texts_in_and_not_in() -> None:
    values = pa.array(["en", "de", None, ""])
    assert out(Bound(**{"in": ["en", "fr"]}), values) == [False, True, True, True]
    assert out(Bound(**{"in": ["en", "fr"], "null": True}), values) == [False, True, False, True]
    assert out(Bound(not_in=["en"]), values) == [True, False, True, False]
    assert out(Bound(not_in=["en"], null=True), values) == [True, False, False, False]
    assert out(Bound(**{"in": []}), values) == [True, True, True, True]


def test_each_kind_tells_its_rows_and_its_limits() -> None:
    found = broken(Bound(min=2, max=3), pa.array([1, 2, 4]), None)
    assert {kind: (mask.tolist(), limits.tolist()) for kind, (mask, limits) in found.items()} == {
        "min": ([True, False, False], [2, 2, 2]),
        "max": ([False, False, True], [3, 3, 3]),
    }
    assert np.isnan(broken(Bound(not_in=["x"]), pa.array(["x"]), None)["not_in"][1]).all()


def test_a_language_has_its_own_limits_and_the_general_ones_for_the_rest() -> None:
    bound = Bound(min=10, max=100, by_language={"ja": Bound(min=2), "th": Bound(min=1, max=5, null=True), "zh": Bound(min=-math.inf)})
    values = pa.array([5, 5, 5, 5, 5, 1, 101, 6], pa.int64())
    languages = ["en", "ja", "zh", None, "xx", "ja", "ja", "th"]
    assert out(bound, values, languages) == [True, False, False, True, True, True, True, True]
    limits = broken(bound, values, pa.array(languages))["min"][1]
    assert np.array_equal(limits, [10, 2, np.nan, 10, 10, 2, 2, 1], equal_nan=True)
    assert out(bound, pa.array([None, None], pa.int64()), ["th", "ja"]) == [False, True]


def test_a_limit_for_one_language_alone_leaves_the_rest() -> None:
    bound = Bound(by_language={"ja": Bound(min=2)})
    assert kinds(bound) == ["min"]
    assert out(bound, pa.array([1, 1, None]), ["ja", "en", "en"]) == [True, False, False]


def test_without_languages_the_general_limits_hold() -> None:
    assert out(Bound(min=10, by_language={"ja": Bound(min=2)}), pa.array([5])) == [True]


def test_slices_are_compared_by_their_own_rows() -> None:
    values, languages = pa.array([1, 5, None, 7]).slice(1), pa.array(["x", "ja", "ja", "en"]).slice(1)
    assert broken(Bound(min=6, by_language={"ja": Bound(min=5)}), values, languages)["min"][0].tolist() == [False, True, False]


def test_no_rows() -> None:
    for values in (pa.array([], pa.int64()), pa.array([], pa.float64())):
        assert out(Bound(min=1, by_language={"ja": Bound(min=2)}), values, []) == []


def test_bounds_in_words() -> None:
    assert describe(Bound(min=50, max=100_000)) == ">= 50 and <= 100000"
    assert describe(Bound(**{"in": ["en", "de"]})) == "in en, de"
    assert describe(Bound(**{"in": []})) == "none"
    assert describe(Bound(min=3, by_language={"ja": Bound(min=1)})) == ">= 3 (ja: >= 1)"


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.none() | finite | st.just(math.nan), max_size=8), finite | st.none(), finite | st.none(), st.booleans())
def test_a_bound_keeps_what_lies_between_its_limits(values: list[float | None], low: float | None, high: float | None, null: bool) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low

    def kept(value: float | None) -> bool:
        if low is None and high is None:
            return True
        if value is None:
            return null
        return (low is None or value >= low) and (high is None or value <= high)

    assert out(Bound(min=low, max=high, null=null), pa.array(values, pa.float64())) == [not kept(value) for value in values]


languages_of = st.lists(st.tuples(st.none() | st.integers(-3, 3), st.sampled_from([None, "en", "ja", "th"])), max_size=8)
own = st.dictionaries(st.sampled_from(["en", "ja"]), st.integers(-3, 3))


@given(languages_of, st.integers(-3, 3), own)
def test_by_language_is_the_single_bound_of_each_row(
    rows: list[tuple[int | None, str | None]], general: int, limits: dict[str, int]
) -> None:
    bound = Bound(min=general, by_language={language: Bound(min=limit) for language, limit in limits.items()})
    alone = [out(Bound(min=limits.get(language or "", general)), pa.array([value], pa.int64()))[0] for value, language in rows]
    assert out(bound, pa.array([value for value, _ in rows], pa.int64()), [language for _, language in rows]) == alone
