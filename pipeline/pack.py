"""Documents → token shards: one row a document, in one global shuffled order, in files of bounded size.

The order is that of a seeded hash of `doc_id`: it depends on no order of rows or files. Sorting is external (runs on
disk, in `TMPDIR`), so that memory is one run or one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from xxhash import xxh3_64_intdigest

from pipeline import schema
from pipeline.step import Strict, versions
from pipeline.store import Built, Store, Version
from pipeline.tokenizer import SPLITS, Encoder, encode, load

VERSION = 1
USES = ("tokenizers",)

RUN_TOKENS = 2**25  # sorted in memory at once
BATCH_DOCUMENTS = 256  # read and encoded at once
ROW_GROUP_DOCUMENTS = 4096


class PackConfig(Strict):
    """How token shards are laid out."""

    part_tokens: int = Field(50_000_000, ge=1, le=2**30)  # in a file at most, unless one document has more
    seed: int = Field(0, ge=0, lt=2**64)  # of the shuffle


def build(store: Store, name: str, corpus: str, tokenizer: str, config: PackConfig) -> Built:
    """The token set of a corpus version, at `tokens/<name>/<fingerprint>`: `train/`, `validation/` and `test/`.

    Counts: `vocabulary`, and `documents_`, `tokens_` and `bytes_` (UTF-8 bytes of text) of each split. `ValueError` where
    `corpus` or `tokenizer` is no finished version, or where no document is in `train`.
    """
    documents, trained = store.manifest(corpus), store.manifest(tokenizer)
    if documents is None:
        raise ValueError(f"{store.uri(corpus)}: a finished corpus was expected here")
    if trained is None:
        raise ValueError(f"{store.uri(tokenizer)}: a finished tokenizer was expected here")
    spec = {
        "kind": "tokens",
        "version": VERSION,
        "uses": versions(USES),
        "corpus": documents.fingerprint,
        "tokenizer": trained.fingerprint,
        "config": config.model_dump(mode="json"),
    }

    def write(version: Version) -> dict[str, int]:
        encoder = load(store, tokenizer)
        counts = {"vocabulary": encoder.vocabulary}
        paths = [f"{corpus}/{path}" for path in documents.paths("documents")]
        with TemporaryDirectory(prefix="corpusmill-pack-") as folder:
            _spill(_encoded(store, paths, encoder, config.seed), Path(folder))
            for split in SPLITS:
                counts |= _write(version, split, sorted(Path(folder).glob(f"{split}-*.arrow")), encoder, config.part_tokens)
        if counts["documents_train"] == 0:
            raise ValueError(f"{store.uri(corpus)}: documents in the split 'train' were expected")
        version.write("README.md", _card(encoder).encode())
        return counts

    return store.build(f"tokens/{name}", spec, write)


def _tokens(encoder: Encoder) -> pa.Schema:
    return schema.tokens(pa.from_numpy_dtype(encoder.width))


def _encoded(store: Store, paths: Iterable[str], encoder: Encoder, seed: int) -> Iterator[pa.RecordBatch]:
    """The documents as token rows, with their `split`, and the `key` that they are shuffled by."""
    lists = _tokens(encoder).field("tokens").type
    for path in paths:
        for batch in store.batches(path, ["doc_id", "source", "split", "text"], rows=BATCH_DOCUMENTS):
            if unknown := set(batch["split"].to_pylist()) - set(SPLITS):
                raise ValueError(f"{store.uri(path)}: a split of {', '.join(SPLITS)} was expected, not {', '.join(map(repr, unknown))}")
            ids = batch["doc_id"].storage
            rows = encode(encoder, batch["text"].to_pylist())
            offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int32)
            yield pa.record_batch(
                {
                    "split": batch["split"],
                    "key": np.fromiter((xxh3_64_intdigest(doc_id, seed) for doc_id in ids.to_pylist()), np.uint64),
                    "doc_id": ids,
                    "source": batch["source"],
                    "bytes": pc.binary_length(batch["text"]).cast(pa.int64()),
                    "tokens": pa.ListArray.from_arrays(offsets, np.concatenate(rows), type=lists),
                }
            )


def _spill(batches: Iterable[pa.RecordBatch], folder: Path) -> None:
    """Write the rows as runs `<split>-<number>.arrow`, each sorted by key."""
    held: list[pa.RecordBatch] = []
    tokens, number = 0, 0
    for batch in batches:
        held.append(batch)
        tokens += len(batch["tokens"].values)
        if tokens >= RUN_TOKENS:
            _run(held, folder, number)
            held, tokens, number = [], 0, number + 1
    if held:
        _run(held, folder, number)


def _run(batches: list[pa.RecordBatch], folder: Path, number: int) -> None:
    rows = pa.Table.from_batches(batches)
    for split in SPLITS:
        own = rows.filter(pc.field("split") == split).drop_columns("split")
        if own.num_rows:
            own = _sorted(own)
            with pa.ipc.new_file(folder / f"{split}-{number:06}.arrow", own.schema) as writer:
                writer.write_table(own)


def _sorted(rows: pa.Table) -> pa.Table:
    """By key; `doc_id` orders the rows whose keys collide."""
    return rows.sort_by([("key", "ascending"), ("doc_id", "ascending")]).combine_chunks()


def _write(version: Version, split: str, runs: list[Path], encoder: Encoder, part_tokens: int) -> dict[str, int]:
    """Merge a split's runs into its files, and count what they hold."""
    tables = [pa.ipc.open_file(pa.memory_map(str(run))).read_all() for run in runs]
    keys = [table["key"].to_numpy() for table in tables]
    lengths = [pc.list_value_length(table["tokens"]).to_numpy() for table in tables]
    starts = part_starts(np.concatenate(keys), np.concatenate(lengths), part_tokens) if tables else np.empty(0, np.uint64)
    bounds = [[*np.searchsorted(own, starts), len(own)] for own in keys]
    for part in range(len(starts)):
        slices = [table.slice(own[part], own[part + 1] - own[part]) for table, own in zip(tables, bounds, strict=True)]
        _part(version, f"{split}/part-{part:05}.parquet", _sorted(pa.concat_tables(slices)), encoder)
    return {
        f"documents_{split}": sum(table.num_rows for table in tables),
        f"tokens_{split}": sum(int(own.sum()) for own in lengths),
        f"bytes_{split}": sum(pc.sum(table["bytes"]).as_py() for table in tables),
    }


