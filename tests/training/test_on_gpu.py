from __future__ import annotations

import numpy as np
import pytest
import torch

from training import learner
from training.data import Batch
from training.settings import ModelConfig, TrainConfig

SHAPE = ModelConfig(layers=2, width=128, heads=2, kv_heads=1, feed_forward=256)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_steps_follow_each_other_without_the_host_waiting(optimizer: str) -> None:
    config = TrainConfig.model_validate({"sequence_tokens": 128, "optimizer": optimizer})
    learning = learner.start(SHAPE, 320, config, "cuda")
    tokens = np.random.default_rng(0).integers(0, 300, (4, 129))
    batch = Batch(tokens[:, :-1], tokens[:, 1:], np.repeat(np.arange(8).reshape(4, 2), 64, axis=1), np.arange(8))
    learner.read(learning, learner.take_step(learning, [batch, batch], 1e-3), batch.present)
    torch.cuda.set_sync_debug_mode("error")
    try:
        underway = [learner.take_step(learning, [batch, batch], 1e-3) for _ in range(3)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [learner.read(learning, step, batch.present).outcome for step in underway] == ["taken"] * 3
