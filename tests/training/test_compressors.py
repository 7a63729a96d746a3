"""xz behind the training text, and the end of that text that it is given."""

from __future__ import annotations

import lzma
import random

import pytest

from training.evaluation import compressors
from training.evaluation.compressors import Tail, primed


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_what_stands_in_train_costs_next_to_nothing_behind_it() -> None:
    train = noise(20_000, 1)
    assert primed(train, train[5_000:9_000]) < 400
    assert primed(train, noise(4_000, 2)) == pytest.approx(4_000, rel=0.05)
    assert primed(b"", train) == len(lzma.compress(train)) - len(lzma.compress(b""))


def test_a_tail_is_the_last_bytes_however_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressors, "XZ_WINDOW_BYTES", 100)
    for lengths in ([3, 5], [40, 40, 40], [250], [60, 250, 10], [1] * 300, [99, 1, 1]):
        tail, texts = Tail(), [noise(length, number) for number, length in enumerate(lengths)]
        for text in texts:
            tail.add(text)
        assert tail.text() == b"".join(texts)[-100:]
