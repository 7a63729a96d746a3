"""The difference between two recipes, and whether its error is as large as the difference is uncertain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation import paired


def drawn(random: np.random.Generator, seeds: int, documents: int, better: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nats of A and B, and bytes: documents differ much, B's gain by document and by seed somewhat."""
    size = random.integers(500, 5000, documents)
    rate = 1.2 + 0.3 * random.standard_normal(documents)
    gain = better + 0.02 * random.standard_normal(documents) + 0.004 * random.standard_normal((seeds, 1))
    noise = 0.01 * random.standard_normal((2, seeds, documents))
    a, b = rate + noise[0], rate - gain + noise[1]
    return a * size, b * size, size


def test_a_difference_by_hand() -> None:
    # One seed: 8 and 4 bytes; A takes 8 and 4 bits, B 4 and 4.
    a, b = np.array([[8, 4]]) * math.log(2), np.array([[4, 4]]) * math.log(2)
    found = paired.difference(a, b, np.array([8, 4]))
    assert found.value == pytest.approx(-4 / 12)
    assert math.isnan(found.seeds_error)
    influences = [(-4 + 8 / 3) / 12, (0 + 4 / 3) / 12]
    assert found.error == found.documents_error == pytest.approx(math.sqrt(2 * sum(x * x for x in influences)))


def test_equal_models_do_not_differ() -> None:
    a, _, size = drawn(np.random.default_rng(1), 3, 50, 0.1)
    assert paired.difference(a, a, size)[:3] == (0, 0, 0)


@pytest.mark.parametrize("better", [0.0, 0.03])
def test_the_error_is_that_of_another_draw_of_documents_and_seeds(better: float) -> None:
    random = np.random.default_rng(7)
    found = [paired.difference(*drawn(random, 3, 150, better)) for _ in range(600)]
    values, errors = np.array([each.value for each in found]), np.array([each.error for each in found])
    assert values.mean() == pytest.approx(-better / math.log(2), abs=0.001)
    assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.12)
    bounds = np.array([each.bound for each in found])
    assert 0.94 < (np.abs(values + better / math.log(2)) <= bounds).mean() <= 1


def test_the_pairing_takes_away_what_documents_have_in_common() -> None:
    a, b, size = drawn(np.random.default_rng(3), 3, 150, 0.03)
    unpaired = math.hypot(*(np.std(each.mean(axis=0) / size) / math.log(2) / math.sqrt(len(size)) for each in (a, b)))
    assert paired.difference(a, b, size).error < unpaired / 5
