"""What is kept of a shard for deduplication: signatures that datasketch reads, and digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import as_input, json_lines
from datasketch import LeanMinHash

from pipeline import schema, shard
from pipeline.dedup import signed
from pipeline.dedup.config import NearConfig
from pipeline.dedup.exact import text_digest
from pipeline.dedup.minhash import lean_minhash, signature_matrix, signatures
from pipeline.dedup.signed import Signing
from pipeline.recipe import Recipe
from pipeline.store import Store

CONFIG = NearConfig(permutations=64)
TEXTS = {"a": "the cat sat on the wall", "b": "", "c": "猫坐在墙上看着鸟儿飞过。"}
HEAD = '[[source]]\nname = "books"\nformat = "jsonl"\nfiles = ["books.jsonl"]\nid_key = "id"\n'


@pytest.fixture
def task(store: Store, load: Callable[..., Recipe], tmp_path: Path) -> Signing:
    (tmp_path / "books.jsonl").write_bytes(json_lines([{"id": key, "text": text} for key, text in TEXTS.items()]))
    recipe = load(HEAD)
    made = shard.process(store, shard.Shard(recipe.sources[0], (as_input(tmp_path / "books.jsonl"),), recipe.steps))
    return Signing(store.root, made.manifest.fingerprint, None, CONFIG)


def test_a_stored_signature_is_read_by_datasketch_as_the_docs_say(store: Store, task: Signing) -> None:
    (made,) = signed.sign([task])
    table = store.table(f"{made.path}/part-00000.parquet")
    shown = 'LeanMinHash(seed=1, hashvalues=np.frombuffer(stored, "<u4"), scheme="affine32")'
    assert f"\n{shown}\n" in (Path(__file__).parents[3] / "docs/deduplication.md").read_text("utf-8")
    expected = signature_matrix(signatures(pa.array(list(TEXTS.values())), CONFIG))
    for row, stored in enumerate(table["signature"].to_pylist()):
        read = LeanMinHash(seed=1, hashvalues=np.frombuffer(stored, "<u4"), scheme="affine32")
        assert read == lean_minhash(expected[row], CONFIG)
        assert read.jaccard(lean_minhash(expected[0], CONFIG)) == (1.0 if row == 0 else pytest.approx(0, abs=0.2))
    assert table["digest"].to_pylist() == [text_digest(text) for text in TEXTS.values()]
    assert table["text_bytes"].to_pylist() == [len(text.encode()) for text in TEXTS.values()]
    assert table["doc_id"].to_pylist() == schema.doc_ids([schema.doc_id("books", key.encode()) for key in TEXTS]).to_pylist()


def test_a_shard_is_signed_once_for_each_kind_of_shingles(task: Signing) -> None:
    (made,) = signed.sign([task])
    assert made.path == signed.place(task)
    looser = task._replace(config=CONFIG.model_copy(update={"similarity": 0.5}))
    assert [built.made for built in signed.sign([task, looser])] == [False, False]
    others = [{"shingle_words": 3}, {"permutations": 32}, {"seed": 2}]
    assert all(built.made for built in signed.sign([task._replace(config=CONFIG.model_copy(update=other)) for other in others]))


@pytest.mark.parametrize(("name", "unpack"), [("digest", signed.digests), ("signature", signed.matrix)])
def test_columns_are_read_back_as_numbers(store: Store, task: Signing, name: str, unpack: Callable[[Any], Any]) -> None:
    (made,) = signed.sign([task])
    column = signed.read(store, made.path, [name])[name]
    for part in (column, column.slice(1, 1), column.slice(0, 0)):
        assert [row.tobytes() for row in unpack(part)] == part.to_pylist()
