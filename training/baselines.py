"""What a model has to beat on the same text: token frequencies, and general compressors."""

from __future__ import annotations

import lzma
import math
import zlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from training.mapped import Tokens

Array = npt.NDArray[Any]
CHUNK_TOKENS = 2**24
GZIP_WINDOW_BITS = 31  # zlib's way to ask for gzip's format


class Compressor(Protocol):
    """What zlib and lzma have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be written of `data`, and of what came before it."""
        ...

    def flush(self) -> bytes:
        """What is left to write; nothing may follow."""
        ...


def unigram(train: Tokens, vocabulary: int) -> Array:
    """Nats of each token by its frequency in train, one added to every count (Laplace).

    The token that begins documents takes no part: its place holds nothing of meaning.
    """
    counts = np.ones(vocabulary, np.int64)
    for start in range(0, len(train.values), CHUNK_TOKENS):
        counts += np.bincount(train.values[start : start + CHUNK_TOKENS], minlength=vocabulary)
    counts[train.beginning] = 0
    return math.log(counts.sum()) - np.log(np.maximum(counts, 1))


def unigram_nats(nats: Array, held_out: Tokens) -> Array:
    """The nats of each document's text, its beginning not counted."""
    bounds = held_out.bounds
    return np.array([nats[held_out.values[bounds[i] + 1 : bounds[i + 1]]].sum() for i in range(len(bounds) - 1)])


def compressors() -> dict[str, Compressor]:
    """gzip at its best level, and xz at its usual one (6: a dictionary of 8 MiB)."""
    return {"gzip": zlib.compressobj(9, zlib.DEFLATED, GZIP_WINDOW_BITS), "xz": lzma.LZMACompressor(preset=6)}


def compressed(text: bytes) -> dict[str, int]:
    """The bytes of a document on its own, by each compressor."""
    return {name: len(made.compress(text)) + len(made.flush()) for name, made in compressors().items()}


class Concatenated:
    """The bytes of documents compressed as one stream, by each compressor."""

    def __init__(self) -> None:
        self._compressors = compressors()
        self._sizes = dict.fromkeys(self._compressors, 0)

    def add(self, text: bytes) -> None:
        """Put one more document at the end."""
        for name, made in self._compressors.items():
            self._sizes[name] += len(made.compress(text))

    def sizes(self) -> dict[str, int]:
        """The bytes of all of it; nothing may be added afterwards."""
        return {name: self._sizes[name] + len(made.flush()) for name, made in self._compressors.items()}
