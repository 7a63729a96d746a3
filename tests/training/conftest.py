"""A small world to train in: a corpus of the standard library's documentation, a tokenizer, tokens and packing plans."""

from __future__ import annotations

import pydoc
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import order, pack, tokenizer
from pipeline.schema import DOCUMENTS, doc_id, doc_ids
from pipeline.store import Store
from training.settings import EvaluateConfig, EvaluateJob, ModelConfig, TrainConfig, TrainJob

MODULES = ("textwrap", "shlex", "bisect", "heapq", "fnmatch", "glob", "linecache", "string")
PAGE_CHARS = 900
SEQUENCE_TOKENS = 48

TINY = ModelConfig(layers=2, width=32, heads=4, kv_heads=2, feed_forward=64)
SHORT = TrainConfig(
    sequence_tokens=SEQUENCE_TOKENS,
    sequences_per_step=6,
    epochs=2,
    steps=24,
    warmup_steps=4,
    checkpoint_every_steps=5,
    loss_chunk_tokens=100,
)


@dataclass(frozen=True)
class World:
    """Versions, as paths from the root."""

    store: Store
    corpus: str
    tokenizer: str
    tokens: str
    orders: tuple[str, ...]

    def train_job(self, name: str, model: ModelConfig = TINY, **changed: object) -> TrainJob:
        config = TrainConfig.model_validate({**SHORT.model_dump(), **changed})
        own = {"tokens": self.tokens, "orders": self.orders, "tokenizer": self.tokenizer}
        return TrainJob(root=self.store.root, name=name, model=model, train=config, threads=2, **own)

    def evaluate_job(self, name: str, run: str, **changed: object) -> EvaluateJob:
        config = EvaluateConfig.model_validate({"bootstrap_resamples": 50, "sample_tokens": 8, **changed})
        own = {"run": run, "tokens": self.tokens, "corpus": self.corpus}
        return EvaluateJob(root=self.store.root, name=name, evaluate=config, threads=2, **own)


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
    corpus = store.build("corpora/pages", {}, lambda made: made.table("documents/part-00000.parquet", table) or {"documents": len(rows)}).path
    trained = tokenizer.build(store, "pages", corpus, tokenizer.TokenizerConfig(vocabulary=300)).path
    tokens = pack.build(store, "pages", corpus, trained, pack.PackConfig()).path
    plan = order.OrderConfig(sequence_tokens=SEQUENCE_TOKENS, packing="concatenate")
    orders = tuple(order.build(store, tokens, plan, epoch).path for epoch in range(SHORT.epochs))
    return World(store, corpus, trained, tokens, orders)


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    return tmp_path / "job.json"
