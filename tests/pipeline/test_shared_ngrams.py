"""How much of some texts stands in others is what counting n-grams naively says."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from pipeline.contamination.shared import Shared

WORDS = [f"word{number}" for number in range(40)]


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


@pytest.mark.parametrize("size", [2, 13])
def test_shares_are_those_of_naive_sets(size: int) -> None:
    drawn = random.Random(2)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(0, 60))) for _ in range(30)]
    others = [" ".join(drawn.choices(WORDS, k=200)) for _ in range(10)]
    others += [f"before {text} after" for text in texts[::3]] + [" ".join(text.split()[: len(text.split()) // 2]) for text in texts[1::3]]
    shared = Shared(pa.array(texts, pa.large_string()), size)
    for start in range(0, len(others), 7):
        shared.meet(pa.array(others[start : start + 7], pa.large_string()))
    known = set().union(*(grams(text, size) for text in others))
    expected = [len(own & known) / len(own) if (own := grams(text, size)) else np.nan for text in texts]
    assert shared.shares() == pytest.approx(expected, nan_ok=True)
    assert any(0 < share < 1 for share in expected)


def test_case_and_punctuation_do_not_tell_texts_apart() -> None:
    shared = Shared(pa.array(["The tide came in, and went out."], pa.large_string()), 3)
    shared.meet(pa.array(["... the TIDE came; in and"], pa.large_string()))
    assert shared.shares().tolist() == [3 / 5]
