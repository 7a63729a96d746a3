from __future__ import annotations

import json
import os
import random
import subprocess
from itertools import islice
from pydoc_data import topics

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from xxhash import xxh3_64_intdigest

from flows.harness import PROGRAM
from pipeline import pack, schema, token_runs, tokenizer
from pipeline.pack import PackConfig
from pipeline.store import Store
from pipeline.tokenizer import SPLITS, TokenizerConfig, checked, encode, load
from pipeline.tokenizer.engines import Engine

TEXTS = [*(text[:2000] for text in islice(topics.topics.values(), 70)), "", "Grüße, 世界! 🙂", "x"]
SPLIT = ("train", "validation", "train", "train", "test", "train")
DOCUMENTS = [(schema.doc_id("pydoc", str(n).encode()), SPLIT[n % 6], text) for n, text in enumerate(TEXTS)]


def corpus(store: Store, documents: list[tuple[bytes, str, str]], parts: int = 1) -> str:
    """A corpus version whose fingerprint depends on its documents alone, not on their order or on how they are spread over files."""

    def write(version):
        for part in range(parts):
            ids, splits, texts = map(list, zip(*documents[part::parts], strict=True))
            columns = [schema.doc_ids(ids), ["pydoc"] * len(ids), [None] * len(ids), splits, texts]
            version.table(f"documents/part-{part:05}.parquet", pa.table(columns, schema=schema.DOCUMENTS))
        return {}

    return store.build("corpora/small", {"documents": sorted([schema.show(doc_id), split] for doc_id, split, _ in documents)}, write).path


def build(folder, documents=DOCUMENTS, parts=1, config=PackConfig(part_tokens=3000)):  # noqa: B008
    """A store, the path of its tokenizer, and a token set in it."""
    store = Store(folder)
    source = corpus(store, documents, parts)
    trained = tokenizer.build(store, "small", source, TokenizerConfig(vocabulary=500, sample_mb=1)).path
    return store, trained, pack.build(store, "small", source, trained, config)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("store"))


def checked_of(documents: list[tuple[bytes, str, str]]) -> int:
    """How many of the documents are drawn to be encoded twice."""
    return sum(xxh3_64_intdigest(doc_id, checked._SEED) % checked.CHECKED_IN == 0 for doc_id, _, _ in documents)


def rows(store, version, split) -> pa.Table:
    return pa.concat_tables(store.table(f"{version.path}/{path}") for path in version.manifest.paths(split))


def test_the_same_files_for_any_order_of_documents_and_any_size_of_run(built, tmp_path, monkeypatch):
    documents = DOCUMENTS.copy()
    random.Random(2).shuffle(documents)
    monkeypatch.setattr(token_runs, "RUN_TOKENS", 2000)
    monkeypatch.setattr(token_runs, "BATCH_DOCUMENTS", 3)
    monkeypatch.setattr(pack, "GROUPS", 3)
    _, _, version = build(tmp_path, documents, parts=4)
    assert version.path == built[2].path
    assert version.made
    assert version.manifest.files == built[2].manifest.files


def test_every_document_stands_once_in_its_split_with_its_tokens(built):
    store, trained, version = built
    encoder = load(store, trained)
    for split in SPLITS:
        table = rows(store, version, split)
        expected = {doc_id: text for doc_id, own, text in DOCUMENTS if own == split}
        ids = table["doc_id"].combine_chunks().storage.to_pylist()
        assert sorted(ids) == sorted(expected)
        texts = [expected[doc_id] for doc_id in ids]
        assert table["tokens"].to_pylist() == [tokens.tolist() for tokens in encode(encoder, texts)]
        assert table["bytes"].to_pylist() == [len(text.encode()) for text in texts]
        assert set(table["source"].to_pylist()) == {"pydoc"}


