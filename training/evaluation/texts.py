"""What the texts tell: compressed sizes, prompts, and how much of a document stands in train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contamination.shared import Shared
from pipeline.schema import show
from pipeline.store import Store
from training.evaluation.compressors import Concatenated, Tail, compressed, primed
from training.settings import EvaluateConfig, version

NGRAM_WORDS = 13  # Brown et al. 2020, appendix C
BATCH_DOCUMENTS = 256

Group = tuple[str | None, str | None]  # split and source; None for all


class Told(NamedTuple):
    """By document, in the order of the ids that were asked for; by group; and what to let the model continue."""

    alone: dict[str, list[int]]  # by compressor
    train_shares: list[float | None]
    concatenated: dict[Group, dict[str, int]]
    primed: int  # bytes of xz, of all documents as one stream behind train
    prompts: list[tuple[bytes, str]]


def tell(store: Store, corpus: str, documents: pa.Table, config: EvaluateConfig) -> Told:
    """Read the corpus for documents with `doc_id`, `split` and `source`. `ValueError` where a text is not there.

    The held-out texts are in memory together, of all others a batch is.
    """
    ids = documents["doc_id"].combine_chunks().storage
    held_out = _held_out(store, corpus, ids)
    shared, tail = Shared(pa.array(held_out, pa.large_string()), NGRAM_WORDS), Tail()
    for batch in _texts(store, corpus):
        texts = batch.filter(pc.equal(batch["split"], "train"))["text"]
        shared.meet(texts)
        for text in texts.to_pylist():
            tail.add(text.encode())
    streams: dict[Group, Concatenated] = {}
    groups = zip(documents["split"].to_pylist(), documents["source"].to_pylist(), strict=True)
    sizes = []
    for (split, source), text in zip(groups, held_out, strict=True):
        raw = text.encode()
        sizes.append(compressed(raw))
        for group in ((split, source), (split, None), (None, source), (None, None)):
            streams.setdefault(group, Concatenated()).add(raw)
    return Told(
        {name: [size[name] for size in sizes] for name in sizes[0]},
        [None if np.isnan(share) else float(share) for share in shared.shares()],
        {group: stream.sizes() for group, stream in streams.items()},
        primed(tail.text(), "".join(held_out).encode()),
        _prompts(ids.to_pylist(), held_out, config),
    )


def _texts(store: Store, corpus: str) -> Iterator[pa.RecordBatch]:
    for part in version(store, corpus).paths("documents"):
        yield from store.batches(f"{corpus}/{part}", ["doc_id", "split", "text"], rows=BATCH_DOCUMENTS)


def _held_out(store: Store, corpus: str, ids: pa.Array) -> list[str]:
    found: dict[bytes, str] = {}
    for batch in _texts(store, corpus):
        rows = batch.filter(pc.is_in(batch["doc_id"].storage, value_set=ids))
        found.update(zip(rows["doc_id"].storage.to_pylist(), rows["text"].to_pylist(), strict=True))
    for doc_id in ids.to_pylist():
        if doc_id not in found:
            raise ValueError(f"{store.uri(corpus)}: the text of document {show(doc_id)} was expected")
    return [found[doc_id] for doc_id in ids.to_pylist()]


def _prompts(ids: list[Any], texts: list[str], config: EvaluateConfig) -> list[tuple[bytes, str]]:
    """The beginnings of some documents, drawn by seed, in the order of their ids."""
    ordered = sorted(zip(ids, texts, strict=True))
    drawn = np.random.Generator(np.random.PCG64(config.seed)).permutation(len(ids))[: config.samples]
    return [(ordered[index][0], ordered[index][1][: config.prompt_chars]) for index in sorted(drawn)]
