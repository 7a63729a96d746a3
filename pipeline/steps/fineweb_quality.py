"""Shares of a text that mark it as prose or as clutter: lines with an end, short lines, repeated lines, line breaks.

Penedo et al. 2024, "The FineWeb Datasets: Decanting the Web for the Finest Text Data at Scale" (arXiv:2406.17557), section
3.6. Lines are parted by "\\n" and those without a character that is no white space are passed over, as in datatrove's filter;
white space at a line's edges is part of it. Words are those of `gopher_quality`. A share of nothing is 0.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import TERMINAL, Kinds, kinds
from pipeline.kernels.eight import to_line_feed
from pipeline.kernels.lines import strip_left
from pipeline.kernels.rows import share
from pipeline.kernels.sets import clear, set_room, slot_for
from pipeline.kernels.strings import Bytes, Counts, Hashes, count_byte, decode_before, hash_bytes, strings
from pipeline.kernels.words import words
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 2
USES = ("icu4py",)


class Config(StepConfig):
    short_line_chars: int = 30


SIGNALS = {
    "line_punct_ratio": (pa.float64(), "share of lines that end in a mark that ends a sentence in some script"),
    "short_line_ratio": (pa.float64(), "share of lines of at most `short_line_chars` characters"),
    "char_dup_ratio": (pa.float64(), "characters of lines that have stood before, over all but line breaks"),
    "list_ratio": (pa.float64(), "line breaks for each word, punctuation marks counted as words"),
}

BOUNDS = {
    "line_punct_ratio": Bound(min=0.12),
    "short_line_ratio": Bound(max=0.67),
    "char_dup_ratio": Bound(max=0.01),
    "list_ratio": Bound(max=0.3),
}


@kernel
def _count(
    offsets: Counts, data: Bytes, kinds: Kinds, breaks: Counts, short_chars: int, keys: Hashes,
    lines: Counts, ended: Counts, short: Counts, chars: Counts, repeated_chars: Counts,
) -> None:  # fmt: skip
    for row in range(len(breaks)):
        mask = clear(keys, breaks[row] + 1)
        lines[row], ended[row], short[row], chars[row], repeated_chars[row] = 0, 0, 0, 0, 0
        start, end = offsets[row], offsets[row + 1]
        while start < end:
            stop, of_line = to_line_feed(data, start, end)
            chars[row] += of_line
            if strip_left(data, start, stop, kinds) < stop:
                lines[row] += 1
                ended[row] += kinds[decode_before(data, stop)[0]] & TERMINAL != 0
                short[row] += of_line <= short_chars
                key = hash_bytes(data, start, stop) | np.uint64(1)
                slot = slot_for(keys, mask, key)
                if keys[slot]:
                    repeated_chars[row] += of_line
                keys[slot] = key
            start = stop + 1


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    text = batch["text"]
    breaks = count_byte(text, ord("\n"))
    keys = np.empty(set_room(int(breaks.max(initial=0)) + 1), np.uint64)
    lines, ended, short, chars, repeated_chars = np.empty((5, len(text)), np.int64)
    _count(*strings(text), kinds(), breaks, config.short_line_chars, keys, lines, ended, short, chars, repeated_chars)
    measured = {
        "line_punct_ratio": share(ended, lines),
        "short_line_ratio": share(short, lines),
        "char_dup_ratio": share(repeated_chars, chars),
        "list_ratio": share(breaks, np.diff(words(text).row_offsets)),
    }
    return StepResult(signals={name: pa.array(values) for name, values in measured.items()})