def test_counts_are_what_the_files_hold(built):
    store, trained, version = built
    expected = {"vocabulary": load(store, trained).vocabulary, "files_by_tiktoken": 1, "documents_checked": checked_of(DOCUMENTS)}
    for split in SPLITS:
        table = rows(store, version, split)
        expected[f"documents_{split}"] = table.num_rows
        expected[f"tokens_{split}"] = pc.sum(pc.list_value_length(table["tokens"])).as_py()
        expected[f"bytes_{split}"] = pc.sum(table["bytes"]).as_py()
    assert version.manifest.counts == expected


def test_files_are_plain_parquet_of_the_schema_and_bounded(built):
    store, _, version = built
    paths = version.manifest.paths("train")
    assert len(paths) > 3
    for path in paths:
        table = pq.read_table(store.path(f"{version.path}/{path}"))
        assert table.schema.equals(schema.tokens(pa.uint16()))
        assert table.num_rows == 1 or pc.sum(pc.list_value_length(table["tokens"])).as_py() <= 3000


def test_the_shuffle_is_seeded_and_no_order_of_the_documents(built, tmp_path):
    store, _, version = built
    ids = rows(store, version, "train")["doc_id"].to_pylist()
    assert ids not in (sorted(ids), [doc_id for doc_id, split, _ in DOCUMENTS if split == "train"])
    other, _, reseeded = build(tmp_path, config=PackConfig(part_tokens=3000, seed=1))
    assert rows(other, reseeded, "train")["doc_id"].to_pylist() != ids
    assert reseeded.path != version.path


def test_row_groups_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "ROW_GROUP_DOCUMENTS", 10)
    store, _, version = build(tmp_path, config=PackConfig())
    (path,) = version.manifest.paths("train")
    found = pq.ParquetFile(store.path(f"{version.path}/{path}")).metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [10, 10, 10, 10, 9]


def test_the_card_names_every_column(built):
    store, _, version = built
    card = store.read(f"{version.path}/README.md").decode()
    assert [line.split(": ")[1] for line in card.splitlines() if line.startswith("  - name: ")] == schema.tokens(pa.uint16()).names
    assert "    list: uint16\n" in card


@given(
    rows=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 40)), min_size=1, max_size=40, unique_by=lambda row: row[0]),
    part_tokens=st.integers(1, 100),
)
def test_parts_hold_all_rows_and_no_more_than_they_may(rows, part_tokens):
    keys, lengths = (np.array(column, dtype) for column, dtype in zip(zip(*rows, strict=True), (np.uint64, np.int64), strict=True))
    starts = pack.part_starts(keys, lengths, part_tokens)
    assert starts[0] == keys.min()
    assert (np.diff(starts.astype(object)) > 0).all()
    part = np.searchsorted(starts, keys, "right") - 1
    sizes = np.bincount(part, lengths, len(starts))
    members = np.bincount(part, minlength=len(starts))
    assert ((sizes <= part_tokens) | (members == 1)).all()
    for first in range(len(starts) - 1):
        opening = lengths[keys == starts[first + 1]][0]
        assert sizes[first] + opening > part_tokens


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"part_tokens": 0}, "part_tokens"), ({"part_tokens": 1.5}, "part_tokens"), ({"seed": -1}, "seed"), ({"parts": 2}, "parts")],
)
def test_bad_settings_are_refused_by_name(settings, key):
    with pytest.raises(ValidationError, match=key):
        PackConfig(**settings)


def test_missing_versions_and_documents_are_errors(built, tmp_path):
    store, trained, _ = built
    source = corpus(store, DOCUMENTS)
    with pytest.raises(ValueError, match="corpora/none: a finished corpus was expected"):
        pack.build(store, "small", "corpora/none", trained, PackConfig())
    with pytest.raises(ValueError, match="tokenizers/none: a finished tokenizer was expected"):
        pack.build(store, "small", source, "tokenizers/none", PackConfig())
    held_out = corpus(store, [(schema.doc_id("s", b"1"), "test", "text")])
    with pytest.raises(ValueError, match="documents in the split 'train' were expected"):
        pack.build(store, "small", held_out, trained, PackConfig())
    strange = corpus(store, [(schema.doc_id("s", b"1"), "dev", "text")])
    with pytest.raises(ValueError, match="a split of train, validation, test was expected, not 'dev'"):
        pack.build(store, "small", strange, trained, PackConfig())


