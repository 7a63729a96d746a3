"""The texts that a model is trained on: a bounded draw, the same one in whatever order they come, and what of it is held out.

A text is known by its content alone. So the same text is drawn once, and never stands in two parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_128_digest

from pipeline.tokenizer import Document, Draw

_SEED = 0


class Texts(NamedTuple):
    """Distinct texts in the order of their identities, which are the first 64 bits of their hashes."""

    ids: npt.NDArray[np.uint64]
    texts: pa.LargeStringArray

    def where(self, mask: npt.NDArray[np.bool_]) -> Texts:
        """Some of them."""
        return Texts(self.ids[mask], self.texts.filter(pa.array(mask)))

    @property
    def bytes(self) -> int:
        """Their bytes in UTF-8."""
        return int(pc.sum(pc.binary_length(self.texts)).as_py() or 0)


def draw(texts: Iterable[str], sample_mb: int) -> Texts:
    """The texts of smallest hash that together fit into `sample_mb` (10^6 bytes of UTF-8), and at least one if there is any."""
    drawn = Draw(sample_mb * 1_000_000, _SEED)
    for text in texts:
        drawn.offer(Document(xxh3_128_digest(text.encode()), "", text))
    distinct = {document.doc_id: document.text for document in drawn.documents()}
    ids = np.array([int.from_bytes(each[:8], "big") for each in distinct], np.uint64)
    return Texts(ids, pa.array(distinct.values(), pa.large_string()))


def parts(ids: npt.NDArray[np.uint64], shares: Sequence[float]) -> npt.NDArray[np.int64]:
    """The part of each text by its identity read as a fraction of 1: 0, 1 … for the shares, in their order, then one for the rest."""
    return np.searchsorted(np.cumsum(shares), ids / 2.0**64, side="right")
