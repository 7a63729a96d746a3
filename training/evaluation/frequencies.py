"""What a model has to beat on the same tokens: how often they occur in train, alone and behind others.

The token that begins documents takes no part: its place holds nothing of meaning.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes
from pipeline.models import estimate
from pipeline.models.ngrams import Logs, Ngrams, Numbers, advance, begin, table
from training.data import Array, Tokens

CHUNK_TOKENS = 2**24
ORDER = 5


def unigram(train: Tokens, vocabulary: int) -> Array:
    """Nats of each token by its frequency in train, one added to every count (Laplace)."""
    counts = np.ones(vocabulary, np.int64)
    for start in range(0, len(train.values), CHUNK_TOKENS):
        counts += np.bincount(train.values[start : start + CHUNK_TOKENS], minlength=vocabulary)
    counts[train.beginning] = 0
    return math.log(counts.sum()) - np.log(np.maximum(counts, 1))


def unigram_nats(nats: Array, held_out: Tokens) -> Array:
    """The nats of each document's text, its beginning not counted."""
    bounds = held_out.bounds
    return np.array([nats[held_out.values[bounds[i] + 1 : bounds[i + 1]]].sum() for i in range(len(bounds) - 1)])


def five_gram(train: Tokens, vocabulary: int, max_tokens: int) -> tuple[Ngrams, int]:
    """An interpolated modified Kneser-Ney model (Chen and Goodman 1999) of train, and how many tokens it was told.

    No n-gram is left out, and below single tokens are all equally likely. Estimating takes some 350 bytes a token: so it is
    told the first documents of train, whose order is that of a hash, as long as they have `max_tokens` at most together.
    """
    documents = max(1, int(np.searchsorted(train.bounds, max_tokens, "right")) - 1)
    documents = min(documents, len(train.ids))
    values = np.asarray(train.values[: train.bounds[documents]])
    text = np.ones(len(values), bool)
    text[train.bounds[:documents]] = False
    begins = np.zeros(len(values) + 1, bool)
    begins[train.bounds[:documents] + 1] = True
    symbols = values[text].astype(np.uint64)
    uniform = 1 / (vocabulary - 1)
    entries = estimate.estimate(symbols, begins[:-1][text], ORDER, 1, lambda places: np.full(len(places), uniform))
    return table(entries, ORDER), len(symbols)


@kernel
def _sum(
    keys: Hashes, logs: Logs, starts: Hashes, weights: Numbers, state: Hashes, state_weights: Numbers, values: Hashes, bounds: Counts,
    unknown: float, nats: Numbers,
) -> None:  # fmt: skip
    for document in range(len(nats)):
        begin(starts, weights, state, state_weights)
        for i in range(bounds[document], bounds[document + 1]):
            log, known = advance(keys, logs, state, state_weights, values[i])
            nats[document] -= log if known else log + unknown


def five_gram_nats(model: Ngrams, held_out: Tokens, vocabulary: int) -> Array:
    """The nats of each document's text, its beginning not counted."""
    nats = np.zeros(len(held_out.ids))
    state, weights = np.empty(ORDER, np.uint64), np.empty(ORDER)
    for i in range(len(nats)):
        own = np.asarray(held_out.values[held_out.bounds[i] + 1 : held_out.bounds[i + 1]]).astype(np.uint64)
        _sum(*model, state, weights, own, np.array([0, len(own)]), -math.log(vocabulary - 1), nats[i : i + 1])
    return nats
