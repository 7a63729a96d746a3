"""The speed of training steps on random tokens: `python -m training.timing ASKED.json`, for benches.

A dialogue, so that timings of several processes can take turns: `ready` once the first steps are done, then for every line on standard
input a round of steps, told as CPU seconds, wall seconds and steps. A first line tells operations a token, and operations a second that
matrix products reach on this device and that its maker promises, 0 where not known. A step is timed as training takes it, with the losses
of its documents; left out are the reading of tokens, which are in memory here, and the writing of records.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from pipeline.step import Strict
from training import learner
from training.data import Batch
from training.export import configuration
from training.flops import flops_per_token, peak
from training.learner import Underway
from training.runtime import settle
from training.settings import ModelConfig, TrainConfig

SIDE = 8192  # of the matrices whose product tells what a device reaches
PRODUCTS = 50


class Asked(Strict):
    """What is timed. `folder` gets the model's configuration as `transformers` reads it, `config.json`."""

    folder: str
    size: str
    vocabulary: int
    train: TrainConfig
    documents_per_row: int
    warm_steps: int
    round_s: float
    device: Literal["cpu", "cuda"]
    threads: int


def main() -> None:
    """Hold the dialogue that the job in the file of the command line asks for."""
    asked = Asked.model_validate_json(Path(sys.argv[1]).read_bytes())
    settle(asked.threads, deterministic=asked.train.deterministic)
    shape = ModelConfig.model_validate({"size": asked.size})
    learning = learner.start(shape, asked.vocabulary, asked.train, asked.device)
    tokens = asked.train.sequence_tokens
    (Path(asked.folder) / "config.json").write_text(json.dumps(configuration(shape, asked.vocabulary, tokens, 0)))
    print(flops_per_token(shape, asked.vocabulary, tokens), *(_device_flops() if asked.device == "cuda" else (0.0, 0.0)), flush=True)
    passes = _passes(asked)
    present = np.unique(np.concatenate([batch.present for batch in passes]))
    for _ in range(asked.warm_steps):
        learner.take_step(learning, passes, asked.train.learning_rate)
    print("ready", flush=True)
    for _ in sys.stdin:
        cpu, wall, steps = time.process_time(), time.perf_counter(), 0
        underway = deque[Underway](maxlen=2)
        while time.perf_counter() - wall < asked.round_s:
            underway.append(learner.take_step(learning, passes, asked.train.learning_rate))
            if len(underway) == 2:
                learner.read(learning, underway[0], present)  # one step late, as training does
            steps += 1
        underway[-1].told.wait()
        print(time.process_time() - cpu, time.perf_counter() - wall, steps, flush=True)


def _passes(asked: Asked) -> list[Batch]:
    rows, tokens = asked.train.sequences_per_step, asked.train.sequence_tokens
    drawn = np.random.default_rng(0).integers(0, asked.vocabulary, (rows, tokens + 1))
    documents = np.arange(rows)[:, None] * asked.documents_per_row + np.arange(tokens) * asked.documents_per_row // tokens
    size = asked.train.sequences_per_pass or rows
    parts = []
    for first in range(0, rows, size):
        own = slice(first, first + size)
        present, local = np.unique(documents[own], return_inverse=True)
        local = local.reshape(documents[own].shape)
        parts.append(Batch(drawn[own, :-1].copy(), drawn[own, 1:].copy(), local, present))
    return parts


def _device_flops() -> tuple[float, float]:
    """Operations a second of products of large square matrices in 16 bits, and the device's peak by its name."""
    factor = torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
    for _ in range(PRODUCTS // 5):
        factor @ factor
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(PRODUCTS):
        factor @ factor
    torch.cuda.synchronize()
    reached = PRODUCTS * 2 * SIDE**3 / (time.perf_counter() - began)
    return reached, peak(torch.cuda.get_device_name()) or 0.0


if __name__ == "__main__":
    main()
