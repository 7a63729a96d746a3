"""A run that is killed again and again ends with the same losses and weights as one that nobody disturbs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
import torch
from training_world import SEQUENCE_TOKENS, World

from pipeline import order
from training import checkpoint, records
from training.settings import ModelConfig, TrainConfig, TrainJob, run_place

EPOCHS, STEPS = 7, 200
ENDED_S = 20  # after SIGTERM
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"))
SHAPE = ModelConfig(layers=2, width=64, heads=4, kv_heads=2, feed_forward=128)
CONFIG = TrainConfig(
    sequence_tokens=SEQUENCE_TOKENS,
    sequences_per_step=4,
    sequences_per_pass=2,
    epochs=EPOCHS,
    steps=STEPS,
    warmup_steps=10,
    checkpoint_every_steps=20,
    loss_chunk_tokens=64,
    compile=True,
)


def job_of(world: World, name: str, device: Literal["cpu", "cuda"]) -> TrainJob:
    plan = order.OrderConfig(sequence_tokens=SEQUENCE_TOKENS)
    orders = tuple(order.build(world.store, world.tokens, plan, epoch).path for epoch in range(EPOCHS))
    own = {"tokens": world.tokens, "orders": orders, "tokenizer": world.tokenizer}
    return TrainJob(root=world.store.root, name=f"{name}_{device}", model=SHAPE, train=CONFIG, threads=2, device=device, **own)


def started(job: TrainJob, folder: Path) -> subprocess.Popen[bytes]:
    file = folder / f"{job.name}.json"
    file.write_text(job.model_dump_json())
    return subprocess.Popen([sys.executable, "-m", "training.train", str(file)])


def done(world: World, run: str) -> int:
    """The step last told of."""
    stream = Path(world.store.path(run)) / "progress.jsonl"
    return max((row.get("step", -1) for row in records.rows(stream)), default=-1)


def writing(world: World, run: str) -> bool:
    """Whether a checkpoint has begun to be written that is not there yet."""
    folder = Path(world.store.path(run)) / "checkpoints"
    return folder.is_dir() and any(not (each / "manifest.json").exists() for each in folder.iterdir())


def ended(process: subprocess.Popen[bytes], when: Callable[[], bool], number: int) -> int:
    """The exit code of a process that gets a signal when something is so, and has as long to end as is promised."""
    while process.poll() is None and not when():
        time.sleep(0.001)
    process.send_signal(number)
    return process.wait(ENDED_S)


def written(world: World, run: str) -> tuple[bytes, pa.Table, pa.Table]:
    manifest = world.store.manifest(run)
    assert manifest is not None
    steps, losses = (
        pa.concat_tables([world.store.table(f"{run}/{path}") for path in manifest.paths(folder)]) for folder in ("steps", "document_losses")
    )
    return world.store.read(f"{run}/model/model.safetensors"), steps.select(["step", "epoch", "loss", "gradient_norm", "outcome"]), losses


@pytest.mark.verify
@pytest.mark.parametrize("device", ["cpu", GPU])
def test_three_kills_and_a_stop_change_no_bit(world: World, tmp_path: Path, device: Literal["cpu", "cuda"]) -> None:
    straight = job_of(world, "undisturbed", device)
    assert started(straight, tmp_path).wait(600) == 0
    expected = written(world, run_place(world.store, straight))
    assert expected[1].num_rows == STEPS
    assert len(set(expected[1]["epoch"].to_pylist())) > 2

    job = job_of(world, "disturbed", device)
    run = run_place(world.store, job)
    assert ended(started(job, tmp_path), lambda: done(world, run) >= 33, signal.SIGKILL) == -signal.SIGKILL
    before = checkpoint.newest(world.store, run)
    assert ended(started(job, tmp_path), lambda: done(world, run) >= 70 and writing(world, run), signal.SIGKILL) == -signal.SIGKILL
    assert writing(world, run)  # it was killed within
    after = checkpoint.newest(world.store, run)
    assert before is not None
    assert after is not None
    assert 20 <= before < after < 100
    assert ended(started(job, tmp_path), lambda: done(world, run) >= 117, signal.SIGTERM) == 0
    stopped = checkpoint.newest(world.store, run)
    assert stopped is not None
    assert stopped % 20
    assert ended(started(job, tmp_path), lambda: done(world, run) >= 150, signal.SIGKILL) == -signal.SIGKILL
    assert started(job, tmp_path).wait(600) == 0
    weights, steps, losses = written(world, run)
    assert steps == expected[1]
    assert losses == expected[2]
    assert weights == expected[0]
