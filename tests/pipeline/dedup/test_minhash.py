from __future__ import annotations

from math import comb

import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import fewest_matches, lean_minhash, signature_matrix, signatures
from pipeline.dedup.shingles import shingle_sets

from .planted import planted
from .test_words import TEXT


def reference(shingles: list[int], config: NearConfig) -> MinHash:
    sketch = MinHash(num_perm=config.permutations, seed=config.seed, scheme="affine32", hashfunc=int)
    sketch.update_batch([shingle % 2**32 for shingle in shingles])
    return sketch


@given(st.lists(TEXT, min_size=1, max_size=4), st.integers(1, 6), st.sampled_from([1, 7, 64, 128]), st.integers(0, 2**32 - 1))
def test_signatures_are_bit_for_bit_those_of_datasketch(texts: list[str], shingle_words: int, permutations: int, seed: int) -> None:
    config = NearConfig(shingle_words=shingle_words, permutations=permutations, seed=seed)
    array = pa.array(texts, pa.string())
    matrix = signature_matrix(signatures(array, config))
    for values, shingles in zip(matrix, shingle_sets(array, shingle_words).to_pylist(), strict=True):
        assert np.array_equal(values, reference(shingles, config).hashvalues)


def test_long_texts_too() -> None:
    config = NearConfig()
    texts = pa.chunked_array([pa.array(part) for part in planted(20, 0.5, 1.0)])
    sets = shingle_sets(texts, config.shingle_words).to_pylist()
    expected = [reference(shingles, config).hashvalues for shingles in sets]
    assert np.array_equal(signature_matrix(signatures(texts, config)), expected)


def test_a_signature_loads_in_datasketch_and_queries_its_index() -> None:
    config = NearConfig()
    originals, copies = planted(10, 0.9, 1.0)
    ours = signature_matrix(signatures(pa.array(originals), config))
    index = MinHashLSH(threshold=0.7, num_perm=config.permutations)
    for row, values in enumerate(ours):
        index.insert(row, lean_minhash(values, config))
    for row, values in enumerate(signature_matrix(signatures(pa.array(copies), config))):
        assert index.query(lean_minhash(values, config)) == [row]
    stored = bytearray(lean_minhash(ours[0], config).bytesize())
    lean_minhash(ours[0], config).serialize(stored)
    assert LeanMinHash.deserialize(stored) == lean_minhash(ours[0], config)


@settings(max_examples=25)
@given(st.lists(TEXT, min_size=1, max_size=8), st.sampled_from([16, 128]), st.integers(0, 2**32 - 1))
def test_an_index_of_datasketchs_own_signatures_finds_a_text_by_ours(texts: list[str], permutations: int, seed: int) -> None:
    config = NearConfig(permutations=permutations, seed=seed)
    array = pa.array(texts, pa.string())
    index = MinHashLSH(threshold=0.5, num_perm=permutations)
    for row, shingles in enumerate(shingle_sets(array, config.shingle_words).to_pylist()):
        index.insert(row, LeanMinHash(reference(shingles, config)))
    for row, values in enumerate(signature_matrix(signatures(array, config))):
        assert row in index.query(lean_minhash(values, config))


def test_a_text_without_words_has_the_signature_of_the_empty_set() -> None:
    config = NearConfig(permutations=4)
    assert signatures(pa.array(["", "...", None]), config).to_pylist() == [[2**32 - 1] * 4] * 3


def test_a_slice_of_signatures_reads_as_such() -> None:
    config = NearConfig(permutations=4)
    signed = signatures(pa.array(["one", "two", "three"]), config)
    assert signature_matrix(signed.slice(1, 1)).tolist() == [signed[1].as_py()]


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("permutations", [1, 128, 1024])
def test_a_pair_as_similar_as_asked_is_all_but_never_taken_for_unlike(similarity: float, permutations: int) -> None:
    def chance_below(matches: int) -> float:
        return sum(
            comb(permutations, k) * similarity**k * (1 - similarity) ** (permutations - k)
            for k in range(matches)
        )  # fmt: skip

    fewest = fewest_matches(similarity, permutations)
    assert chance_below(fewest) <= 1e-12 < chance_below(fewest + 1)
