"""A linear classifier of texts by their words and pairs of neighbouring words, in the manner of fastText.

Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (arXiv:1607.01759), with one weight a feature in place of
an embedding, which for two kinds of text is as much; Li et al. 2024, "DataComp-LM" (arXiv:2406.11794), found
such a model of good texts to be the best of many filters. Words are those of `pipeline.dedup.words`, of any language,
without case or punctuation; a feature is the hash of one or two of them, cut to some bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.dedup.words import Characters, batches, characters, hash_words, room
from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes, combine
from pipeline.models import file
from pipeline.models.judgement import Judgement, best_threshold, judge
from pipeline.models.logistic import Features, Linear, Mask, Numbers, Rows, fit, logits, probabilities
from pipeline.models.texts import Texts, parts
from pipeline.step import Strict

_TUNING, _TEST = 0.1, 0.1  # shares of the texts: to stop by and to calibrate on; to report on, and for nothing else
_ARRAYS = {"weights": (np.float32, 1), "bias": (np.float64, 1)}
_MAX_BUCKETS = 2**26


class TrainConfig(Strict):
    """The settings of training."""

    sample_mb: Annotated[int, Field(gt=0)] = 100  # of text of each kind, drawn by hash; 10^6 bytes
    buckets: Annotated[int, Field(ge=2**8, le=_MAX_BUCKETS)] = 2**20  # that features are hashed into; a power of two
    rate: Annotated[float, Field(gt=0)] = 1.0
    l2: Annotated[float, Field(ge=0)] = 1e-4
    max_passes: Annotated[int, Field(ge=1)] = 20

    @field_validator("buckets")
    @classmethod
    def _power_of_two(cls, buckets: int) -> int:
        if buckets & (buckets - 1):
            raise ValueError(f"expected a power of two, not {buckets}")
        return buckets


class Facts(Strict):
    """What a file says of its model."""

    kind: Literal["classifier"]
    version: Literal[1]


class Report(NamedTuple):
    """What training was on, and how the test texts were told."""

    passes: int
    judgement: Judgement


@kernel
def _features(offsets: Counts, data: Bytes, table: Characters, words: Hashes, mask: np.uint64, out: Features, counts: Counts) -> int:
    n = 0
    for row in range(len(counts)):
        count = hash_words(data, offsets[row], offsets[row + 1], table, words)
        for i in range(count):
            out[n + i] = words[i] & mask
        for i in range(1, count):
            out[n + count + i - 1] = combine(words[i - 1], words[i]) & mask
        counts[row] = max(2 * count - 1, 0)
        n += counts[row]
    return n


def scores(model: Linear, texts: pa.Array) -> tuple[Numbers, Mask]:
    """The probability of each text to be of the positive kind, and which texts have words to tell it by."""
    features, counts = _counted(texts, len(model.weights))
    return probabilities(logits(model, _offsets(counts), features)), counts > 0


def _offsets(counts: Counts) -> Counts:
    return np.concatenate([[0], np.cumsum(counts)])


def _counted(texts: pa.Array, buckets: int) -> tuple[Features, Counts]:
    """The features of all texts, and how many each has."""
    counts, found = np.zeros(len(texts), np.int64), [np.empty(0, np.uint32)]
    for first, (offsets, data) in batches(texts):
        some = np.empty(int(offsets[-1] - offsets[0]) + len(offsets), np.uint32)
        words = np.empty(room(offsets), np.uint64)
        rows = counts[first : first + len(offsets) - 1]
        total = _features(offsets, data, characters(), words, np.uint64(buckets - 1), some, rows)
        found.append(some[:total].copy())
    return np.concatenate(found), counts


def _rows(texts: Texts, positive: Mask, buckets: int) -> Rows:
    features, counts = _counted(texts.texts, buckets)
    some = counts > 0
    return Rows(texts.ids[some], _offsets(counts[some]), features, positive[some])


def train(positive: Texts, negative: Texts, config: TrainConfig) -> tuple[Facts, file.Arrays, Report]:
    """A model that tells the texts of one kind from those of another. ValueError where they are too few."""
    texts = Texts(np.concatenate([positive.ids, negative.ids]), pa.concat_arrays([positive.texts, negative.texts]))
    is_positive = np.arange(len(texts.ids)) < len(positive.ids)
    part = parts(texts.ids, (_TUNING, _TEST))
    tuning, test, training = (_rows(texts.where(part == each), is_positive[part == each], config.buckets) for each in range(3))
    for name, rows in {"to tune by": tuning, "to test on": test, "to train on": training}.items():
        if rows.positive.all() or not rows.positive.any():
            lacking = "negative" if rows.positive.any() else "positive"
            raise ValueError(
                f"expected texts of both kinds {name}, which takes about 100 of each; there are {len(positive.ids)} positive and "
                f"{len(negative.ids)} negative ones, and of the {lacking} none with words fell to that part"
            )
    model, passes = fit(training, tuning, config.buckets, config.rate, config.l2, config.max_passes)
    tuned, tested = (probabilities(logits(model, rows.offsets, rows.features)) for rows in (tuning, test))
    threshold = best_threshold(tuned, tuning.positive)
    arrays = {"weights": model.weights, "bias": np.array([model.bias])}
    return Facts(kind="classifier", version=1), arrays, Report(passes, judge(tested, test.positive, threshold))


def load(path: Path) -> Linear:
    """The model of a file. ValueError where it is none."""
    _, arrays = file.read(path, Facts, _ARRAYS)
    buckets = len(arrays["weights"])
    if buckets == 0 or buckets & (buckets - 1) or buckets > _MAX_BUCKETS:
        raise file.refused(path, f"a power of two of weights, at most {_MAX_BUCKETS}, not {buckets}")
    if len(arrays["bias"]) != 1:
        raise file.refused(path, f"one bias, not {len(arrays['bias'])}")
    return Linear(arrays["weights"], float(arrays["bias"][0]))
