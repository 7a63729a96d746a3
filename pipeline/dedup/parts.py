"""The documents that are compared, some at a time: no more signatures and texts are in memory than one part has.

Rows are numbered through all parts, and on through the documents of earlier corpora, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple, Protocol, TypeVar

from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import Values, signature_matrix, signatures
from pipeline.dedup.precedence import Rows
from pipeline.dedup.words import Texts
from pipeline.kernels.strings import Hashes


class Part(NamedTuple):
    """Documents that are read together, such as a shard's; their rows begin at `first`."""

    first: int
    size: int
    signatures: Callable[[], Values]  # a row each
    texts: Callable[[Rows], Texts]  # of some of its rows, numbered from 0, ascending


class Earlier(Protocol):
    """The documents of a finished corpus: each may be a twin, and none is dropped any more."""

    @property
    def size(self) -> int:
        """How many there are."""

    def meeting(self, band: int, keys: Hashes) -> tuple[Hashes, Rows]:
        """What it has in the buckets of a band with these keys, ascending: the key and the row of each."""

    def texts(self, rows: Rows) -> Texts:
        """The texts of some of its rows, ascending."""


Corpus = TypeVar("Corpus", bound=Earlier)


def in_memory(texts: Texts, config: NearConfig, first: int = 0) -> Part:
    """A part of texts that are at hand."""
    return Part(first, len(texts), cache(lambda: signature_matrix(signatures(texts, config))), texts.take)


def numbered(earlier: Sequence[Corpus], first: int) -> Iterator[tuple[int, Corpus]]:
    """Earlier corpora, the oldest first, with the numbers at which their rows begin, the first of them at `first`."""
    for corpus in earlier:
        yield first, corpus
        first += corpus.size
