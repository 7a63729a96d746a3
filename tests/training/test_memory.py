from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from training_world import World

from training import memory
from training.memory import Need, available_bytes, expect_room, need
from training.settings import ModelConfig, TrainConfig
from training.train import train

SHAPE = {"layers": 4, "width": 256, "heads": 4, "kv_heads": 4, "feed_forward": 768}

# What a process has taken for two steps, beyond what it had before.
MEASURE = f"""
import numpy as np, torch
from training import learner
from training.data import Batch
from training.memory import peak_bytes
from training.settings import ModelConfig, TrainConfig
torch.set_num_threads(1)
before = peak_bytes("cpu")
config = TrainConfig(sequence_tokens=512, sequences_per_step=12)
learning = learner.start(ModelConfig.model_validate({SHAPE}), 4096, config, "cpu")
tokens = np.random.default_rng(0).integers(0, 4096, (12, 512))
batch = Batch(tokens, tokens, np.zeros_like(tokens), np.array([0]))
for _ in range(2):
    learner.take_step(learning, [batch], 1e-3)
print(peak_bytes("cpu") - before)
"""


def test_what_is_foretold_is_what_is_taken() -> None:
    config = TrainConfig(sequence_tokens=512, sequences_per_step=12)
    foretold = need(ModelConfig.model_validate(SHAPE), 4096, config).total(12)
    taken = int(subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout)
    assert 0.5 * foretold < taken < foretold


def test_what_does_not_fit_is_told_with_what_would() -> None:
    needed = Need(fixed=1_000, sequence=100)
    expect_room(needed, 10, 2_400)
    with pytest.raises(ValueError, match=r"^train.sequences_per_pass: about .* at most 9 were expected, not 10$"):
        expect_room(needed, 10, 2_399)
    with pytest.raises(ValueError, match=r"^model: .* not even one sequence fits"):
        expect_room(needed, 10, 1_200)


def test_a_model_too_large_is_refused_before_it_is_made(world: World) -> None:
    shape = ModelConfig.model_validate({**SHAPE, "width": 2**16, "heads": 64, "kv_heads": 64})
    assert available_bytes("cpu") < 10**12
    with pytest.raises(ValueError, match=r"^model: about "):
        train(world.train_job("large", model=shape))


def test_what_a_container_keeps_of_files_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"memory.max": "1000\n", "memory.current": "900\n", "memory.stat": "anon 400\nfile 500\ninactive_file 300\nactive_file 150\n"}
    for name, text in told.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "LIMIT", tmp_path / "memory.max")
    assert available_bytes("cpu") == 550
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes("cpu") > 1000
