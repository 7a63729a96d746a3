"""How surprising a text is to a language model of texts that a user calls good.

Wenzek et al. 2020, "CCNet: Extracting High Quality Monolingual Datasets from Web Crawl Data" (arXiv:1911.00359),
with thirds of the good texts' own perplexity where CCNet takes thirds of what it filters. The model is the user's own:
`corpusmill train-perplexity` makes it. What it is, `pipeline.models.perplexity` says.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline.models import perplexity
from pipeline.models.kept import model
from pipeline.step import Bound, File, StepConfig, StepResult

VERSION = 1
USES = ("icu4py",)

BUCKETS = ("head", "middle", "tail")


def _readable(path: str) -> str:
    model(perplexity.load, path)
    return path


class Config(StepConfig):
    model: Annotated[File, AfterValidator(_readable)]
    min_words: Annotated[int, Field(ge=1)] = 10  # with fewer a text is too short to tell; punctuation marks are words


SIGNALS = {
    "perplexity": (pa.float64(), "per word, punctuation marks counted as words; null where the text is too short"),
    "bits_per_byte": (pa.float64(), "bits for each UTF-8 byte of the words, white space not counted; null where the text is too short"),
    "bucket": (pa.string(), "head, middle or tail: the third of good texts whose perplexity this one's is like; null where too short"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    good = model(perplexity.load, config.model)
    found = perplexity.measure(good, batch["text"])
    short = found.words < config.min_words
    thirds = np.searchsorted([good.facts.head_max, good.facts.middle_max], found.perplexity, side="left")
    return StepResult(
        signals={
            "perplexity": pa.array(found.perplexity, mask=short),
            "bits_per_byte": pa.array(found.bits_per_byte, mask=short),
            "bucket": pa.array(BUCKETS).take(pa.array(thirds, mask=short)),
        }
    )
