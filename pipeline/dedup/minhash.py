"""MinHash signatures (Broder 1997), bit for bit those of datasketch 2's scheme "affine32".

An input value of the scheme is the low 32 bits of a shingle's hash. A text without words has the signature of the empty
set: the largest value throughout.
"""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasketch import LeanMinHash, MinHash
from numba import njit

from pipeline.dedup.config import NearConfig
from pipeline.dedup.shingles import base_power, hash_shingles, scratch_words
from pipeline.dedup.words import Bytes, Characters, Offsets, characters, text_buffers

SCHEME = "affine32"
NOTHING = np.uint32(0xFFFFFFFF)  # each value of the empty set's signature

Values = npt.NDArray[np.uint32]
_CERTAIN = 1e-9  # the chance, of a pair that is a duplicate, to be taken for one that cannot be


def signatures(texts: pa.Array | pa.ChunkedArray, config: NearConfig) -> pa.FixedSizeListArray:
    """The signature of each text: `config.permutations` values of uint32."""
    multipliers, summands = _permutations(config.permutations, config.seed)
    parts = [
        _signatures(content, starts, characters(), config.shingle_words, multipliers, summands) for content, starts in text_buffers(texts)
    ]
    values = np.concatenate(parts) if parts else np.empty(0, np.uint32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values), config.permutations)


def signature_matrix(signed: pa.FixedSizeListArray) -> Values:
    """Signatures as rows of a matrix, without a copy."""
    return signed.flatten().to_numpy().reshape(len(signed), signed.type.list_size)


def lean_minhash(values: Values, config: NearConfig) -> LeanMinHash:
    """One signature as datasketch's own object, to compare with others or to query its indexes."""
    return LeanMinHash(seed=config.seed, hashvalues=values, scheme=SCHEME)


@cache
def fewest_matches(similarity: float, permutations: int) -> int:
    """How many values of two signatures must agree for the pair not to be certainly below `similarity`.

    Of two sets that similar, the agreeing values are binomially distributed.
    """
    below, fewer = 0.0, 0
    while fewer <= permutations:
        below += comb(permutations, fewer) * similarity**fewer * (1 - similarity) ** (permutations - fewer)
        if below > _CERTAIN:
            break
        fewer += 1
    return fewer


@cache
def _permutations(count: int, seed: int) -> tuple[Values, Values]:
    multipliers, summands = MinHash(num_perm=count, seed=seed, scheme=SCHEME).permutations
    return np.ascontiguousarray(multipliers), np.ascontiguousarray(summands)


@njit(nogil=True, cache=True)
def _signatures(content: Bytes, starts: Offsets, table: Characters, shingle_words: int, multipliers: Values, summands: Values) -> Values:
    rows, permutations = starts.shape[0] - 1, multipliers.shape[0]
    signed = np.full(rows * permutations, NOTHING, np.uint32)
    room = scratch_words(starts)
    words, shingles, inputs = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint32)
    power = base_power(shingle_words)
    for row in range(rows):
        count = hash_shingles(content, starts[row], starts[row + 1], table, shingle_words, power, words, shingles)
        for i in range(count):
            inputs[i] = _premix(shingles[i])
        _lower(signed[row * permutations : (row + 1) * permutations], inputs, count, multipliers, summands)
    return signed


@njit(nogil=True, cache=True)
def _premix(shingle: np.uint64) -> np.uint32:
    """The finalizer of 32-bit MurmurHash3 over a shingle's low half: how the scheme spreads its inputs."""
    low = np.uint64(0xFFFFFFFF)
    value = shingle & low
    value ^= value >> np.uint64(16)
    value = (value * np.uint64(0x85EBCA6B)) & low
    value ^= value >> np.uint64(13)
    value = (value * np.uint64(0xC2B2AE35)) & low
    return np.uint32(value ^ (value >> np.uint64(16)))


@njit(nogil=True, cache=True)
def _lower(signature: Values, inputs: Values, count: int, multipliers: Values, summands: Values) -> None:
    """Lower each value of a signature to the least of its permutation over the inputs.

    Four inputs a round: so the signature is read and written a quarter as often, and the loop over permutations is
    one of vectors.
    """
    whole = count - count % 4
    for i in range(0, whole, 4):
        first, second, third, fourth = inputs[i], inputs[i + 1], inputs[i + 2], inputs[i + 3]
        for k in range(multipliers.shape[0]):
            a, b = multipliers[k], summands[k]
            low = min(np.uint32(a * first + b), np.uint32(a * second + b))
            high = min(np.uint32(a * third + b), np.uint32(a * fourth + b))
            signature[k] = min(signature[k], min(low, high))
    for i in range(whole, count):
        for k in range(multipliers.shape[0]):
            signature[k] = min(signature[k], np.uint32(multipliers[k] * inputs[i] + summands[k]))
