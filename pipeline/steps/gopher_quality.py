"""Whether a text reads as English prose: its words, their length, symbols, bullets, ellipses and stop words.

Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher" (arXiv:2112.11446), section A.1.1.
Words are spaCy's English tokens, punctuation marks among them, and lines are `str.splitlines`'s, as in datatrove's filter.
A share of nothing is 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels import kernel
from pipeline.kernels.lines import BULLET, ELLIPSIS, lines
from pipeline.kernels.strings import Counts, Hashes, hashes
from pipeline.kernels.words import HAS_LETTER, HAS_NON_SYMBOL, Flags, Lengths, words
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("numba",)


class Config(StepConfig):
    stop_words: tuple[str, ...] = ("the", "be", "to", "of", "and", "that", "have", "with")  # at most 64


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


@kernel
def _count_words(row_offsets: Counts, hashes: Hashes, chars: Lengths, flags: Flags, stop_words: Hashes, out: Counts) -> None:
    for row in range(len(row_offsets) - 1):
        full, full_chars, lettered, stops = 0, 0, 0, np.uint64(0)
        for word in range(row_offsets[row], row_offsets[row + 1]):
            if flags[word] & HAS_NON_SYMBOL:
                full += 1
                full_chars += chars[word]
            lettered += flags[word] & HAS_LETTER
            for place in range(len(stop_words)):
                if hashes[word] == stop_words[place]:
                    stops |= np.uint64(1) << np.uint64(place)
        different = 0
        while stops:
            different += 1
            stops &= stops - np.uint64(1)
        out[0, row], out[1, row], out[2, row], out[3, row] = full, full_chars, lettered, different


@kernel
def _count_flags(row_offsets: Counts, flags: Flags, flag: np.uint8, out: Counts) -> None:
    for row in range(len(out)):
        count = 0
        for line in range(row_offsets[row], row_offsets[row + 1]):
            count += flags[line] & flag != 0
        out[row] = count


def _share(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> pa.Array:
    return pa.array(np.divide(part, whole, out=np.zeros(len(whole)), where=whole != 0))


def _line_share(table: tuple, flag: np.uint8) -> pa.Array: ...


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    text = batch["text"]
    found, table = words(text), lines(text)
    stop_words = hashes(pa.array(config.stop_words, pa.large_string()))
    full, full_chars, lettered, stops = counts = np.empty((4, len(text)), np.int64)
    _count_words(found.row_offsets, found.hashes, found.chars, found.flags, stop_words, counts)
    return StepResult()
