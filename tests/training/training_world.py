"""What the tests of training work in."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.store import Store
from training.settings import EvaluateConfig, EvaluateJob, ModelConfig, TrainConfig, TrainJob

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
        return TrainJob(root=self.store.root, name=name, model=model, train=config, threads=1, **own)

    def evaluate_job(self, name: str, run: str, **changed: object) -> EvaluateJob:
        config = EvaluateConfig.model_validate({"bootstrap_resamples": 50, "sample_tokens": 8, **changed})
        own = {"run": run, "tokens": self.tokens, "corpus": self.corpus}
        return EvaluateJob(root=self.store.root, name=name, evaluate=config, threads=1, **own)
