"""How well probabilities tell two kinds of texts apart, and how far they can be taken at their word."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BINS = 10
_HALF_WIDTH = 1.959964  # standard deviations that hold 95 % of a normal distribution


class Rates(NamedTuple):
    """What is told positive from a threshold on; a share of nothing is 0."""

    threshold: float
    precision: float
    recall: float
    f1: float


class Judgement(NamedTuple):
    """The measures, of texts that training has not seen."""

    positive: int  # texts
    negative: int
    auc: float  # the area under the ROC curve: how probably a positive text has the higher score
    auc_low: float  # its interval of 95 % (DeLong et al. 1988)
    auc_high: float
    accuracy: float  # at 0.5
    calibration_error: float  # expected, over ten bins of equal width (Guo et al. 2017)
    at_half: Rates
    at_best: Rates


def judge(told: Numbers, positive: Mask, threshold: float) -> Judgement:
    """The measures of some probabilities, both kinds among them; `threshold` is one that was chosen on other texts."""
    auc, deviation = _auc(told, positive)
    return Judgement(
        positive=int(positive.sum()),
        negative=int((~positive).sum()),
        auc=auc,
        auc_low=max(auc - _HALF_WIDTH * deviation, 0.0),
        auc_high=min(auc + _HALF_WIDTH * deviation, 1.0),
        accuracy=float(((told >= 0.5) == positive).mean()),
        calibration_error=_calibration_error(told, positive),
        at_half=_rates(told, positive, 0.5),
        at_best=_rates(told, positive, threshold),
    )


def best_threshold(told: Numbers, positive: Mask) -> float:
    """The threshold of the highest F1, of several the highest."""
    order = np.argsort(-told, kind="stable")
    hits = np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(told) + 1) + positive.sum())
    # Texts of one score are told alike: only the last of them ends what a threshold takes.
    ends = np.append(told[order][1:] != told[order][:-1], True)
    return float(told[order][np.argmax(np.where(ends, f1, -1))])


def _middle_ranks(values: Numbers) -> Numbers:
    _, of, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[of]


def _auc(told: Numbers, positive: Mask) -> tuple[float, float]:
    """The area, and its standard deviation; that of fewer than two texts of a kind is taken for 0."""
    ranks, ones, zeros = _middle_ranks(told), told[positive], told[~positive]
    above = (ranks[positive] - _middle_ranks(ones)) / len(zeros)
    below = 1 - (ranks[~positive] - _middle_ranks(zeros)) / len(ones)
    variance = sum(float(each.var(ddof=1)) / len(each) for each in (above, below) if len(each) > 1)
    return float(above.mean()), math.sqrt(variance)


def _calibration_error(told: Numbers, positive: Mask) -> float:
    bins = np.minimum((told * _BINS).astype(np.int64), _BINS - 1)
    return float(np.abs(np.bincount(bins, told - positive, _BINS)).sum() / len(told))


def _rates(told: Numbers, positive: Mask, threshold: float) -> Rates:
    chosen = told >= threshold
    hits = int((chosen & positive).sum())
    precision, recall = hits / max(int(chosen.sum()), 1), hits / max(int(positive.sum()), 1)
    return Rates(threshold, precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0)
