"""The sample that a tokenizer is trained and judged on: drawn by a seeded hash of `doc_id`, by bytes, by weights."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_128_intdigest

from pipeline import shard_tables
from pipeline.store import Manifest, Store
from pipeline.tokenizer.config import TokenizerConfig

SPLITS = ("train", "validation", "test")
UNKNOWN = "und"  # the language of a document that no step has told (ISO 639-2)
Stratum = tuple[str, str]  # source and language, each empty where it carries no weight


class Document(NamedTuple):
    """A document of a sample."""

    doc_id: bytes
    source: str
    text: str
    language: str = UNKNOWN


class Draw:
    """The documents of smallest seeded hash that together fit into `limit` bytes, and at least one.

    They are the same ones whatever order the documents are offered in.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self._limit, self._seed = limit, seed
        self._held: list[tuple[int, int, Document]] = []  # a heap: minus the hash, bytes, the document
        self._bytes = 0
        self._ceiling = 2**128  # the smallest hash turned away: no larger one may come in after it

    def offer(self, document: Document) -> None:
        """Let a document take part."""
        key = xxh3_128_intdigest(document.doc_id, self._seed)
        if key >= self._ceiling:
            return
        size = len(document.text.encode())
        heapq.heappush(self._held, (-key, size, document))
        self._bytes += size
        while self._bytes > self._limit and len(self._held) > 1:
            largest, freed, _ = heapq.heappop(self._held)
            self._ceiling = -largest
            self._bytes -= freed

    def documents(self) -> list[Document]:
        """What was drawn, in `doc_id` order."""
        return sorted(document for _, _, document in self._held)


def draw(store: Store, corpus: str, manifest: Manifest, config: TokenizerConfig) -> dict[str, list[Document]]:
    """A sample of each split's documents, at most `sample_mb` each, in `doc_id` order; of `train` by the weights.

    `ValueError` where a source or language that has a weight has no document in `train`.
    """
    limit = config.sample_mb * 1_000_000
    held_out = {split: Draw(limit, config.seed) for split in SPLITS if split != "train"}
    shares = _shares(_sizes(store, corpus, manifest, config), config, limit)
    train = {stratum: Draw(share, config.seed) for stratum, share in shares.items()}
    for batch in documents(store, corpus, manifest, ["doc_id", "source", "split", "text"]):
        ids = batch["doc_id"].storage.to_pylist()
        columns = (batch[name].to_pylist() for name in ("split", "source", "text", "language"))
        for doc_id, split, source, text, language in zip(ids, *columns, strict=True):
            drawing = held_out.get(split) or train.get(_stratum(config, source, language))
            if drawing:
                drawing.offer(Document(doc_id, source, text, language))
    drawn = sorted(document for drawing in train.values() for document in drawing.documents())
    return {"train": drawn} | {split: drawing.documents() for split, drawing in held_out.items()}


def documents(store: Store, corpus: str, manifest: Manifest, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """A corpus's documents, few at a time, with the `language` that the step of that name has measured (else `und`).

    `ValueError` where one is in no known split.
    """
    shards = manifest.spec.get("shards", [])
    for path in manifest.paths("documents"):
        number = int(PurePosixPath(path).stem.rpartition("-")[2])
        languages = _languages(store, shards[number]) if number < len(shards) else None
        for batch in store.batches(f"{corpus}/{path}", columns, rows=64):
            if unknown := set(batch["split"].to_pylist()) - set(SPLITS):
                expected = ", ".join(SPLITS)
                raise ValueError(f"{store.uri(corpus)}/{path}: a split of {expected} was expected, not {', '.join(map(repr, unknown))}")
            known = pa.nulls(len(batch), pa.string())
            if languages is not None:
                known = languages["language_code"].take(pc.index_in(batch["doc_id"].storage, languages["doc_id"])).combine_chunks()
            yield batch.append_column("language", known.fill_null(UNKNOWN))


def _languages(store: Store, shard: str) -> pa.Table | None:
    """The languages of a shard's records; None where no step has told them."""
    if "language_code" not in shard_tables.columns(store, shard, "signals"):
        return None
    found = shard_tables.table(store, shard, "signals", ["doc_id", "language_code"])
    ids = pa.chunked_array([chunk.storage for chunk in found["doc_id"].chunks], pa.binary(16))
    return pa.table({"doc_id": ids, "language_code": found["language_code"]})


def _stratum(config: TokenizerConfig, source: str, language: str) -> Stratum:
    return source if config.sources else "", language if config.languages else ""


def _sizes(store: Store, corpus: str, manifest: Manifest, config: TokenizerConfig) -> dict[Stratum, int]:
    """Bytes of training text in each stratum. Without weights all is one stratum, which need not be measured."""
    if not config.sources and not config.languages:
        return {("", ""): 1}
    sizes: dict[Stratum, int] = defaultdict(int)
    for batch in documents(store, corpus, manifest, ["doc_id", "source", "split", "text"]):
        own = batch.filter(pc.equal(batch["split"], "train"))
        lengths = pc.binary_length(own["text"]).to_pylist()
        for source, language, length in zip(own["source"].to_pylist(), own["language"].to_pylist(), lengths, strict=True):
            sizes[_stratum(config, source, language)] += length
    for kind, weights, place in (("source", config.sources, 0), ("language", config.languages, 1)):
        if missing := sorted(set(weights) - {stratum[place] for stratum in sizes}):
            raise ValueError(f"{store.uri(corpus)}: documents of the {kind} {missing[0]!r} were expected in 'train': it has a weight")
    return sizes


def _shares(sizes: Mapping[Stratum, int], config: TokenizerConfig, limit: int) -> dict[Stratum, int]:
    """How many bytes each stratum may give."""
    weights = {
        stratum: (config.sources or {"": 1.0}).get(stratum[0], 0.0) * (config.languages or {"": 1.0}).get(stratum[1], 0.0)
        for stratum in sorted(sizes)
    }
    if not config.sources and not config.languages:
        return {("", ""): limit}
    return filled({stratum: weight for stratum, weight in weights.items() if weight}, sizes, limit)


def filled(weights: Mapping[Stratum, float], sizes: Mapping[Stratum, int], limit: int) -> dict[Stratum, int]:
    """Bytes of each stratum in proportion to its weight; what one lacks of its share goes to the others, by their weights."""
    given: dict[Stratum, int] = {}
    open_, left = dict(weights), limit
    while open_:
        total = sum(open_.values())
        short = [stratum for stratum, weight in open_.items() if sizes[stratum] <= left * weight / total]
        if not short:
            return given | {stratum: int(np.floor(left * weight / total)) for stratum, weight in open_.items()}
        for stratum in short:
            given[stratum] = sizes[stratum]
            del open_[stratum]
        left -= sum(sizes[stratum] for stratum in short)
    return given
