from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from training_world import World

from training import checkpoint, records
from training.settings import TrainJob, cache_folder, run_place
from training.train import Stopped, train


def started(job: TrainJob, folder: Path, processes: int) -> subprocess.Popen[str]:
    file = folder / "job.json"
    file.write_text(job.model_dump_json())
    command = [sys.executable, "-m", "training.launch", str(processes), str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(world: World, job: TrainJob, steps: int, process: subprocess.Popen[str]) -> None:
    stream = Path(world.store.path(run_place(world.store, job))) / "progress.jsonl"
    while process.poll() is None and not any(row.get("step", -1) >= steps for row in records.rows(stream)):
        time.sleep(0.02)


def written(world: World, run: str) -> tuple[pa.Table, pa.Table]:
    manifest = world.store.manifest(run)
    assert manifest is not None
    steps, losses = (
        pa.concat_tables([world.store.table(f"{run}/{path}") for path in manifest.paths(folder)]) for folder in ("steps", "document_losses")
    )
    return steps, losses


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.verify)])
def test_from_one_process_to_two_and_back(world: World, tmp_path: Path, strategy: str) -> None:
    own = {"precision": "float32", "strategy": strategy, "validation": {"documents": 3}}
    straight = written(world, train(world.train_job(f"one_{strategy}", **own)).path)
    job = world.train_job(f"changing_{strategy}", **own)
    run = run_place(world.store, job)
    calls = iter(range(100))
    with pytest.raises(Stopped):
        train(job, lambda: next(calls) == 6)
    process = started(job, tmp_path, 2)
    until(world, job, 15, process)
    process.terminate()
    output, errors = process.communicate(timeout=60)
    step = checkpoint.newest(world.store, run)
    assert (process.returncode, json.loads(output)) == (0, {"status": "stopped", "step": step, "path": run}), errors
    assert step is not None
    assert step > 15

    steps, losses = written(world, train(job).path)
    for column in ("step", "first_sequence", "sequences", "tokens", "outcome"):
        assert steps[column] == straight[0][column]
    assert losses["doc_id"] == straight[1]["doc_id"]
    assert losses["tokens"] == straight[1]["tokens"]
    np.testing.assert_allclose(steps["loss"].to_numpy(), straight[0]["loss"].to_numpy(), atol=1e-3)
    attempts = [row["attempt"] for row in records.rows(Path(world.store.path(run)) / "progress.jsonl") if "step" not in row]
    assert attempts == [0, 1, 2]


@pytest.mark.verify
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_three_processes_that_stop_and_go_on_change_no_bit(world: World, tmp_path: Path, strategy: str) -> None:
    """Of three numbers the order of summation shows in the last bits, and it follows from where in a buffer a gradient lies."""

    def run(name: str, stop_after: int | None = None) -> TrainJob:
        job = world.train_job(f"{name}_{strategy}", strategy=strategy, sequences_per_pass=1)
        process = started(job, tmp_path, 3)
        if stop_after is not None:
            until(world, job, stop_after, process)
            process.terminate()
        output, errors = process.communicate(timeout=200)
        assert json.loads(output)["status"] == ("finished" if stop_after is None else "stopped"), errors
        return job

    straight, disturbed = run("straight"), [run("disturbed", stop_after=7), run("disturbed")][-1]
    runs = [run_place(world.store, job) for job in (straight, disturbed)]
    (steps, losses), (steps_again, losses_again) = (written(world, place) for place in runs)
    for column in ("step", "loss", "gradient_norm", "outcome"):
        assert steps_again[column] == steps[column]
    assert losses_again == losses
    weights, weights_again = (world.store.read(f"{place}/model/model.safetensors") for place in runs)
    assert weights_again == weights


@pytest.mark.verify
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_compiled_two_processes_learn_as_they_do_otherwise(world: World, tmp_path: Path, strategy: str) -> None:
    losses = []
    for compiled in (False, True):
        job = world.train_job(f"compiled_{compiled}_{strategy}", precision="float32", strategy=strategy, compile=compiled, steps=5)
        process = started(job, tmp_path, 2)
        output, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors
        losses.append(written(world, json.loads(output)["path"])[0]["loss"].to_numpy())
    assert any((cache_folder(world.store, job) / "compiled").iterdir())
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-3)


def test_a_process_that_fails_ends_the_others(world: World, tmp_path: Path) -> None:
    process = started(world.train_job("short", steps=10_000), tmp_path, 2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "steps: at most " in errors


@pytest.mark.verify
def test_every_process_ends_where_a_checkpoint_is_damaged(world: World, tmp_path: Path) -> None:
    place = checkpoint.place(train(world.train_job("damaged_start", steps=2)).path, 2)
    path = Path(world.store.path(f"{place}/rank-00000-00000.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    process = started(world.train_job("from_damaged", start={"checkpoint": place}), tmp_path, 2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert [line.partition(": ")[0] for line in errors.splitlines()][:1] == [str(path)]
    assert "Traceback" not in errors


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of a parent's end on Linux alone")
def test_a_killed_launcher_leaves_no_process_behind(world: World, tmp_path: Path) -> None:
    job = world.train_job("orphaned")
    process = started(job, tmp_path, 2)
    until(world, job, 3, process)
    process.kill()
    process.communicate(timeout=60)  # until nobody holds its output any more
    run = run_place(world.store, job)
    step = checkpoint.newest(world.store, run)
    assert step is not None
    assert 3 <= step < job.train.steps
    assert world.store.manifest(run) is None
