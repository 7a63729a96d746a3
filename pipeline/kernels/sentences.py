"""The sentences of a text's lines, as spaCy's `Sentencizer` parts each line by itself.

A sentence begins with a line, and at the first word after an end of a sentence that is neither punctuation nor another end.
Ends are words of their own: no full stop of an abbreviation is one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.characters import PUNCTUATION, SENTENCE_END, Kinds, kinds
from pipeline.kernels.strings import Bytes, Counts, decode, strings
from pipeline.kernels.words import HAS_LETTER, Flags, Places, words


@kernel
def _is_punctuation(data: Bytes, start: int, end: int, kinds: Kinds) -> bool:
    i = start
    while i < end:
        point, width = decode(data, i)
        if not kinds[point] & PUNCTUATION:
            return False
        i += width
    return True


@kernel
def _ends_sentence(data: Bytes, start: int, end: int, kinds: Kinds) -> bool:
    point, width = decode(data, start)
    return width == end - start and kinds[point] & SENTENCE_END != 0


@kernel
def _has_break(data: Bytes, start: np.int64, end: np.int64) -> bool:
    for i in range(start, end):  # noqa: SIM110  # kernels have no generators
        if data[i] == 10:
            return True
    return False


@kernel
def _count(
    offsets: Counts, data: Bytes, kinds: Kinds, row_offsets: Counts, starts: Places, ends: Places, flags: Flags, out: Counts
) -> None:
    for row in range(len(out)):
        base, count, ended, before = offsets[row], 0, False, np.int64(-1)
        for word in range(row_offsets[row], row_offsets[row + 1]):
            start, end = base + np.int64(starts[word]), base + np.int64(ends[word])
            gap = start - before
            if before < 0 or (gap > 0 and _has_break(data, before, start)):
                count += 1
                ended = False
            elif ended and (gap > 1 or (gap == 1 and data[before] != 32)):
                # White space but for a single space is a word to spaCy.
                count += 1
                ended = False
            before = end
            if flags[word] & HAS_LETTER:
                count += ended
                ended = False
            elif _ends_sentence(data, start, end, kinds):
                ended = True
            elif ended and not _is_punctuation(data, start, end, kinds):
                count += 1
                ended = False
        out[row] = count


def sentences(array: pa.Array) -> Counts:
    """How many sentences each string has, its lines parted by "\\n"."""
    found, out = words(array), np.empty(len(array), np.int64)
    _count(*strings(array), kinds(), found.row_offsets, found.starts, found.ends, found.flags, out)
    return out
