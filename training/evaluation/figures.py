"""Figures over documents, all of them and part by part, with the spread that another draw of documents would have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from training.data import Array
from training.settings import EvaluateConfig, few

# A row for every figure. Where `split` is null it is over all of them, and where `breakdown` and `part` are, over all documents.
SCORES = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # model | unigram | five_gram | gzip | xz | gzip_concatenated | xz_…
        pa.field("split", pa.string()),
        pa.field("breakdown", pa.string()),  # source | language | length | quality | novelty
        pa.field("part", pa.string()),  # of the breakdown: which of its parts
        pa.field("metric", pa.string(), nullable=False),  # loss (nats a token) | perplexity | bits_per_byte | above_five_gram
        pa.field("value", pa.float64(), nullable=False),
        pa.field("error", pa.float64()),  # standard error, by the bootstrap over documents
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("windows", pa.string(), nullable=False),  # in which the model reads: disjoint | strided; of others: whole
        pa.field("few", pa.bool_(), nullable=False),  # too few documents or bytes to go by
    ]
)

NOVEL_SHARE = 0.1  # of a document's 13-grams in train: one with less is new to the model
LENGTH_EDGES = {1_000: "under 1 kB", 4_000: "1 to 4 kB", 16_000: "4 to 16 kB", 64_000: "16 to 64 kB"}
LONGEST = "64 kB and more"
DECILES = 10

_SUMMED = ("tokens", "bytes", "nats", "unigram_nats", "five_gram_nats", "gzip_bytes", "xz_bytes")


def breakdowns(documents: pa.Table) -> dict[str | None, Array]:
    """Of each breakdown that the documents have, the part of every document; None where it is in none."""
    size = documents["bytes"].to_numpy()
    lengths = np.array([*LENGTH_EDGES.values(), LONGEST], object)[np.searchsorted([*LENGTH_EDGES], size, "right")]
    shares = documents["train_share"].to_numpy().astype(np.float64)
    novelty = np.where(shares < NOVEL_SHARE, "novel", "known").astype(object)
    novelty[np.isnan(shares)] = None
    found = {None: np.full(len(size), "all", object), "source": _objects(documents, "source"), "length": lengths, "novelty": novelty}
    if documents["language"].null_count < len(size):
        found["language"] = _objects(documents, "language")
    if documents["quality"].null_count < len(size):
        found["quality"] = _deciles(documents["quality"].to_numpy().astype(np.float64))
    return found


def _objects(documents: pa.Table, name: str) -> Array:
    return np.array(documents[name].to_pylist(), object)


def _deciles(values: Array) -> Array:
    """The tenth that each value is in, lowest first; equal values are in the same one."""
    parts = np.full(len(values), None, object)
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    tenths = np.searchsorted(ordered, values[known], "left") * DECILES // len(ordered)
    parts[known] = [f"{tenth + 1} of {DECILES}" for tenth in tenths]
    return parts


def scores(documents: pa.Table, whole: Mapping[tuple[str | None, str | None], Mapping[str, int]], config: EvaluateConfig) -> pa.Table:
    """The rows of `SCORES`. `whole` are sizes that no document has by itself, in bytes, by split and source, and by name."""
    splits = _objects(documents, "split")
    rows = []
    for breakdown, parts in breakdowns(documents).items():
        for split in (None, *sorted(set(splits))):
            for part in sorted({part for part in parts if part is not None}):
                chosen = (parts == part) & ((splits == split) if split else True)
                if chosen.any():
                    own = documents.filter(pa.array(chosen))
                    added = whole.get((split, part if breakdown else None), {}) if breakdown in (None, "source") else {}
                    about = {"split": split, "breakdown": breakdown, "part": part if breakdown else None}
                    rows += [{**about, **row} for row in _of(own, added, config)]
    return pa.Table.from_pylist(rows, schema=SCORES)


def _of(documents: pa.Table, whole: Mapping[str, int], config: EvaluateConfig) -> Iterator[dict[str, Any]]:
    size = int(documents["bytes"].to_numpy().sum())
    about = {"documents": documents.num_rows, "bytes": size, "few": few(documents.num_rows, size)}
    for (name, metric), (value, error) in _figures(documents, config).items():
        windows = ("disjoint" if config.stride_tokens is None else "strided") if name == "model" else "whole"
        yield {**about, "name": name, "metric": metric, "value": value, "error": error, "windows": windows}
    for name, compressed in whole.items():
        yield {**about, "name": name, "metric": "bits_per_byte", "value": 8 * compressed / size, "windows": "whole"}


def _figures(documents: pa.Table, config: EvaluateConfig) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Each figure over some documents, with the spread of the same figure over documents drawn from them with replacement."""
    table = np.stack([documents[name].to_numpy().astype(np.float64) for name in _SUMMED], axis=1)
    count = len(table)
    random = np.random.Generator(np.random.PCG64(config.seed))
    draws = (np.bincount(random.integers(0, count, count), minlength=count) @ table for _ in range(config.bootstrap_resamples))
    tokens, size, nats, unigram, five_gram, gzip, xz = np.stack([table.sum(axis=0), *draws]).T
    figures = {
        ("model", "loss"): nats / tokens,
        ("model", "perplexity"): np.exp(nats / tokens),
        ("model", "bits_per_byte"): bits_per_byte(nats, size),
        ("model", "above_five_gram"): bits_per_byte(nats - five_gram, size),
        ("unigram", "bits_per_byte"): bits_per_byte(unigram, size),
        ("five_gram", "bits_per_byte"): bits_per_byte(five_gram, size),
        ("gzip", "bits_per_byte"): 8 * gzip / size,
        ("xz", "bits_per_byte"): 8 * xz / size,
    }
    spread = count > 1 and config.bootstrap_resamples > 1
    return {key: (float(values[0]), float(values[1:].std(ddof=1)) if spread else None) for key, values in figures.items()}


def bits_per_byte(nats: Array, size: Array) -> Array:
    """Nats over ln 2 times bytes."""
    return nats / (math.log(2) * size)
