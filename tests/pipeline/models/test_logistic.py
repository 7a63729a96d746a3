"""Logistic regression against its definition in plain Python, when it stops, and its calibration."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from pipeline.models.logistic import Linear, Rows, fit, log_loss, logits, platt, probabilities


def _rows(count: int, seed: int, size: int = 40) -> Rows:
    """Rows of 1 to 8 features, of which the lower half are more frequent in positive ones."""
    chance, features, positive = random.Random(seed), [], []
    for _ in range(count):
        positive.append(chance.random() < 0.5)
        low = 0.6 if positive[-1] else 0.4
        features.append([chance.randrange(size // 2) + (chance.random() > low) * size // 2 for _ in range(chance.randint(1, 8))])
    offsets = np.cumsum([0, *map(len, features)])
    flat = np.array([each for row in features for each in row], np.uint32)
    return Rows(np.array([chance.getrandbits(64) for _ in range(count)], np.uint64), offsets, flat, np.array(positive))


def plain_python(training: Rows, size: int, rate: float, l2: float, passes: int) -> tuple[list[float], float]:
    """AdaGrad, by the book."""
    weights, squares, bias, bias_square = [0.0] * size, [1e-12] * size, 0.0, 1e-12
    rows = [training.features[first:last].tolist() for first, last in pairwise(training.offsets)]
    for number in range(1, passes + 1):
        keys = [int(each) * pow(0xD1342543DE82EF95, number) % 2**64 for each in training.ids]
        for place in sorted(range(len(rows)), key=keys.__getitem__):
            row = rows[place]
            error = 1 / (1 + math.exp(-bias - sum(weights[each] for each in row) / len(row))) - training.positive[place]
            bias_square += error**2
            bias -= rate * error / math.sqrt(bias_square)
            for each in row:
                slope = error / len(row) + l2 * weights[each]
                squares[each] += slope**2
                weights[each] -= rate * slope / math.sqrt(squares[each])
    return weights, bias


def test_it_learns_as_defined() -> None:
    training, tuning = _rows(300, 1), _rows(300, 2)
    found, passes = fit(training, tuning, 40, 0.1, 0.01, 3)
    weights, bias = plain_python(training, 40, 0.1, 0.01, passes)
    slope, offset = platt(logits(Linear(np.array(weights, np.float32), bias), tuning.offsets, tuning.features), tuning.positive)
    assert found.weights == pytest.approx(np.array(weights) * slope, abs=1e-5)
    assert found.bias == pytest.approx(bias * slope + offset, abs=1e-6)


def test_it_stops_when_it_no_longer_gains_and_goes_back_to_where_it_was_best() -> None:
    training, tuning = _rows(60, 3, 400), _rows(400, 4, 400)
    found, passes = fit(training, tuning, 400, 0.5, 0, 50)
    best, again = fit(training, tuning, 400, 0.5, 0, passes)
    assert passes == again < 40
    assert found.weights.tolist() == best.weights.tolist()
    assert found.bias == best.bias


def test_a_row_without_features_has_the_bias() -> None:
    model = Linear(np.array([1, 2, 4, 8], np.float32), 0.5)
    assert logits(model, np.array([0, 0, 2, 3]), np.array([1, 3, 0], np.uint32)).tolist() == [0.5, 5.5, 1.5]


def test_calibration_finds_the_slope_and_the_offset() -> None:
    chance = np.random.default_rng(6)
    told = chance.normal(0, 3, 200_000)
    positive = chance.random(200_000) < probabilities(told * 0.5 - 1)
    assert platt(told, positive) == pytest.approx((0.5, -1), abs=0.02)


@pytest.mark.parametrize("told", [np.r_[np.full(50, -9.0), np.full(50, 9.0)], np.zeros(100), np.linspace(-1e6, 1e6, 100)])
def test_calibration_never_claims_to_be_certain(told: np.ndarray) -> None:
    positive = np.arange(100) >= 50
    slope, offset = platt(told, positive)
    found = probabilities(told * slope + offset)
    assert found.min() > 1e-5
    assert found.max() < 1 - 1e-5
    assert log_loss(told * slope + offset, positive) <= log_loss(np.zeros(100), positive) + 1e-9


def test_probabilities_of_any_logit() -> None:
    assert probabilities(np.array([-1e9, -1, 0, 1, 1e9])) == pytest.approx([0, 0.2689414, 0.5, 0.7310586, 1])
