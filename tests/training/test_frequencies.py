"""The 5-gram model against the definition, written out naively."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from training_world import World

from training import mapped
from training.evaluation.frequencies import ORDER, five_gram, five_gram_nats

VOCABULARY = 12
BEGIN = -1
Gram = tuple[int, ...]


def tokens(documents: list[list[int]]) -> mapped.Tokens:
    """Documents as a split holds them: token 0 begins each."""
    values = np.array([value for document in documents for value in (0, *document)], np.uint16)
    bounds = np.cumsum([0, *(1 + len(document) for document in documents)])
    return mapped.Tokens(values, bounds, np.zeros(len(documents), "V16"), 0)


def drawn(count: int, seed: int) -> list[list[int]]:
    """Documents in which some tokens are far more frequent, and what comes before tells what follows."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        document = [int(random.integers(1, VOCABULARY))]
        for _ in range(int(random.integers(0, 40))):
            likely = document[-1] * 5 % (VOCABULARY - 1) + 1
            document.append(likely if random.random() < 0.5 else int(1 + random.geometric(0.3) % (VOCABULARY - 1)))
        made.append(document)
    return made


class Naive:
    """Interpolated modified Kneser-Ney by its definition: Chen and Goodman 1999, section 3."""

    def __init__(self, documents: list[list[int]]) -> None:
        padded = [[*[BEGIN] * (ORDER - 1), *document] for document in documents]
        highest = Counter(tuple(row[i - ORDER + 1 : i + 1]) for row in padded for i in range(ORDER - 1, len(row)))
        self.counts: dict[int, Counter[Gram]] = {ORDER: highest}
        for k in range(ORDER - 1, 0, -1):
            self.counts[k] = Counter(gram[1:] for gram in self.counts[k + 1])
        self.discounts = {k: self._discounts(counts) for k, counts in self.counts.items()}
        self.continuations = {k: self._behind(counts) for k, counts in self.counts.items()}

    @staticmethod
    def _discounts(counts: Counter[Gram]) -> list[float]:
        n1, n2, n3, n4 = (sum(count == c for count in counts.values()) for c in (1, 2, 3, 4))
        if not (n1 and n2 and n3 and n4):
            return [0, 0.5, 1, 1.5]
        y = n1 / (n1 + 2 * n2)
        found = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        return found if min(found[1:]) > 0 else [0, 0.5, 1, 1.5]

    @staticmethod
    def _behind(counts: Counter[Gram]) -> dict[Gram, dict[int, int]]:
        found: dict[Gram, dict[int, int]] = defaultdict(dict)
        for gram, count in counts.items():
            found[gram[:-1]][gram[-1]] = count
        return found

    def probability(self, context: Gram, token: int) -> float:
        k = len(context) + 1
        lower = self.probability(context[1:], token) if context else 1 / (VOCABULARY - 1)
        behind = self.continuations[k].get(context)
        if not behind:
            return lower
        discount = self.discounts[k]
        total = sum(behind.values())
        count = behind.get(token, 0)
        left = sum(discount[min(each, 3)] for each in behind.values()) / total
        return max(0.0, count - discount[min(count, 3)]) / total + left * lower

    def nats(self, document: list[int]) -> float:
        row = [*[BEGIN] * (ORDER - 1), *document]
        return -sum(math.log(self.probability(tuple(row[i - ORDER + 1 : i]), row[i])) for i in range(ORDER - 1, len(row)))


def test_it_is_modified_kneser_ney_by_definition() -> None:
    train, held_out = drawn(60, 1), drawn(20, 2)
    model, told = five_gram(tokens(train), VOCABULARY, 10**6)
    found = five_gram_nats(model, tokens(held_out), VOCABULARY)
    naive = Naive(train)
    assert told == sum(map(len, train))
    assert found == pytest.approx([naive.nats(document) for document in held_out], rel=1e-5)


def test_the_probabilities_of_all_continuations_sum_to_one() -> None:
    train = drawn(60, 1)
    model, _ = five_gram(tokens(train), VOCABULARY, 10**6)
    for context in ([], train[0][:1], train[3][:9], [11, 1, 11, 2, 11]):
        every = [[*context, token] for token in range(1, VOCABULARY)]
        nats = five_gram_nats(model, tokens(every), VOCABULARY)
        before = five_gram_nats(model, tokens([context]), VOCABULARY)[0]
        assert np.exp(before - nats).sum() == pytest.approx(1, abs=1e-5)


def test_it_is_told_whole_documents_up_to_a_bound() -> None:
    train = drawn(60, 1)
    bounds = tokens(train).bounds
    expected = five_gram_nats(five_gram(tokens(train[:7]), VOCABULARY, 10**6)[0], tokens(train), VOCABULARY)
    for limit in (int(bounds[7]), int(bounds[8]) - 1):
        model, told = five_gram(tokens(train), VOCABULARY, limit)
        assert told == sum(map(len, train[:7]))
        assert (five_gram_nats(model, tokens(train), VOCABULARY) == expected).all()


def test_more_context_predicts_real_text_better(world: World) -> None:
    splits = [mapped.open_tokens(world.store, world.tokens, split, world.store.folder("cache")) for split in ("train", "test")]
    vocabulary = 300
    little, much = (five_gram_nats(five_gram(splits[0], vocabulary, limit)[0], splits[1], vocabulary).sum() for limit in (500, 10**6))
    assert much < little < len(splits[1].values) * math.log(vocabulary)
