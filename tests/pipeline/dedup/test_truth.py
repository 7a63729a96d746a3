"""Near-duplicates beside brute force: the similarity of every pair, of sets of shingles that plain Python cuts.

`pytest -m verify -s` prints what was found, and what a peer drops where nothing should be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import english_texts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from flows.bench import peer
from flows.bench.texts import extracted
from pipeline.dedup.config import NearConfig
from pipeline.dedup.near import near_duplicates

from .planted import doc_ids, pairs, planted, words
from .test_words import plain_words

CONFIG = NearConfig()
PIECE_CHARS = 1500  # of what long texts are cut into
ROWS_AT_ONCE = 500
MOST_MISSED = 0.02  # of the pairs that are similar enough

Texts = Callable[[int], list[str]]
Similar = dict[tuple[int, int], float]


def shingles(text: str) -> set[str]:
    found = plain_words(text)
    width = min(len(found), CONFIG.shingle_words)
    return {" ".join(found[first : first + width]) for first in range(len(found) - width + 1)} if found else set()


def brute_force(texts: list[str]) -> Similar:
    """All pairs that are as similar as asked, by row, the smaller first."""
    numbers: dict[str, int] = {}
    columns, starts = [], [0]
    for text in texts:
        columns += [numbers.setdefault(shingle, len(numbers)) for shingle in shingles(text)]
        starts.append(len(columns))
    member, sizes = csr_array((np.ones(len(columns), np.int32), columns, starts)), np.diff(starts)
    transposed = member.T.tocsr()
    found: Similar = {}
    for first in range(0, len(texts), ROWS_AT_ONCE):
        shared = (member[first : first + ROWS_AT_ONCE] @ transposed).tocoo()
        one, other = shared.row + first, shared.col
        similarity = shared.data / (sizes[one] + sizes[other] - shared.data)
        chosen = (one < other) & (similarity >= CONFIG.similarity)
        found |= dict(zip(zip(one[chosen].tolist(), other[chosen].tolist(), strict=True), similarity[chosen].tolist(), strict=True))
    return found


def planted_texts(count: int) -> list[str]:
    return list(chain(*planted(count // 2, 0.5, 1.0, seed=20)))


def pieces(texts: Iterable[str]) -> Iterator[str]:
    return (text[start : start + PIECE_CHARS] for text in texts for start in range(0, len(text), PIECE_CHARS))


def documentation(count: int) -> list[str]:
    return list(islice(pieces(english_texts.of_pydoc()), count))


def pages(count: int) -> list[str]:
    """Pieces of pages of all languages, and of Python's documentation."""
    if peer.WARCS not in os.environ:
        pytest.skip(f"expected a folder of WARC files in ${peer.WARCS}")
    found = sorted(pieces(chain(extracted(peer.warcs()), english_texts.of_pydoc())))
    return np.random.default_rng(21).permutation(np.array(found, object))[:count].tolist()


@pytest.mark.parametrize(
    ("make", "count", "least_similar"),
    [
        (planted_texts, 2_000, 350),
        (documentation, 2_000, 50),
        pytest.param(planted_texts, 20_000, 3_500, marks=pytest.mark.verify),
        pytest.param(pages, 20_000, 1_000, marks=pytest.mark.verify),
    ],
)
def test_nothing_unlike_is_dropped_and_next_to_nothing_alike_is_kept(
    make: Callable[[int], list[str]], count: int, least_similar: int
) -> None:
    texts, ids = make(count), doc_ids(count)
    assert len(texts) == count
    found = near_duplicates(ids, pa.array(texts), np.zeros(count, np.int64), CONFIG)
    similar, twins = brute_force(texts), pairs(found, ids)
    assert {row: similar.get((min(row, twin), max(row, twin))) for row, (twin, _) in twins.items()} == {
        row: said for row, (_, said) in twins.items()
    }
    assert not {twin for twin, _ in twins.values()} & set(twins)
    left = [pair for pair in similar if not set(pair) & set(twins)]
    print(f"\n{make.__name__}: {count} documents, {len(similar)} similar pairs, {len(twins)} dropped, {len(left)} pairs left")
    assert len(similar) >= least_similar
    assert len(left) <= MOST_MISSED * len(similar)
    shuffled = np.random.default_rng(22).permutation(count)
    again = near_duplicates(ids.take(pa.array(shuffled)), pa.array([texts[row] for row in shuffled]), np.zeros(count, np.int64), CONFIG)
    assert again.equals(found)


@pytest.mark.verify
def test_a_peer_drops_documents_that_share_only_their_boilerplate_and_we_do_not(tmp_path: Path) -> None:
    count, rng = 2_000, np.random.default_rng(23)
    boilerplate = words(rng, 140)
    texts = [" ".join(boilerplate[:70] + words(rng, 60) + boilerplate[70:]) for _ in range(count)]
    assert len(near_duplicates(doc_ids(count), pa.array(texts), np.zeros(count, np.int64), CONFIG)) == 0
    if not peer.PYTHON.exists():
        pytest.skip("expected the peer in .venv-peers: `make bench` installs it")
    pq.write_table(pa.table({"id": [str(row) for row in range(count)], "text": texts}), tmp_path / "texts.parquet")
    kept = peer.numbers("datatrove_near.py", tmp_path / "texts.parquet", tmp_path)[-1]
    print(f"\nof {count} documents that share 70 % of their words datatrove drops {count - kept:.0f}")
    assert kept < count
