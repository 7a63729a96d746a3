"""The measures of a classifier against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.models.judgement import best_threshold, judge


def _told(count: int, ties: int) -> tuple[np.ndarray, np.ndarray]:
    chance = random.Random(count)
    positive = np.array([chance.random() < 0.4 for _ in range(count)])
    told = np.array([min(max(chance.gauss(0.6 if each else 0.4, 0.2), 0), 1) for each in positive])
    return np.round(told * ties) / ties, positive


@pytest.mark.parametrize("ties", [5, 10**6])
def test_the_area_is_the_share_of_pairs_in_the_right_order(ties: int) -> None:
    told, positive = _told(200, ties)
    pairs = [(one > zero) + (one == zero) / 2 for one in told[positive] for zero in told[~positive]]
    found = judge(told, positive, 0.5)
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    assert found.auc_low < found.auc < found.auc_high


def test_the_interval_holds_the_true_area_about_19_times_of_20() -> None:
    chance, hits = np.random.default_rng(5), 0
    for _ in range(400):
        positive = np.arange(120) < 50
        told = 1 / (1 + np.exp(-chance.normal(positive * 1.0, 1.0)))
        found = judge(told, positive, 0.5)
        hits += found.auc_low <= 0.76025 <= found.auc_high  # the normal distribution at 1 / sqrt(2)
    assert 0.91 < hits / 400 < 0.98


def test_the_best_threshold_is_the_best() -> None:
    told, positive = _told(150, 20)
    found = judge(told, positive, best_threshold(told, positive))
    others = [judge(told, positive, threshold).at_best.f1 for threshold in np.unique(told)]
    assert found.at_best.f1 == pytest.approx(max(others))


def test_texts_of_one_score_are_taken_together() -> None:
    assert best_threshold(np.array([0.9, *[0.5] * 5]), np.array([True, True, False, False, False, False])) == 0.9


def test_rates_and_accuracy_by_hand() -> None:
    found = judge(np.array([0.9, 0.8, 0.5, 0.4, 0.1]), np.array([True, False, True, True, False]), 0.3)
    assert (found.positive, found.negative) == (3, 2)
    assert found.at_half[1:] == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert found.at_best[1:] == pytest.approx((3 / 4, 1, 6 / 7))
    assert found.accuracy == pytest.approx(3 / 5)


def test_the_calibration_error_is_how_far_bins_are_from_what_is() -> None:
    told = np.array([0.05] * 10 + [0.95] * 10)
    positive = np.array([False] * 9 + [True] + [True] * 10)
    assert judge(told, positive, 0.5).calibration_error == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)


def test_nothing_chosen_is_no_error() -> None:
    found = judge(np.array([0.1, 0.2]), np.array([True, False]), 0.9)
    assert found.at_best[1:] == (0, 0, 0)
    assert (found.auc_low, found.auc_high) == (0, 0)
