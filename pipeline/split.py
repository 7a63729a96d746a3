"""Which documents are held out: a hash of `doc_id`, stable for ever as corpora grow."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from pipeline.dedup.precedence import halves
from pipeline.step import Strict

VERSION = 1
Share = Annotated[float, Field(ge=0, lt=1)]


class SplitConfig(Strict):
    """Shares of documents held out, and how alike a training document may be to one of them."""

    validation: Share = 0.01
    test: Share = 0.01
    max_similarity: Annotated[float, Field(gt=0, le=1)] = 0.5  # Jaccard similarity at which a training document is left out

    @model_validator(mode="after")
    def _something_left(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError("expected validation + test < 1, so that something is left to train on")
        return self


def assign(doc_ids: pa.ExtensionArray, config: SplitConfig) -> pa.Array:
    """`test`, `validation` or `train` for each document, by the first 64 bits of its id read as a fraction of 1."""
    share = halves(doc_ids)[0].astype(np.float64) / 2.0**64
    names = np.where(share < config.test, "test", np.where(share < config.test + config.validation, "validation", "train"))
    return pa.array(names, pa.string())
