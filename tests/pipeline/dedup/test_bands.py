from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHashLSH

from pipeline.dedup.bands import NO_LIMIT, band_keys, group, join, layout, proposal_chance
from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import signature_matrix, signatures

from .planted import planted


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("weight", [0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("permutations", [64, 128])
def test_the_layout_is_the_one_that_datasketch_finds_best(similarity: float, weight: float, permutations: int) -> None:
    index = MinHashLSH(threshold=similarity, num_perm=permutations, weights=(1 - weight, weight))
    config = NearConfig(similarity=similarity, permutations=permutations, false_negative_weight=weight)
    assert layout(config) == (index.b, index.r)


def test_a_given_layout_is_taken_as_it_is() -> None:
    assert layout(NearConfig(bands=14, rows=8)) == (14, 8)


@pytest.mark.parametrize(("similarity", "shape"), [(0.8, (21, 6)), (0.5, (42, 3))])
def test_the_settings_propose_all_but_one_in_two_hundred_pairs_as_similar_as_asked(similarity: float, shape: tuple[int, int]) -> None:
    assert layout(NearConfig(similarity=similarity)) == shape
    assert proposal_chance(np.array([similarity]), *shape)[0] > 0.995


def test_pairs_meet_as_often_as_the_curve_says() -> None:
    originals, copies = planted(1500, 0.6, 0.6, seed=3)
    config = NearConfig(bands=20, rows=5)
    matrix = signature_matrix(signatures(pa.chunked_array([originals, copies]), config))
    everyone = np.ones(3000, np.bool_)
    keys = np.empty((20, 3000), np.uint64)
    band_keys(matrix, 5, keys)
    met = join(group(band, np.arange(3000), everyone, everyone, np.full(3000, NO_LIMIT)) for band in keys)
    together: dict[int, list[int]] = {}
    for row, bucket in zip(met.rows.tolist(), met.buckets.tolist(), strict=True):
        together.setdefault(bucket, []).append(row % 1500)
    share = len({rows[0] for rows in together.values() if len(rows) == 2 and rows[0] == rows[1]}) / 1500
    assert share == pytest.approx(proposal_chance(np.array([0.6]), 20, 5)[0], abs=0.04)


def test_a_bucket_counts_only_where_one_may_ask_and_another_may_be_found() -> None:
    keys = np.array([7, 7, 5, 5, 9, 9, 3], np.uint64)
    asks = np.array([True, False, True, True, False, False, True])
    met = group(keys, np.arange(10, 17), asks, ~asks, np.zeros(7, np.int64))
    assert sorted(zip(met.rows.tolist(), met.buckets.tolist(), met.asks.tolist(), met.enters.tolist(), strict=True)) == [
        (10, 0, True, False),
        (11, 0, False, True),
    ]


def test_joined_bands_share_no_bucket() -> None:
    everyone = np.ones(2, np.bool_)
    one = group(np.array([1, 1], np.uint64), np.array([0, 1]), everyone, everyone, np.zeros(2, np.int64))
    assert sorted(join([one, one]).buckets.tolist()) == [0, 0, 1, 1]
    assert len(join([]).rows) == 0
