from __future__ import annotations

from collections.abc import Callable
from itertools import islice, pairwise

import english_texts
import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import containment
from pipeline.dedup.config import NearConfig
from pipeline.dedup.containment import Alike, Shared, find
from pipeline.dedup.parts import in_memory
from pipeline.dedup.precedence import precedence
from pipeline.dedup.shingles import shingle_sets

from .planted import doc_ids, like, words

ALIKE = Alike(0.5, 0.8)
WORDS = 5


def found_by(texts: list[str], held_out: np.ndarray, alike: Alike = ALIKE, parts: int = 1) -> Shared:
    bounds = np.linspace(0, len(texts), parts + 1).astype(int)
    split = [in_memory(pa.array(texts[a:b]), NearConfig(), int(a)) for a, b in pairwise(bounds)]
    sizes = np.array([len(text.encode()) for text in texts], np.int64)
    order = precedence(doc_ids(len(texts)), np.zeros(len(texts), np.int64))
    known = containment.held_out(split, order[held_out[order]], WORDS)
    return find(split, sizes, ~held_out, known, WORDS, alike)


def brute_force(texts: list[str], held_out: np.ndarray) -> dict[int, dict[int, tuple[float, float]]]:
    """Of each training row, every held-out row that it shares too much with: the similarity and the containment."""
    sets = [set(row) for row in shingle_sets(pa.array(texts), WORDS).to_pylist()]
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for row in np.flatnonzero(~held_out).tolist():
        for other in np.flatnonzero(held_out).tolist():
            if shared := len(sets[row] & sets[other]):
                pair = shared / len(sets[row] | sets[other]), shared / min(len(sets[row]), len(sets[other]))
                if pair[0] >= ALIKE.similarity or pair[1] >= ALIKE.containment:
                    found.setdefault(row, {})[other] = pair
    return found


def planted(count: int) -> list[str]:
    """Documents that hold, are held by, or are like, others by all degrees; a third shares a template."""
    rng = np.random.default_rng(30)
    template = words(rng, 60)
    grown = [words(rng) for _ in range(20)]
    while len(grown) < count:
        other = grown[rng.integers(len(grown))][:400]
        start, share = int(rng.integers(len(other) + 1)), rng.uniform(0.6, 1.0)
        kind = rng.integers(5)
        if kind == 0:
            grown.append(words(rng, int(rng.integers(0, 30))) + other[start:] + words(rng, 80))
        elif kind == 1:
            grown.append(other[start : start + 40] + words(rng, int(rng.integers(0, 12))))
        elif kind == 2 and len(other) > 10:
            grown.append(like(other, share, rng))
        elif kind == 3:
            grown.append(template + words(rng, int(rng.integers(5, 90))))
        else:
            grown.append(words(rng, int(rng.integers(0, 9))))
    return [" ".join(document) for document in grown]


def documentation(count: int) -> list[str]:
    """Pieces of Python's documentation of three lengths, which hold each other."""
    texts = (text for text in english_texts.of_pydoc() if len(text) > 400)
    return list(islice((text[at : at + size] for text in texts for size in (6000, 1500, 400) for at in range(0, 12_000, size * 3)), count))


@pytest.mark.parametrize(("make", "count"), [(planted, 900), (documentation, 600)])
def test_nothing_that_shares_too_much_with_a_held_out_document_is_missed(make: Callable[[int], list[str]], count: int) -> None:
    texts = make(count)
    held_out = np.random.default_rng(31).random(len(texts)) < 0.15
    expected = brute_force(texts, held_out)
    found = found_by(texts, held_out)
    assert len(expected) > 50
    assert found.rows.tolist() == sorted(expected)
    for row, twin, similarity, contained in zip(*(column.tolist() for column in found), strict=True):
        assert expected[row][twin] == (similarity, contained)
        assert similarity == max(pair[0] for pair in expected[row].values())
    assert {(similarity >= 0.5, contained >= 0.8) for _, _, similarity, contained in zip(*found, strict=True)} >= {
        (False, True),
        (True, True),
    }


def test_any_parts_and_runs_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = planted(400)
    held_out = np.random.default_rng(32).random(400) < 0.2
    expected = found_by(texts, held_out)
    monkeypatch.setattr(containment, "_BYTES_AT_ONCE", 2000)
    for column, again in zip(expected, found_by(texts, held_out, parts=7), strict=True):
        assert column.tolist() == again.tolist()


def test_of_equal_twins_the_first_is_named_and_nothing_shares_with_nothing() -> None:
    rng = np.random.default_rng(33)
    one = " ".join(words(rng))
    found = found_by([one, one, one, "", "..."], np.array([True, True, False, True, False]))
    first = min(range(2), key=lambda row: doc_ids(5)[row].as_py().bytes)
    assert (found.rows.tolist(), found.twins.tolist(), found.containments.tolist()) == ([2], [first], [1.0])
    assert len(found_by([one, one], np.array([False, False])).rows) == 0
    assert len(found_by([one, one], np.array([True, True])).rows) == 0
    assert len(found_by(["", one], np.array([True, False])).rows) == 0


def numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


@pytest.mark.parametrize("alike", [ALIKE, Alike(0.9, 0.8)])
def test_a_bound_is_reached_exactly_by_what_is_held_and_by_what_holds(alike: Alike) -> None:
    long = numbered("w", 104)  # 100 shingles
    held, too_little = long[:84] + numbered("x", 20), long[:83] + numbered("x", 21)  # of their 100 shingles 80, and 79
    larger = [" ".join(long + numbered("y", 300)), " ".join(long[:84] + numbered("z", 400))]
    found = found_by([*larger, " ".join(held), " ".join(too_little)], np.array([True, True, False, False]), alike)
    assert (found.rows.tolist(), found.twins.tolist(), found.containments.tolist()) == ([2], [0], [0.8])
    # The 80 that it shares with the training document stand in a second one too, so that they are not its rarest.
    texts = [" ".join(long), " ".join(long[:84] + numbered("z", 400)), " ".join(long[:84] + numbered("y", 300))]
    found = found_by(texts, np.array([True, True, False]), alike)
    assert (found.rows.tolist(), found.twins.tolist(), found.containments.tolist()) == ([2], [0], [0.8])
