"""Documents → token shards: one row a document, in one global shuffled order, in files of bounded size.

The order is that of a seeded hash of `doc_id`: it depends on no order of rows or files. Sorting is external (runs on
disk, in `TMPDIR`), so that memory is one run or one file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline import schema, token_runs
from pipeline.each import Each, one_by_one
from pipeline.step import Strict, versions
from pipeline.store import Built, Store, Version
from pipeline.token_runs import Encoding, ordered, token_schema
from pipeline.tokenizer import SPLITS, Encoder, load
from pipeline.tokenizer.engines import DEFAULT, EngineName

VERSION = 2
USES = ("tokenizers",)

ROW_GROUP_DOCUMENTS = 4096
GROUPS = 64  # of files: each leaves a few runs, which are open at once when they are merged


class PackConfig(Strict):
    """How token shards are laid out."""

    part_tokens: int = Field(50_000_000, ge=1, le=2**30)  # in a file at most, unless one document has more
    seed: int = Field(0, ge=0, lt=2**64)  # of the shuffle
    engine: EngineName = DEFAULT  # what encodes: the same tokens at another speed, so it is no part of the fingerprint


def build(store: Store, name: str, corpus: str, tokenizer: str, config: PackConfig, each: Each = one_by_one) -> Built:
    """The token set of a corpus version, at `tokens/<name>/<fingerprint>`: `train/`, `validation/` and `test/`.

    Counts: `vocabulary`; `documents_`, `tokens_` and `bytes_` (UTF-8 bytes of text) of each split; and those of `token_runs.run`.
    `each` runs what is done file by file. `ValueError` where `corpus` or `tokenizer` is no finished version, or where no document
    is in `train`.
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
        "config": config.model_dump(mode="json", exclude={"engine"}),
    }

    def write(version: Version) -> dict[str, int]:
        encoder = load(store, tokenizer)
        files = [(number, f"{corpus}/{path}") for number, path in enumerate(documents.paths("documents"))]
        with TemporaryDirectory(prefix="corpusmill-pack-") as folder:
            tasks = [
                Encoding(store.root, tuple(files[first::GROUPS]), tokenizer, config.engine, config.seed, folder)
                for first in range(min(GROUPS, len(files)))
            ]
            encoded = Counter[str]()
            for done in each("encode", token_runs.run, tasks):
                encoded.update(done)
            counts = {"vocabulary": encoder.vocabulary, **encoded}
            for split in SPLITS:
                counts |= _write(version, split, sorted(Path(folder).glob(f"{split}-*.arrow")), encoder, config.part_tokens)
        if counts["documents_train"] == 0:
            raise ValueError(f"{store.uri(corpus)}: documents in the split 'train' were expected")
        version.write("README.md", _card(encoder, [split for split in SPLITS if counts[f"documents_{split}"]]).encode())
        return counts

    return store.build(f"tokens/{name}", spec, write)


def _write(version: Version, split: str, runs: list[Path], encoder: Encoder, part_tokens: int) -> dict[str, int]:
    """Merge a split's runs into its files, and count what they hold."""
    tables = [pa.ipc.open_file(pa.memory_map(str(run))).read_all() for run in runs]
    keys = [table["key"].to_numpy() for table in tables]
    lengths = [pc.list_value_length(table["tokens"]).to_numpy() for table in tables]
    starts = part_starts(np.concatenate(keys), np.concatenate(lengths), part_tokens) if tables else np.empty(0, np.uint64)
    bounds = [[*np.searchsorted(own, starts), len(own)] for own in keys]
    for part in range(len(starts)):
        slices = [table.slice(own[part], own[part + 1] - own[part]) for table, own in zip(tables, bounds, strict=True)]
        _part(version, f"{split}/part-{part:05}.parquet", ordered(pa.concat_tables(slices)), encoder)
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
    table = pa.table([ids, rows["source"], rows["bytes"], rows["tokens"]], schema=token_schema(encoder))
    with version.parquet(path, table.schema) as writer:
        for first in range(0, table.num_rows, ROW_GROUP_DOCUMENTS):
            writer.write(table.slice(first, ROW_GROUP_DOCUMENTS))


def _card(encoder: Encoder, splits: list[str]) -> str:
    """The card that tells Hugging Face `datasets` the splits and the columns: it cannot read a `doc_id`'s own type."""
    files = "\n".join(f"  - split: {split}\n    path: {split}/*.parquet" for split in splits)
    return f"""---
configs:
- config_name: default
  data_files:
{files}
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

Token shards: one row a document, shuffled; its first token begins every document. `datasets.load_dataset` opens this folder as it is.
"""
