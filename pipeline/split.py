"""Which documents are held out: a hash of `doc_id`, or of the host, stable for ever as corpora grow."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator
from xxhash import xxh3_64_intdigest

from pipeline.dedup.precedence import halves
from pipeline.step import Strict

VERSION = 2
Share = Annotated[float, Field(ge=0, lt=1)]


class SplitConfig(Strict):
    """Shares of documents held out, and how alike a training document may be to one of them."""

    by: Literal["document", "host"] = "document"  # by host, a site's pages are all held out or none; a page without one goes by itself
    validation: Share = 0.01
    test: Share = 0.01
    max_similarity: Annotated[float, Field(gt=0, le=1)] = 0.5  # Jaccard similarity at which a training document is left out
    max_containment: Annotated[float, Field(gt=0, le=1)] = 0.8  # the same, of shared shingles over those of the smaller document

    @model_validator(mode="after")
    def _something_left(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError("expected validation + test < 1, so that something is left to train on")
        return self


def assign(doc_ids: pa.ExtensionArray, hosts: pa.Array | pa.ChunkedArray, config: SplitConfig) -> pa.Array:
    """`test`, `validation` or `train` for each document, by 64 bits of its id, or of its host's hash, read as a fraction of 1."""
    bits = halves(doc_ids)[0]
    if config.by == "host":
        named = pc.is_valid(hosts).to_numpy(zero_copy_only=False)
        bits[named] = _hashes(hosts.drop_null())
    share = bits.astype(np.float64) / 2.0**64
    names = np.where(share < config.test, "test", np.where(share < config.test + config.validation, "validation", "train"))
    return pa.array(names, pa.string())


def _hashes(hosts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    distinct = hosts.unique()
    hashes = np.fromiter(map(xxh3_64_intdigest, distinct.cast(pa.binary()).to_pylist()), np.uint64, len(distinct))
    return hashes[pc.index_in(hosts, distinct).to_numpy()]
