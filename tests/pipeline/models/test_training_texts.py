"""What is drawn to train on, and what is held out, depends on the texts alone."""

from __future__ import annotations

import random

import numpy as np
from trained import sea

from pipeline.models.texts import draw, parts


def test_the_same_texts_are_drawn_in_any_order_and_however_often_they_come() -> None:
    texts = sea(200)
    shuffled = random.Random(4).sample(texts * 2, 400)
    one, two = draw(texts, 1), draw(shuffled, 1)
    assert one.texts.equals(two.texts)
    assert one.ids.tolist() == two.ids.tolist()
    assert sorted(one.texts.to_pylist()) == sorted(texts)
    assert one.bytes == sum(len(text) for text in texts)


def test_no_more_is_drawn_than_asked_for() -> None:
    texts = [f"{number} " + "é" * 20_000 for number in range(100)]
    drawn = draw(texts, 1)
    assert 900_000 < drawn.bytes <= 1_000_000
    assert drawn.texts.equals(draw(texts[::-1], 1).texts)


def test_parts_have_their_shares() -> None:
    ids = draw((str(number) for number in range(20_000)), 1).ids
    counts = np.bincount(parts(ids, (0.1, 0.2))) / len(ids)
    assert np.abs(counts - [0.1, 0.2, 0.7]).max() < 0.02
    assert parts(np.array([0, 2**64 // 10 + 2**40, 2**64 - 1], np.uint64), (0.1, 0.2)).tolist() == [0, 1, 2]


def test_nothing_is_drawn_of_nothing() -> None:
    drawn = draw([], 1)
    assert (len(drawn.ids), drawn.bytes) == (0, 0)
