"""MinHash signatures (Broder 1997), bit for bit those of datasketch 2's scheme "affine32".

An input value of the scheme is the low 32 bits of a shingle's hash. A text without words has the signature of the empty
set: the largest value throughout.
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.dedup.config import NearConfig
from pipeline.dedup.shingles import base_power, hash_shingles
from pipeline.dedup.words import Characters, Texts, batches, characters, room
from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, Hashes

if TYPE_CHECKING:
    from datasketch import LeanMinHash

SCHEME = "affine32"
NOTHING = np.uint32(0xFFFFFFFF)  # each value of the empty set's signature

Values = npt.NDArray[np.uint32]
_CERTAIN = 1e-12  # the chance, of a pair that is a duplicate, to be taken for one that cannot be


def signatures(texts: Texts, config: NearConfig) -> pa.FixedSizeListArray:
    """The signature of each text: `config.permutations` values of uint32."""
    signed = np.full((len(texts), config.permutations), NOTHING, np.uint32)
    permutations, power = _permutations(config.permutations, config.seed), base_power(config.shingle_words)
    for first, (offsets, data) in batches(texts):
        words, shingles = np.empty(room(offsets), np.uint64), np.empty(room(offsets), np.uint64)
        rows = signed[first : first + len(offsets) - 1]
        _sign(offsets, data, characters(), config.shingle_words, power, words, shingles, *permutations, rows)
    return pa.FixedSizeListArray.from_arrays(pa.array(signed.reshape(-1)), config.permutations)


def signature_matrix(signed: pa.FixedSizeListArray) -> Values:
    """Signatures as rows of a matrix, without a copy."""
    return signed.flatten().to_numpy().reshape(len(signed), signed.type.list_size)


def lean_minhash(values: Values, config: NearConfig) -> LeanMinHash:
    """One signature as datasketch's own object, to compare with others or to query its indexes."""
    from datasketch import LeanMinHash  # noqa: PLC0415  # it brings scipy, which takes long to load

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
    from datasketch import MinHash  # noqa: PLC0415  # as above

    multipliers, summands = MinHash(num_perm=count, seed=seed, scheme=SCHEME).permutations
    return np.ascontiguousarray(multipliers), np.ascontiguousarray(summands)


@kernel
def _sign(
    offsets: Counts, data: Bytes, table: Characters, shingle_words: int, power: np.uint64, words: Hashes, shingles: Hashes,
    multipliers: Values, summands: Values, signed: Values,
) -> None:  # fmt: skip
    for row in range(len(signed)):
        count = hash_shingles(data, offsets[row], offsets[row + 1], table, shingle_words, power, words, shingles)
        for i in range(count):
            shingles[i] = _premixed(shingles[i])
        _lower(signed, row, shingles, count, multipliers, summands)


@kernel
def _premixed(shingle: np.uint64) -> np.uint64:
    """The finalizer of 32-bit MurmurHash3 over a shingle's low half: how the scheme spreads its inputs."""
    low = np.uint64(0xFFFFFFFF)
    value = shingle & low
    value ^= value >> np.uint64(16)
    value = (value * np.uint64(0x85EBCA6B)) & low
    value ^= value >> np.uint64(13)
    value = (value * np.uint64(0xC2B2AE35)) & low
    return value ^ (value >> np.uint64(16))


@kernel
def _lower(signed: Values, row: int, inputs: Hashes, count: int, multipliers: Values, summands: Values) -> None:
    """Lower each value of a row's signature to the least of its permutation over the inputs, each of 32 bits.

    Four inputs a round: so the signature is read and written a quarter as often, and the loop over permutations
    is one of vectors.
    """
    whole = count - count % 4
    for i in range(0, whole, 4):
        first, second, third, fourth = np.uint32(inputs[i]), np.uint32(inputs[i + 1]), np.uint32(inputs[i + 2]), np.uint32(inputs[i + 3])
        for k in range(len(multipliers)):
            a, b = multipliers[k], summands[k]
            least = min(np.uint32(a * first + b), np.uint32(a * second + b), np.uint32(a * third + b), np.uint32(a * fourth + b))
            signed[row, k] = min(signed[row, k], least)
    for i in range(whole, count):
        last = np.uint32(inputs[i])
        for k in range(len(multipliers)):
            signed[row, k] = min(signed[row, k], np.uint32(multipliers[k] * last + summands[k]))
