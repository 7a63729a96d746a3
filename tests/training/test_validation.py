"""The loss on held-out documents is one number, however many ranks measure it together."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SEQUENCES = 2

RANK = f"""
import json, sys
import numpy as np, torch
from torch import distributed
from training import learner, validation
from training.mapped import Tokens
from training.ranks import Ranks
from training.settings import ModelConfig, TrainConfig
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{{folder}}/meet", rank=rank, world_size=2)
draw = np.random.default_rng(0)
lengths = draw.integers(2, 70, 12)
bounds = np.concatenate([[0], lengths.cumsum()])
values = draw.integers(1, 64, bounds[-1]).astype(np.uint16)
values[bounds[:-1]] = 0
tokens = Tokens(values, bounds, np.frombuffer(draw.bytes(16 * 12), "V16"), 0)
shape = ModelConfig(layers=2, width=32, heads=4, kv_heads=2, feed_forward=64)
told = {{}}
for name, strategy, ranks in (("alone", "ddp", Ranks()), ("ddp", "ddp", Ranks(rank, 2)), ("fsdp", "fsdp", Ranks(rank, 2))):
    config = TrainConfig(sequence_tokens=32, precision="float32", strategy=strategy)
    learning = learner.start(shape, 64, config, "cpu", ranks)
    sizes, counted = [], []
    def look(_, given):
        sizes.append(len(given[0]))
        counted.append(int((given[2] >= 0).sum()))
    learning.objective.register_forward_pre_hook(look)
    loss = validation.measure(learning, tokens, 11, {SEQUENCES})()
    told[name] = [loss, sizes, counted]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What both of two ranks have measured, each alone and together."""
    folder = tmp_path_factory.mktemp("ranks")
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(folder)], stdout=subprocess.PIPE, text=True) for rank in (0, 1)]
    try:
        return [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_ranks_share_the_documents_and_are_told_what_one_is(told: list[dict[str, Any]], strategy: str) -> None:
    alone, sizes, counted = told[0]["alone"]
    (first, _, first_counted), (second, _, second_counted) = (rank[strategy] for rank in told)
    assert first == second
    assert first == pytest.approx(alone, rel=1e-9)
    assert set(sizes) == {SEQUENCES}
    assert len(counted) % 2  # the second rank lacks one at the end
    assert first_counted == counted[::2]
    assert second_counted == [*counted[1::2], 0]
