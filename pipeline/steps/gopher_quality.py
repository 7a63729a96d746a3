"""Whether a text reads as English prose: its words, their length, symbols, bullets, ellipses and stop words.

Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher" (arXiv:2112.11446), section A.1.1.
Words are spaCy's English tokens, punctuation marks among them, or ICU's in scripts that put no spaces between words; lines are
`str.splitlines`'s. For English both are as in datatrove's filter.
A share of nothing is 0.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.kernels import kernel
from pipeline.kernels.eight import to_any
from pipeline.kernels.lines import BULLET, ELLIPSIS, lines
from pipeline.kernels.rows import count_distinct, count_flag, share
from pipeline.kernels.strings import Bytes, Counts, hashes, strings
from pipeline.kernels.words import HAS_LETTER, HAS_NON_SYMBOL, Flags, Lengths, words
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 2
USES = ("icu4py",)


class Config(StepConfig):
    stop_words: Annotated[tuple[str, ...], Field(strict=False)] = ("the", "be", "to", "of", "and", "that", "have", "with")  # at most 64


SIGNALS = {
    "words": (pa.int64(), "words with a character that is no punctuation"),
    "mean_word_chars": (pa.float64(), "mean characters of these words"),
    "hash_ratio": (pa.float64(), "hash signs in the text for each word, punctuation marks counted as words"),
    "ellipsis_ratio": (pa.float64(), "ellipses in the text for each word, punctuation marks counted as words"),
    "bullet_line_ratio": (pa.float64(), "share of lines that begin with a bullet or a hyphen"),
    "ellipsis_line_ratio": (pa.float64(), "share of lines that end in an ellipsis"),
    "alphabetic_ratio": (pa.float64(), "share of words, punctuation marks among them, with a letter"),
    "stop_words": (pa.int64(), "different stop words, in lower case, of `stop_words`"),
}

BOUNDS = {
    "words": Bound(min=50, max=100_000),
    "mean_word_chars": Bound(min=3, max=10),
    "hash_ratio": Bound(max=0.1),
    "ellipsis_ratio": Bound(max=0.1),
    "bullet_line_ratio": Bound(max=0.9),
    "ellipsis_line_ratio": Bound(max=0.3),
    "alphabetic_ratio": Bound(min=0.8),
    "stop_words": Bound(min=2),
}


_ELLIPSIS = tuple("…".encode())


@kernel
def _full_words(row_offsets: Counts, chars: Lengths, flags: Flags, counts: Counts, sums: Counts) -> None:
    for row in range(len(counts)):
        count, characters = 0, 0
        for word in range(row_offsets[row], row_offsets[row + 1]):
            if flags[word] & HAS_NON_SYMBOL:
                count += 1
                characters += chars[word]
        counts[row], sums[row] = count, characters


@kernel
def _signs(offsets: Counts, data: Bytes, hash_signs: Counts, ellipses: Counts) -> None:
    for row in range(len(hash_signs)):
        hash_count, ellipsis_count, end = 0, 0, offsets[row + 1]
        i = to_any(data, offsets[row], end, ord("#"), ord("."), _ELLIPSIS[0])
        while i < end:
            width = 1
            if data[i] == ord("#"):
                hash_count += 1
            elif i + 2 < end and (
                (data[i] == data[i + 1] == data[i + 2] == ord("."))
                or (data[i] == _ELLIPSIS[0] and data[i + 1] == _ELLIPSIS[1] and data[i + 2] == _ELLIPSIS[2])
            ):
                ellipsis_count += 1
                width = 3
            i = to_any(data, i + width, end, ord("#"), ord("."), _ELLIPSIS[0])
        hash_signs[row], ellipses[row] = hash_count, ellipsis_count


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    text = batch["text"]
    found, marked = words(text), lines(text)
    of_words, of_lines = found.row_offsets, marked.row_offsets
    every, every_line = np.diff(of_words), np.diff(of_lines)
    full, full_chars = np.empty_like(every), np.empty_like(every)
    _full_words(of_words, found.chars, found.flags, full, full_chars)
    hash_signs, ellipses = np.empty_like(every), np.empty_like(every)
    _signs(*strings(text), hash_signs, ellipses)
    stop_words = hashes(pa.array(config.stop_words, pa.large_string()))
    measured = {
        "words": full,
        "mean_word_chars": share(full_chars, full),
        "hash_ratio": share(hash_signs, every),
        "ellipsis_ratio": share(ellipses, every),
        "bullet_line_ratio": share(count_flag(of_lines, marked.flags, BULLET), every_line),
        "ellipsis_line_ratio": share(count_flag(of_lines, marked.flags, ELLIPSIS), every_line),
        "alphabetic_ratio": share(count_flag(of_words, found.flags, HAS_LETTER), every),
        "stop_words": count_distinct(of_words, found.hashes, stop_words),
    }
    return StepResult(signals={name: pa.array(values) for name, values in measured.items()})