@pytest.mark.parametrize("engine", ["tokenizers", "gigatoken"])
def test_the_same_version_by_any_engine(built, tmp_path, engine):
    _, _, version = build(tmp_path, config=PackConfig(part_tokens=3000, engine=engine))
    assert version.path == built[2].path
    assert version.made
    assert version.manifest.files == built[2].manifest.files
    assert version.manifest.counts[f"files_by_{engine}"] == 1


def backwards(what, /, work, tasks):
    """Tasks as an orchestrator might run them: the last one first."""
    return [work(task) for task in reversed(tasks)]


def test_the_same_version_by_any_number_of_workers(built, tmp_path):
    store = Store(tmp_path)
    source = corpus(store, DOCUMENTS[::-1], parts=7)
    trained = tokenizer.build(store, "small", source, TokenizerConfig(vocabulary=500, sample_mb=1)).path
    version = pack.build(store, "small", source, trained, PackConfig(part_tokens=3000), backwards)
    assert version.manifest.files == built[2].manifest.files
    assert version.manifest.counts["files_by_tiktoken"] == 7


def test_an_engine_that_gives_other_tokens_is_found_and_its_files_encoded_again(built, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(checked, "CHECKED_IN", 10)
    monkeypatch.setattr(token_runs, "RUN_TOKENS", 2000)
    monkeypatch.setattr(token_runs, "BATCH_DOCUMENTS", 3)

    def wrong(encoder, wanted):
        def encode(pieces):
            return [tokens[:-1] if "Sonderfall" in piece else tokens for piece, tokens in zip(pieces, encoder.pieces(pieces), strict=True)]

        return Engine(wanted, encode)

    marked = next(n for n, (doc_id, *_) in enumerate(DOCUMENTS) if xxh3_64_intdigest(doc_id, checked._SEED) % 10 == 0 and n > 30)
    documents = [(doc_id, split, "Sonderfall" if n == marked else text) for n, (doc_id, split, text) in enumerate(DOCUMENTS)]
    _, _, right = build(tmp_path / "right", documents, parts=3)
    token_runs._made.cache_clear()
    monkeypatch.setattr(token_runs, "engine", wrong)
    _, _, version = build(tmp_path / "wrong", documents, parts=3)
    token_runs._made.cache_clear()
    assert version.manifest.files == right.manifest.files
    counts = version.manifest.counts
    assert (counts["files_encoded_again"], counts["files_by_tokenizers"], counts["files_by_tiktoken"]) == (1, 1, 2)
    assert "tiktoken gave other tokens than tokenizers for document" in caplog.text


@pytest.mark.verify
@pytest.mark.skipif(not PROGRAM.exists(), reason=f"expected {PROGRAM.parent}, which has datasets: `make lm-eval` installs it")
def test_datasets_loads_the_folder_as_it_is(built, tmp_path):
    store, _, version = built
    program = """
import json, sys
from datasets import load_dataset
folder, cache = sys.argv[1:]
loaded = load_dataset(folder, cache_dir=cache)
found = {split: [rows.num_rows, rows[0]["tokens"], rows.features["tokens"].feature.dtype] for split, rows in loaded.items()}
print(json.dumps(found))
"""
    command = [PROGRAM.with_name("python"), "-c", program, store.path(version.path), str(tmp_path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    expected = {}
    for split in SPLITS:
        table = rows(store, version, split)
        expected[split] = [table.num_rows, table["tokens"][0].as_py(), "uint16"]
    assert json.loads(said.splitlines()[-1]) == expected
