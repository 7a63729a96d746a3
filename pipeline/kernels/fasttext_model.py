"""A fastText classifier read from its file, as arrays for `fasttext`.

Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (arXiv:1607.01759) and "FastText.zip: Compressing text
classification models" (arXiv:1612.03651). What is read here is one kind of file: a supervised model with subwords, hierarchical
softmax, a pruned dictionary and a quantized input, as the language model lid.176.ftz is. The format is that of fastText's own
source (facebookresearch/fastText), little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels.sets import set_room, slot_for
from pipeline.kernels.strings import Hashes, hashes

Rows = npt.NDArray[np.int32]
Vectors = npt.NDArray[np.float32]

LABEL = "__label__"

_MAGIC, _VERSION = 793712314, 12
_SUPERVISED, _HIERARCHICAL = 3, 1
_CENTROIDS = 256
_MANY = 10**15  # the count of a node that is not made yet


class Model(NamedTuple):
    """Row 0 of `vectors` is the end of a line, then come the other words, then the subwords that the pruning has left."""

    labels: tuple[str, ...]
    word_keys: Hashes  # a set of hashes, see `sets`
    word_rows: Rows  # by slot of `word_keys`
    subword_rows: Rows  # by a subword's hash modulo the length: its row, or -1
    subword_chars: tuple[int, int]  # least and most
    vectors: Vectors  # (rows, width)
    children: Rows  # (inner nodes, 2) of the tree of labels; below len(labels) is a label; the last node is the root
    outputs: Vectors  # (inner nodes, width)


class _Reader:
    """Takes values off the front of a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def array(self, kind: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def text(self) -> bytes:
        end = self.data.index(0, self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def read(path: Path) -> Model:
    """The model in a file; ValueError where the file is of another kind."""
    file = _Reader(path.read_bytes())
    magic, version = file.values("ii")
    _, _, _, _, _, word_grams, loss, kind, buckets, least, most, _, _ = file.values("12id")
    if (magic, version, word_grams, loss, kind) != (_MAGIC, _VERSION, 1, _HIERARCHICAL, _SUPERVISED):
        raise ValueError(f"{path}: expected a fastText classifier of version {_VERSION} with hierarchical softmax and single words")
    entries, words, _, _, left = file.values("iiiqq")
    if left <= 0:
        raise ValueError(f"{path}: expected a fastText model with a pruned dictionary")
    names, counts = [], []
    for _ in range(entries):
        names.append(file.text())
        counts.append(file.values("qb")[0])
    subword_rows = np.full(buckets, -1, np.int32)
    pruned = file.array("<i4", 2 * left).reshape(left, 2)
    subword_rows[pruned[:, 0]] = words + pruned[:, 1]
    vectors = _quantized(file, path)
    labels = tuple(name.decode().removeprefix(LABEL) for name in names[words:])
    return Model(
        labels,
        *_word_table([name.decode() for name in names[:words]]),
        subword_rows,
        (least, most),
        vectors,
        _tree(counts[words:]),
        _plain(file, path),
    )


def _quantized(file: _Reader, path: Path) -> Vectors:
    """The vectors, each put together from the centroids that its codes name."""
    if not all(file.values("?")):
        raise ValueError(f"{path}: expected a quantized fastText model")
    with_norms, rows, _, size = file.values("?qqi")
    codes = file.array(np.uint8, size).reshape(rows, -1)
    centroids = _centroids(file)
    parts = [centroids[part][codes[:, part]] for part in range(codes.shape[1])]
    vectors = np.concatenate(parts, axis=1)
    if with_norms:
        norm_codes = file.array(np.uint8, rows)
        vectors *= _centroids(file)[0][norm_codes]
    return vectors


def _centroids(file: _Reader) -> list[Vectors]:
    """For each part of a vector its centroids, (256, width of the part)."""
    width, parts, part_width, last_width = file.values("4i")
    flat, found = file.array("<f4", width * _CENTROIDS), []
    for part in range(parts):
        own = last_width if part == parts - 1 else part_width
        start = part * _CENTROIDS * part_width
        found.append(flat[start : start + _CENTROIDS * own].reshape(_CENTROIDS, own))
    return found


def _plain(file: _Reader, path: Path) -> Vectors:
    if any(file.values("?")):
        raise ValueError(f"{path}: expected a fastText model whose output is not quantized")
    rows, width = file.values("qq")
    return file.array("<f4", rows * width).reshape(rows, width)


def _word_table(words: list[str]) -> tuple[Hashes, Rows]:
    keys = np.zeros(set_room(len(words)), np.uint64)
    rows = np.full(len(keys), -1, np.int32)
    for row, key in enumerate(hashes(pa.array(words, pa.string()))):
        slot = slot_for(keys, len(keys) - 1, key)
        keys[slot], rows[slot] = key, row
    return keys, rows


def _tree(counts: list[int]) -> Rows:
    """Huffman's tree over labels, which stand by falling counts: each new node is made of the two rarest."""
    total = 2 * len(counts) - 1
    weights = [*counts, *[_MANY] * (total - len(counts))]
    leaf, node = len(counts) - 1, len(counts)
    children = []
    for made in range(len(counts), total):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        weights[made] = sum(weights[each] for each in pair)
        children.append(pair)
    return np.array(children, np.int32)
