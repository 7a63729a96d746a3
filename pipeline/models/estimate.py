"""How the probabilities of an n-gram model are estimated from counts: interpolated modified Kneser-Ney smoothing.

Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling" (TR-10-98, Harvard), section 3: an
n-gram of the highest order counts as often as it occurs, a shorter one by how many symbols it has been seen behind; each count
is discounted by what the counts of counts say for 1, 2 and more; what that leaves of a context goes to the context without
its first symbol, and in the end to `base`. N-grams that are counted less than `min_count` and are no kept one's context are
not kept: their whole count is left to the shorter context, so that each context's probabilities still sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.strings import Counts, Hashes, combine
from pipeline.models.ngrams import Entries, Numbers, start_keys

Mask = npt.NDArray[np.bool_]
_FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # as KenLM has them, where a text is too small or too odd for the counts to tell


class _Level(NamedTuple):
    """The distinct n-grams of one order."""

    keys: Hashes  # ascending
    places: Counts  # of the last symbol of one occurrence
    counts: Counts
    contexts: Hashes  # the key of all but the last symbol
    shorter: Hashes  # the key of all but the first symbol


@kernel
def _hash(symbols: Hashes, begins: Mask, starts: Hashes, state: Hashes, grams: Hashes) -> None:
    """`grams[k - 1, i]` becomes the key of the `k` symbols that end with `symbols[i]`."""
    for i in range(len(symbols)):
        if begins[i]:
            for k in range(len(starts)):
                state[k] = starts[k]
        for k in range(len(starts), 0, -1):
            key = combine(state[k - 1], symbols[i])
            grams[k - 1, i] = key
            if k < len(starts):
                state[k] = key


def estimate(symbols: Hashes, begins: Mask, order: int, min_count: int, base: Callable[[Counts], Numbers]) -> Entries:
    """The model of sequences that lie end to end; `begins` marks the first symbol of each.

    `base` gives the probability with no n-grams told of the symbols at some places.
    """
    levels = _levels(symbols, begins, order)
    kept = _kept(levels, min_count)
    starts = start_keys(order)
    keys, logs, below = [starts], [np.zeros((order, 2))], (np.empty(0, np.uint64), np.empty(0))
    for k, (level, mask) in enumerate(zip(levels, kept, strict=True)):
        lower = below[1][np.searchsorted(below[0], level.shorter)] if k else base(level.places)
        probabilities, contexts, weights = _interpolate(level, mask, lower)
        below = (level.keys, probabilities)
        _set_weights(keys, logs, contexts, weights)
        keys.append(level.keys[mask])
        logs.append(np.stack([np.log(probabilities[mask]), np.zeros(mask.sum())], axis=1))
    every = np.concatenate(keys)
    ascending = np.argsort(every)
    return Entries(every[ascending], np.minimum(np.concatenate(logs)[ascending], 0).astype(np.float32))


def _levels(symbols: Hashes, begins: Mask, order: int) -> list[_Level]:
    starts = start_keys(order)
    grams = np.empty((order, len(symbols)), np.uint64)
    _hash(symbols, begins, starts, np.empty(order, np.uint64), grams)
    levels, places = [], np.arange(len(symbols))
    for k in range(order, 0, -1):
        keys, first, counts = np.unique(grams[k - 1][places], return_index=True, return_counts=True)
        places = places[first]
        before = grams[k - 2][places - 1] if k > 1 else starts[0]
        contexts = np.where(begins[places], starts[k - 1], before)
        levels.append(_Level(keys, places, counts, contexts, grams[k - 2][places] if k > 1 else np.empty(0, np.uint64)))
    return levels[::-1]


def _kept(levels: list[_Level], min_count: int) -> list[Mask]:
    masks, needed = [], np.empty(0, np.uint64)
    for level in reversed(levels):
        mask = (level.counts >= min_count) | np.isin(level.keys, needed)
        masks.append(mask)
        needed = level.contexts[mask]
    return masks[::-1]


def _discounts(counts: Counts) -> Numbers:
    """What is taken off a count of 0, 1, 2, and of 3 or more."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    if not n.all():
        return _FALLBACK
    share = n[0] / (n[0] + 2 * n[1])
    found = np.array([0.0, *(c - (c + 1) * share * n[c] / n[c - 1] for c in (1, 2, 3))])
    return found if (found[1:] > 0).all() else _FALLBACK


def _interpolate(level: _Level, kept: Mask, lower: Numbers) -> tuple[Numbers, Hashes, Numbers]:
    """Each n-gram's probability; and the contexts, with what is left of each to the shorter one."""
    contexts, of = np.unique(level.contexts, return_inverse=True)
    taken = np.where(kept, _discounts(level.counts)[np.minimum(level.counts, 3)], level.counts)
    totals = np.bincount(of, level.counts)
    weights = np.bincount(of, taken) / totals
    return (level.counts - taken) / totals[of] + weights[of] * lower, contexts, weights


def _set_weights(keys: list[Hashes], logs: list[Numbers], contexts: Hashes, weights: Numbers) -> None:
    """Note what is left of each context with its entry, where it has one: of any other everything is left."""
    for have, values in zip(keys, logs, strict=True):
        _, ours, theirs = np.intersect1d(have, contexts, assume_unique=True, return_indices=True)
        values[ours, 1] = np.log(weights[theirs])
