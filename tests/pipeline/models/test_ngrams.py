"""The n-gram model against the definition in plain Python, and as a model of probabilities."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.models.estimate import estimate
from pipeline.models.ngrams import Entries, Ngrams, advance, begin, table

_SYMBOLS = range(1, 8)  # 7 never occurs
_BASE = 1 / len(_SYMBOLS)
_BEGIN = 0


def _sequences(count: int = 60) -> list[list[int]]:
    """Sequences in which what comes depends on what came."""
    chance, found = random.Random(3), []
    for _ in range(count):
        sequence = [chance.randint(1, 6)]
        for _ in range(chance.randint(0, 12)):
            sequence.append(chance.choice([sequence[-1] % 6 + 1, sequence[0], chance.randint(1, 6)]))
        found.append(sequence)
    return found


def _entries(sequences: Sequence[Sequence[int]], order: int, min_count: int) -> Entries:
    symbols = np.array([symbol for sequence in sequences for symbol in sequence], np.uint64)
    begins = np.array([place == 0 for sequence in sequences for place in range(len(sequence))])
    return estimate(symbols, begins, order, min_count, lambda places: np.full(len(places), _BASE))


def _probability(ngrams: Ngrams, context: Sequence[int], symbol: int) -> float:
    """Of a symbol behind others, at the beginning of a sequence."""
    keys, weights = np.empty_like(ngrams.start_keys), np.empty_like(ngrams.start_weights)
    begin(ngrams.start_keys, ngrams.start_weights, keys, weights)
    for each in context:
        advance(ngrams.keys, ngrams.logs, keys, weights, np.uint64(each))
    log, known = advance(ngrams.keys, ngrams.logs, keys, weights, np.uint64(symbol))
    return math.exp(log) * (1 if known else _BASE)


_CONTEXTS = [[], [1], [7], [3, 4], [4, 3], [7, 7], [6, 7, 1], [1, 2, 3, 4], [2, 2, 2]]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("min_count", [1, 2, 4])
def test_the_probabilities_behind_any_context_sum_to_1(order: int, min_count: int) -> None:
    ngrams = table(_entries(_sequences(), order, min_count), order)
    for context in _CONTEXTS:
        assert sum(_probability(ngrams, context, symbol) for symbol in _SYMBOLS) == pytest.approx(1, abs=1e-6)


def plain_python(sequences: list[list[int]], order: int, context: Sequence[int], symbol: int, fallen_back: list[bool]) -> float:
    """Interpolated modified Kneser-Ney smoothing, by the book."""
    grams = [Counter[tuple[int, ...]]() for _ in range(order + 1)]
    for sequence in sequences:
        padded = [_BEGIN] * (order - 1) + sequence
        grams[order].update(tuple(padded[i - order : i]) for i in range(order, len(padded) + 1))
    for k in range(order - 1, 0, -1):
        grams[k] = Counter(gram[1:] for gram in grams[k + 1])
    found = _BASE
    padded = [_BEGIN] * (order - 1) + list(context)
    for k in range(1, order + 1):
        history = tuple(padded[len(padded) - k + 1 :])
        n = [sum(count == c for count in grams[k].values()) for c in range(5)]
        taken = [0, *(c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[c + 1] / n[c] for c in (1, 2, 3))] if all(n[1:]) else [0, 0, 0, 0]
        if min(taken[1:]) <= 0:
            taken = [0, 0.5, 1, 1.5]
        fallen_back.append(taken[1] == 0.5)
        behind = {gram[-1]: count for gram, count in grams[k].items() if gram[:-1] == history}
        if total := sum(behind.values()):
            left = sum(taken[min(count, 3)] for count in behind.values())
            count = behind.get(symbol, 0)
            found = (count - taken[min(count, 3)]) / total + left / total * found
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_is_modified_kneser_ney(order: int) -> None:
    # Counts of counts that order 1 has need symbols seen behind one to four others.
    sequences = [*_sequences(), [8, 9], [8, 10], [9, 10], [11, 8], [12, 9], [13, 10], [9, 13], [10, 13], [12, 13], [11, 12]]
    if order == 1:
        sequences += [[14], [15], [15], [16], [16], [16], [17], [17], [17], [17]]
    ngrams, fallen_back = table(_entries(sequences, order, 1), order), list[bool]()
    for context in [*_CONTEXTS, [8], [8, 9]]:
        for symbol in (1, 4, 6, 7, 9, 10, 13):
            expected = plain_python(sequences, order, context, symbol, fallen_back)
            assert _probability(ngrams, context, symbol) == pytest.approx(expected, rel=1e-5)
    assert not all(fallen_back)


def test_where_the_counts_are_too_few_to_tell_it_is_still_a_model() -> None:
    ngrams = table(_entries([[1]], 3, 1), 3)
    assert sum(_probability(ngrams, [1], symbol) for symbol in _SYMBOLS) == pytest.approx(1)
    assert _probability(ngrams, [], 1) > _probability(ngrams, [], 2) > 0


def test_rare_ngrams_are_not_kept() -> None:
    one, two, four = (set(_entries(_sequences(), 3, min_count).keys.tolist()) for min_count in (1, 2, 4))
    assert four < two < one


def test_a_kept_ngram_has_its_context() -> None:
    # 2 stands behind 1 alone, so 1 2 counts once; 1 2 3 counts ten times.
    ngrams = table(_entries([*[[4, 1, 2, 3]] * 10, [2, 5], [6], [5]], 3, 2), 3)
    assert _probability(ngrams, [4, 1, 2], 3) > 0.8


def _broken(what: str) -> Entries:
    keys, logs = (each.copy() for each in _entries(_sequences(), 3, 1))
    match what:
        case "unsorted":
            keys[[3, 4]] = keys[[4, 3]]
        case "twice":
            keys[4] = keys[3]
        case "above 1":
            logs[5, 0] = 0.1
        case "no beginning":
            keys, logs = keys[keys != np.uint64(0x9E3779B97F4A7C15)], logs[keys != np.uint64(0x9E3779B97F4A7C15)]
        case "lopsided":
            logs = logs[:, :1]
        case "empty":
            keys, logs = keys[:0], logs[:0]
        case "one slot":
            same = np.arange(1, 6000, dtype=np.uint64) << np.uint64(40)
            keys = np.union1d(keys, same)
            logs = np.zeros((len(keys), 2), np.float32)
    return Entries(keys, logs)


@pytest.mark.parametrize("what", ["unsorted", "twice", "above 1", "no beginning", "lopsided", "empty", "one slot"])
def test_what_is_no_model_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"entr|logarithms|keys"):
        table(_broken(what), 3)
