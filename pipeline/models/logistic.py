"""Logistic regression on sparse counts: learned by AdaGrad, calibrated by Platt's method.

Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning"; Platt 1999, "Probabilistic Outputs for
Support Vector Machines", with the fit of Lin, Lin and Weng 2007. A row is a run of features, as many times as it has
them; its logit is the bias and the mean weight of the run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts

Numbers = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]
Features = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_PATIENCE = 2  # passes without a gain until no more are made
_ORDERS = 0xD1342543DE82EF95  # odd: its powers reorder 64-bit numbers differently in each pass
_NEWTON_STEPS = 100
_STEEPEST = 1e-12  # of what is taken for no slope


class Rows(NamedTuple):
    """Row `i` has the features from `offsets[i]` to `offsets[i + 1]`, at least one, and is of the positive kind or not."""

    ids: npt.NDArray[np.uint64]  # random, but the row's own: the order of learning is by them
    offsets: Counts
    features: Features
    positive: Mask


class Linear(NamedTuple):
    """A linear model."""

    weights: Weights
    bias: float


@kernel
def _logits(offsets: Counts, features: Features, weights: Weights, bias: float, out: Numbers) -> None:
    for row in range(len(out)):
        total = 0.0
        for i in range(offsets[row], offsets[row + 1]):
            total += weights[features[i]]
        out[row] = bias + total / max(offsets[row + 1] - offsets[row], 1)


def logits(model: Linear, offsets: Counts, features: Features) -> Numbers:
    """The logit of each row; the bias alone where it has no features."""
    out = np.empty(len(offsets) - 1)
    _logits(offsets, features, model.weights, model.bias, out)
    return out


@kernel
def _pass(
    order: Counts, offsets: Counts, features: Features, positive: Mask, rate: float, l2: float,
    weights: Numbers, squares: Numbers, bias: Numbers, bias_squares: Numbers,
) -> None:  # fmt: skip
    """Learn from each row once."""
    for place in range(len(order)):
        row = order[place]
        first, last = offsets[row], offsets[row + 1]
        total = 0.0
        for i in range(first, last):
            total += weights[features[i]]
        error = 1 / (1 + np.exp(-bias[0] - total / (last - first))) - positive[row]
        bias_squares[0] += error * error
        bias[0] -= rate * error / np.sqrt(bias_squares[0])
        for i in range(first, last):
            feature = features[i]
            slope = error / (last - first) + l2 * weights[feature]
            squares[feature] += slope * slope
            weights[feature] -= rate * slope / np.sqrt(squares[feature])


def probabilities(found: Numbers) -> Numbers:
    """Of logits, without overflow."""
    shrunk = np.exp(-np.abs(found))
    return np.where(found >= 0, 1, shrunk) / (1 + shrunk)


def log_loss(found: Numbers, positive: Mask) -> float:
    """The mean of minus the natural logarithm of the probability of what is."""
    return float(np.logaddexp(0, np.where(positive, -found, found)).mean())


def fit(training: Rows, tuning: Rows, size: int, rate: float, l2: float, max_passes: int) -> tuple[Linear, int]:
    """The model of the pass after which `tuning` is told best, calibrated on that; and how many passes it took."""
    weights, bias = np.zeros(size), np.zeros(1)
    squares, bias_squares = np.full(size, 1e-12), np.full(1, 1e-12)
    best, best_loss, passes = Linear(weights.astype(np.float32), 0.0), np.inf, 0
    for number in range(1, max_passes + 1):
        order = np.argsort(training.ids * np.uint64(pow(_ORDERS, number, 2**64)), kind="stable")
        _pass(order, training.offsets, training.features, training.positive, rate, l2, weights, squares, bias, bias_squares)
        model = Linear(weights.astype(np.float32), float(bias[0]))
        loss = log_loss(logits(model, tuning.offsets, tuning.features), tuning.positive)
        if loss < best_loss:
            best, best_loss, passes = model, loss, number
        elif number - passes >= _PATIENCE:
            break
    slope, offset = platt(logits(best, tuning.offsets, tuning.features), tuning.positive)
    return Linear((best.weights * slope).astype(np.float32), best.bias * slope + offset), passes


def platt(told: Numbers, positive: Mask) -> tuple[float, float]:
    """The slope and offset that make logits those of probabilities: by Newton's method, towards targets short of 0 and 1."""
    ones, zeros = int(positive.sum()), int((~positive).sum())
    targets = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    inputs = np.stack([told, np.ones(len(told))])

    def loss(at: Numbers) -> float:
        found = at @ inputs
        return float((np.logaddexp(0, found) - targets * found).sum())

    point = np.array([0.0, np.log((ones + 1) / (zeros + 1))])
    for _ in range(_NEWTON_STEPS):
        reached = probabilities(point @ inputs)
        slope = inputs @ (reached - targets)
        if np.abs(slope).max() < 1e-9 * len(told):
            break
        curve = (inputs * (reached * (1 - reached))) @ inputs.T + _STEEPEST * np.eye(2)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > _STEEPEST and loss(point - size * step) > loss(point):
            size /= 2
        point = point - size * step
    return float(point[0]), float(point[1])
