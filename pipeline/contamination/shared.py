"""How much of some texts stands in others, which go by in batches: the share of their n-grams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.contamination.index import of_texts
from pipeline.contamination.overlap import overlap


class Shared:
    """The n-grams of some texts, of words as in `pipeline.dedup.words`, each marked once another text has it.

    Memory is that of the texts' n-grams, 16 to 40 bytes a word, however much goes by.
    """

    def __init__(self, texts: pa.Array, ngram_words: int) -> None:
        self._index = of_texts(texts, ngram_words)
        self._met = np.zeros(len(self._index.grams), np.bool_)

    def meet(self, texts: pa.Array) -> None:
        """Some of the others."""
        self._met[overlap(texts, self._index).hits] = True

    def shares(self) -> npt.NDArray[np.float64]:
        """Of each text, the share of its different n-grams that others have; not a number where it has none."""
        owners, sizes = self._index.records, self._index.sizes
        met = np.bincount(owners, np.repeat(self._met, np.diff(self._index.starts)), len(sizes))
        return np.divide(met, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
