"""Evaluation texts in a document: n-grams of words that it shares with the records of named benchmarks.

Brown et al. 2020, "Language Models are Few-Shot Learners" (arXiv:2005.14165), appendix C: a document that has any 13-gram of a
record is contaminated; shorter records count as a whole, down to 8 words; an n-gram of more than 10 texts is a common
phrase and proves nothing. There these texts are training documents, which one document cannot see; here they are records.
Words are compared without case and punctuation (`pipeline/dedup/words.py`). Chowdhery et al. 2022 (PaLM, arXiv:2204.02311) ask
for 70% of a record's n-grams instead: `keep.match = false` with `keep.record_share = { max = 0.7 }`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from pipeline.contamination.index import Index, index
from pipeline.contamination.overlap import overlap
from pipeline.kernels.rows import share
from pipeline.step import Bound, File, StepConfig, StepResult, matching

VERSION = 1
USES = ("icu4py",)

Name = Annotated[str, matching(r"[^\s:]+", "a name without spaces and colons")]


class Config(StepConfig):
    benchmarks: Annotated[Mapping[Name, File], Field(min_length=1)]  # JSON Lines, or plain text with a record a line
    text_keys: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = ("text",)  # of JSON Lines: each is a text of its own
    ngram_words: Annotated[int, Field(ge=1)] = 13
    shortest_words: Annotated[int, Field(ge=1)] = 8  # shorter texts of records are passed over
    most_records: Annotated[int, Field(ge=1)] = 10  # n-grams of more records prove nothing


SIGNALS = {
    "ngrams": (pa.int64(), "n-grams of the text that a record has"),
    "word_share": (pa.float64(), "share of the text's words in such n-grams"),
    "record_share": (pa.float64(), "share of a record's different n-grams that are in the text: the highest of any record"),
    "match": (pa.string(), "the record of that share, as benchmark:line; empty where there is none"),
}

BOUNDS = {"match": Bound.model_validate({"in": ("",)})}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails but a benchmark's file that is not as it should be (`ValueError`)."""
    known = index(dict(config.benchmarks), config.text_keys, config.ngram_words, config.shortest_words, config.most_records)
    found = overlap(batch["text"], known)
    record_share, match = np.zeros(len(found.words), np.float64), [""] * len(found.words)
    for row in np.flatnonzero(np.diff(found.hit_offsets)):
        record_share[row], match[row] = _closest(known, found.hits[found.hit_offsets[row] : found.hit_offsets[row + 1]])
    signals = {
        "ngrams": pa.array(np.diff(found.hit_offsets)),
        "word_share": pa.array(share(found.covered, found.words)),
        "record_share": pa.array(record_share),
        "match": pa.array(match, pa.string()),
    }
    return StepResult(signals=signals)


def _closest(known: Index, hits: npt.NDArray[np.int64]) -> tuple[float, str]:
    """The highest share of a record's n-grams, and that record; of several the one with the most n-grams, then the first."""
    hits = np.unique(hits)
    owners = np.concatenate([known.records[known.starts[hit] : known.starts[hit + 1]] for hit in hits])
    records, counts = np.unique(owners, return_counts=True)
    shares = counts / known.sizes[records]
    best = np.lexsort((records, -counts, -shares))[0]
    return float(shares[best]), known.names[records[best]]
