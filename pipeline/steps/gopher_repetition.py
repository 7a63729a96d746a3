"""How much of a text is said twice: its lines, its paragraphs and its word n-grams.

Rae et al. 2021 (arXiv:2112.11446), section A.1.1 and table A1. Characters are those of the whole text, white space
included; words are those of `gopher_quality`; what a repeat is at each length, `pipeline.kernels.repetition` says.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels.repetition import REPEATED, TOP, ngram_chars, repeated_lines, repeated_paragraphs
from pipeline.kernels.rows import share
from pipeline.kernels.words import words
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 2
USES = ("icu4py",)


class Config(StepConfig):
    pass


SIGNALS = {
    "duplicate_paragraph_ratio": (pa.float64(), "share of paragraphs, parted by blank lines, that have stood before"),
    "duplicate_paragraph_char_ratio": (pa.float64(), "their characters over the text's"),
    "duplicate_line_ratio": (pa.float64(), "share of lines, blank ones passed over, that have stood before"),
    "duplicate_line_char_ratio": (pa.float64(), "their characters over the text's"),
    **{f"top_{n}gram_char_ratio": (pa.float64(), f"characters of the most frequent {n} words in a row, over the text's") for n in TOP},
    **{
        f"duplicate_{n}gram_char_ratio": (pa.float64(), f"characters of {n} words in a row that have stood before, over the text's")
        for n in REPEATED
    },
}

BOUNDS = {
    "duplicate_paragraph_ratio": Bound(max=0.30),
    "duplicate_paragraph_char_ratio": Bound(max=0.20),
    "duplicate_line_ratio": Bound(max=0.30),
    "duplicate_line_char_ratio": Bound(max=0.20),
    "top_2gram_char_ratio": Bound(max=0.20),
    "top_3gram_char_ratio": Bound(max=0.18),
    "top_4gram_char_ratio": Bound(max=0.16),
    "duplicate_5gram_char_ratio": Bound(max=0.15),
    "duplicate_6gram_char_ratio": Bound(max=0.14),
    "duplicate_7gram_char_ratio": Bound(max=0.13),
    "duplicate_8gram_char_ratio": Bound(max=0.12),
    "duplicate_9gram_char_ratio": Bound(max=0.11),
    "duplicate_10gram_char_ratio": Bound(max=0.10),
}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    text = batch["text"]
    chars = pc.utf8_length(text).to_numpy()
    paragraphs, lines, ngrams = repeated_paragraphs(text), repeated_lines(text), ngram_chars(words(text))
    measured = {
        "duplicate_paragraph_ratio": share(paragraphs.repeated, paragraphs.parts),
        "duplicate_paragraph_char_ratio": share(paragraphs.repeated_chars, chars),
        "duplicate_line_ratio": share(lines.repeated, lines.parts),
        "duplicate_line_char_ratio": share(lines.repeated_chars, chars),
    }
    measured |= {f"top_{n}gram_char_ratio": share(ngrams.top[:, place], chars) for place, n in enumerate(TOP)}
    measured |= {f"duplicate_{n}gram_char_ratio": share(ngrams.repeated[:, place], chars) for place, n in enumerate(REPEATED)}
    return StepResult(signals={name: pa.array(values) for name, values in measured.items()})
