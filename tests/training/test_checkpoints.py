"""What a damaged checkpoint does to a run: it never counts, and where one must be read it is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from training_world import World

from training import checkpoint
from training.settings import TrainJob, run_place
from training.train import Stopped, train

EAGER = {"on_spike": "roll_back", "sigmas": 1.0, "window_steps": 4, "max_skipped_steps": 50}
FILE = "rank-00000-00000.safetensors"


def damage(world: World, run: str, step: int) -> None:
    path = Path(world.store.path(f"{checkpoint.place(run, step)}/{FILE}"))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def stopped(job: TrainJob, steps: int) -> int:
    """The step at which a run saved when it was asked to stop, this many steps after it went on."""
    calls = count(1)
    with pytest.raises(Stopped) as end:
        train(job, lambda: next(calls) == steps)
    return end.value.step


def there(world: World, run: str) -> list[int]:
    return [int(name) for name in world.store.list(f"{run}/checkpoints")]


def trained(world: World, run: str) -> tuple[bytes, pa.Table]:
    manifest = world.store.manifest(run)
    assert manifest is not None
    steps = pa.concat_tables([world.store.table(f"{run}/{path}") for path in manifest.paths("steps")])
    return world.store.read(f"{run}/model/model.safetensors"), steps.select(["step", "outcome", "loss", "gradient_norm"])


@pytest.fixture(scope="module")
def straight(world: World) -> tuple[bytes, pa.Table]:
    return trained(world, train(world.train_job("undamaged")).path)


def test_a_damaged_checkpoint_is_not_one_of_those_that_stay(world: World, straight: tuple[bytes, pa.Table]) -> None:
    job = world.train_job("twice_damaged")
    run = run_place(world.store, job)
    assert stopped(job, 12) == 12
    assert there(world, run) == [10, 12]
    damage(world, run, 12)
    assert stopped(job, 5) == 15
    assert there(world, run) == [10, 15]
    damage(world, run, 15)
    assert checkpoint.newest(world.store, run) == 10
    assert trained(world, train(job).path) == straight


def test_of_the_newest_those_stay_that_are_whole(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    job = world.train_job("kept")
    run = run_place(world.store, job)
    assert stopped(job, 12) == 12
    damage(world, run, 12)
    checkpoint.prune(world.store, run, keep=1, also={12})
    assert there(world, run) == [10, 12]
    checkpoint.prune(world.store, run, keep=1)
    assert there(world, run) == [10]
    assert capfd.readouterr().err == f"checkpoint 12 of {run} is not whole: removed\n"
    damage(world, run, 10)
    checkpoint.prune(world.store, run, keep=1)
    assert there(world, run) == [10]


def test_records_that_an_older_checkpoint_names_stay_as_long_as_it(world: World, straight: tuple[bytes, pa.Table]) -> None:
    job = world.train_job("taken_up_again")
    run = run_place(world.store, job)
    assert stopped(job, 12) == 12
    assert stopped(job, 3) == 15
    assert there(world, run) == [12, 15]

    def ended() -> bool:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(job, ended)
    damage(world, run, 15)
    assert trained(world, train(job).path) == straight


@pytest.fixture(scope="module")
def early(world: World) -> tuple[TrainJob, str, int]:
    """A run that waits for nothing but its best weights, which are damaged."""
    changed = {"learning_rate": 3.0, "warmup_steps": 0, "clip_norm": 100.0, "checkpoint_every_steps": 2, "keep_checkpoints": 1}
    job = world.train_job("best_damaged", validation={"documents": 3, "patience": 2}, **changed)
    run = train(job).path
    Path(world.store.path(f"{run}/manifest.json")).unlink()
    best = there(world, run)[0]
    damage(world, run, best)
    return job, run, best


def test_damaged_weights_are_not_exported_as_the_best(world: World, early: tuple[TrainJob, str, int]) -> None:
    job, run, best = early
    with pytest.raises(ValueError, match=rf"^\S*{checkpoint.place(run, best)}/{FILE}: damaged: [^\n]*$"):
        train(job)
    assert world.store.manifest(run) is None


def test_a_run_does_not_start_from_damaged_weights(world: World, early: tuple[TrainJob, str, int]) -> None:
    _, run, best = early
    place = checkpoint.place(run, best)
    with pytest.raises(ValueError, match=rf"^\S*{place}/{FILE}: damaged: [^\n]*$"):
        train(world.train_job("warm_damaged", start={"checkpoint": place}))


def rolling(world: World, name: str) -> TrainJob:
    """A run whose first spike goes back to its beginning."""
    return world.train_job(name, guard=EAGER, checkpoint_every_steps=100)


@pytest.fixture(scope="module")
def rolled(world: World) -> tuple[bytes, pa.Table]:
    return trained(world, train(rolling(world, "rolled_back")).path)


def once(done: Callable[[], None]) -> Callable[[], bool]:
    calls = count()

    def stop() -> bool:
        if not next(calls):
            done()
        return False

    return stop


def test_a_run_does_not_go_back_to_damaged_weights(world: World, rolled: tuple[bytes, pa.Table]) -> None:
    job = rolling(world, "anchor_damaged")
    run = run_place(world.store, job)

    def damage_the_first() -> None:
        while checkpoint.newest(world.store, run) is None:
            pass
        damage(world, run, 0)

    with pytest.raises(ValueError, match=rf"^\S*{checkpoint.place(run, 0)}/{FILE}: damaged: [^\n]*$"):
        train(job, once(damage_the_first))
    assert trained(world, train(job).path) == rolled


def test_where_the_checkpoint_to_go_back_to_is_damaged_the_newest_takes_its_place(
    world: World, rolled: tuple[bytes, pa.Table], capfd: pytest.CaptureFixture[str]
) -> None:
    job = rolling(world, "anchor_replaced")
    run = run_place(world.store, job)
    assert rolled[1]["outcome"].to_pylist()[:12] == ["rolled_back"] * 12
    assert stopped(job, 12) == 12
    shutil.rmtree(world.store.path(checkpoint.place(run, 0)))
    _, steps = trained(world, train(job).path)
    assert "a spike goes back to 12 instead" in capfd.readouterr().err
    assert steps["step"].to_pylist() == list(range(24))
    assert steps["outcome"].to_pylist()[:13] == ["taken"] * 12 + ["rolled_back"]
