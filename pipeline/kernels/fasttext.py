"""What a fastText classifier says of texts: its best label and that label's probability.

As fastText's own `predict` (facebookresearch/fastText), but for whole batches and without an object a subword. A word is what
stands between white space; it counts with its own vector, where the dictionary has it, and with those of its subwords. Only
"</s>", at which fastText stops reading, is a word like any other here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels import kernel
from pipeline.kernels.fasttext_model import Model, Rows, Vectors
from pipeline.kernels.sets import slot_for
from pipeline.kernels.strings import Bytes, Counts, Hashes, hash_bytes, strings

Scores = npt.NDArray[np.float64]

_FNV_BASIS, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_EDGES = (np.uint8(ord("<")), np.uint8(ord(">")))  # stand before and behind a word in its subwords
_ALWAYS = 1e-5  # fastText adds it to each probability before it takes the logarithm


def best_labels(texts: pa.Array, model: Model) -> tuple[Counts, Scores]:
    """The number of each text's best label, and its probability (by fastText's arithmetic, a little above 1 at times)."""
    labels, scores = np.empty(len(texts), np.int64), np.empty(len(texts), np.float64)
    mean, chances = np.empty(model.vectors.shape[1], np.float32), np.empty(len(model.labels) + len(model.children), np.float64)
    _predict(
        *strings(texts), model.word_keys, model.word_rows, model.subword_rows, *model.subword_chars,
        model.vectors, model.children, model.outputs, mean, chances, labels, scores,
    )  # fmt: skip
    return labels, scores


@kernel
def _is_blank(byte: np.uint8) -> bool:
    return byte in (0, 9, 10, 11, 12, 13, 32)


@kernel
def _add(mean: Vectors, vectors: Vectors, row: np.int32) -> None:
    for i in range(len(mean)):
        mean[i] += vectors[row, i]


@kernel
def _hashed(state: np.uint32, byte: np.uint8) -> np.uint32:
    """FNV-1a over bytes that count as signed, as fastText has it."""
    signed = np.uint32(byte) | np.uint32(0xFFFFFF00) if byte & 0x80 else np.uint32(byte)
    return np.uint32((state ^ signed) * _FNV_PRIME)


@kernel
def _add_subwords(data: Bytes, start: int, end: int, rows: Rows, least: int, most: int, vectors: Vectors, mean: Vectors) -> int:
    """Add the vectors of the subwords of `data[start:end]`, its edges with it; how many there are."""
    added, buckets = 0, np.uint32(len(rows))
    for first in range(start - 1, end + 1):
        if start <= first < end and data[first] & 0xC0 == 0x80:
            continue
        state, chars, i = _FNV_BASIS, 0, first
        while i <= end and chars < most:
            byte = _EDGES[0] if i < start else _EDGES[1] if i == end else data[i]
            state = _hashed(state, byte)
            i += 1
            while start < i < end and data[i] & 0xC0 == 0x80:
                state = _hashed(state, data[i])
                i += 1
            chars += 1
            if chars >= least and not (chars == 1 and (first < start or first == end)):
                row = rows[state % buckets]
                if row >= 0:
                    _add(mean, vectors, row)
                    added += 1
    return added


@kernel
def _add_words(
    data: Bytes, start: int, end: int, keys: Hashes, word_rows: Rows, subword_rows: Rows, least: int, most: int,
    vectors: Vectors, mean: Vectors,
) -> int:  # fmt: skip
    added, i = 0, start
    while i < end:
        if _is_blank(data[i]):
            i += 1
            continue
        begin = i
        while i < end and not _is_blank(data[i]):
            i += 1
        row = word_rows[slot_for(keys, len(keys) - 1, hash_bytes(data, begin, i))]
        if row >= 0:
            _add(mean, vectors, row)
            added += 1
        added += _add_subwords(data, begin, i, subword_rows, least, most, vectors, mean)
    _add(mean, vectors, np.int32(0))  # the end of the line
    return added + 1


@kernel
def _predict(
    offsets: Counts, data: Bytes, keys: Hashes, word_rows: Rows, subword_rows: Rows, least: int, most: int,
    vectors: Vectors, children: Rows, outputs: Vectors, mean: Vectors, chances: Scores, labels: Counts, scores: Scores,
) -> None:  # fmt: skip
    leaves = len(chances) - len(children)
    for text in range(len(labels)):
        mean[:] = 0
        count = _add_words(data, offsets[text], offsets[text + 1], keys, word_rows, subword_rows, least, most, vectors, mean)
        chances[len(chances) - 1] = 1
        for node in range(len(children) - 1, -1, -1):
            dot = np.float32(0)
            for i in range(len(mean)):
                dot += outputs[node, i] * mean[i]
            right = 1 / (1 + np.exp(-np.float64(dot) / count))
            chances[children[node, 0]] = chances[leaves + node] * (1 - right + _ALWAYS)
            chances[children[node, 1]] = chances[leaves + node] * (right + _ALWAYS)
        best = 0
        for leaf in range(1, leaves):
            if chances[leaf] > chances[best]:
                best = leaf
        labels[text], scores[text] = best, chances[best]