def part_starts(keys: npt.NDArray[np.uint64], lengths: npt.NDArray[Any], part_tokens: int) -> npt.NDArray[np.uint64]:
    """The first key of each file: rows in key order go into a file as long as its tokens stay within `part_tokens`."""
    order = np.argsort(keys, kind="stable")
    ends = np.cumsum(lengths[order], dtype=np.int64)
    starts = [0]
    while True:
        before = ends[starts[-1] - 1] if starts[-1] else 0
        following = max(int(np.searchsorted(ends, before + part_tokens, "right")), starts[-1] + 1)
        if following >= len(ends):
            return keys[order[starts]]
        starts.append(following)


def _part(version: Version, path: str, rows: pa.Table, encoder: Encoder) -> None:
    ids = pa.chunked_array([pa.ExtensionArray.from_storage(schema.DOC_ID, chunk) for chunk in rows["doc_id"].chunks], schema.DOC_ID)
    table = pa.table([ids, rows["source"], rows["bytes"], rows["tokens"]], schema=_tokens(encoder))
    with version.parquet(path, table.schema) as writer:
        for first in range(0, table.num_rows, ROW_GROUP_DOCUMENTS):
            writer.write(table.slice(first, ROW_GROUP_DOCUMENTS))


def _card(encoder: Encoder) -> str:
    """The card that tells Hugging Face `datasets` the columns: it cannot read a `doc_id`'s own type."""
    return f"""---
dataset_info:
  features:
  - name: doc_id
    dtype: binary
  - name: source
    dtype: string
  - name: bytes
    dtype: int64
  - name: tokens
    list: {encoder.width}
---

Token shards: one row a document, shuffled. `datasets.load_dataset` opens this folder as it is.
"""
