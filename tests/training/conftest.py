"""A corpus, a tokenizer, tokens and packing plans, small enough to train on in a test."""

from __future__ import annotations

import pydoc

import pyarrow as pa
import pytest
import torch
from training_world import SEQUENCE_TOKENS, SHORT, World

from pipeline import order, pack, tokenizer
from pipeline.schema import DOCUMENTS, doc_id, doc_ids
from pipeline.store import Store

MODULES = ("textwrap", "shlex", "bisect", "heapq", "fnmatch", "glob", "linecache", "string")
PAGE_CHARS = 900

torch.set_num_threads(1)


def pages() -> list[str]:
    texts = [pydoc.plain(pydoc.render_doc(module)) for module in MODULES]
    return [text[start : start + PAGE_CHARS] for text in texts for start in range(0, min(len(text), 6 * PAGE_CHARS), PAGE_CHARS)]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    store = Store(tmp_path_factory.mktemp("root"))
    texts = pages()
    splits = [("validation" if i % 5 == 1 else "test" if i % 5 == 3 else "train") for i in range(len(texts))]
    rows = sorted(zip((doc_id("pages", str(i).encode()) for i in range(len(texts))), splits, texts, strict=True))
    columns = [
        doc_ids([row[0] for row in rows]),
        pa.array([("even" if row[0][0] % 2 == 0 else "odd") for row in rows]),
        pa.nulls(len(rows), pa.string()),
        pa.array([row[1] for row in rows]),
        pa.array([row[2] for row in rows]),
    ]
    table = pa.table(columns, schema=DOCUMENTS)
    corpus = store.build(
        "corpora/pages", {}, lambda made: made.table("documents/part-00000.parquet", table) or {"documents": len(rows)}
    ).path
    trained = tokenizer.build(store, "pages", corpus, tokenizer.TokenizerConfig(vocabulary=300)).path
    tokens = pack.build(store, "pages", corpus, trained, pack.PackConfig()).path
    plan = order.OrderConfig(sequence_tokens=SEQUENCE_TOKENS, packing="concatenate")
    orders = tuple(order.build(store, tokens, plan, epoch).path for epoch in range(SHORT.epochs))
    return World(store, corpus, trained, tokens, orders)
