from __future__ import annotations

import numpy as np
import pytest

from pipeline.dedup.prefixes import prefix_meetings
from pipeline.dedup.shingles import Sets


def template_sets(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Sets of 1 to 60 that share much of one template, and some that are another but for a few members."""
    template = rng.integers(0, 2**64, 40, np.uint64)
    sets = []
    for _ in range(count):
        if sets and rng.random() < 0.4:
            parent = sets[rng.integers(len(sets))]
            kept = parent[rng.random(len(parent)) < rng.choice([0.9, 1.0])]
            grown = np.concatenate([kept, rng.integers(0, 2**64, rng.integers(0, 4), np.uint64)])
        else:
            grown = np.concatenate([template[: rng.integers(0, 41)], rng.integers(0, 2**64, rng.integers(1, 20), np.uint64)])
        sets.append(np.unique(grown) if len(grown) else template[:1])
    return sets


def packed(sets: list[np.ndarray]) -> Sets:
    return Sets(np.concatenate([[0], np.cumsum([len(one) for one in sets])]), np.concatenate(sets))


def meeting_pairs(sets: list[np.ndarray], similarity: float) -> set[tuple[int, int]]:
    """(who asks, who is found there)"""
    everyone = np.ones(len(sets), np.bool_)
    met = prefix_meetings(np.arange(len(sets)), packed(sets), similarity, everyone)
    tenants: dict[int, list[tuple[int, int]]] = {}
    entries = list(zip(*(column.tolist() for column in met), strict=True))
    for row, bucket, _, enters, limit in entries:
        if enters:
            tenants.setdefault(bucket, []).append((row, limit))
    return {
        (row, other)
        for row, bucket, asks, _, limit in entries
        if asks
        for other, other_limit in tenants.get(bucket, [])
        if other != row and len(sets[other]) <= limit and len(sets[row]) <= other_limit
    }


@pytest.mark.parametrize("similarity", [0.05, 0.3, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_no_pair_as_similar_as_asked_is_lost_either_way(similarity: float) -> None:
    sets = template_sets(np.random.default_rng(1), 150)
    met = meeting_pairs(sets, similarity)
    alike = {
        (i, j)
        for i, one in enumerate(sets)
        for j, other in enumerate(sets)
        if i != j and (shared := len(np.intersect1d(one, other))) / (len(one) + len(other) - shared) >= similarity
    }
    assert len(alike) > 10
    assert alike <= met


def test_documents_of_one_template_do_not_meet() -> None:
    rng = np.random.default_rng(2)
    template = rng.integers(0, 2**64, 168, np.uint64)
    sets = [np.unique(np.concatenate([template, rng.integers(0, 2**64, 28, np.uint64)])) for _ in range(200)]  # 0.75 alike
    everyone = np.ones(200, np.bool_)
    assert len(prefix_meetings(np.arange(200), packed(sets), 0.8, everyone).rows) == 0
