from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from training_world import TINY, World

from training import learner
from training.data import Batch
from training.guard import OUTCOMES, Guard
from training.settings import GuardConfig, TrainConfig
from training.train import Stopped, train

EAGER = {"on_spike": "roll_back", "sigmas": 1.0, "window_steps": 4, "max_skipped_steps": 50}


def outcomes(guard: Guard, losses: list[float], norms: list[float] | None = None) -> list[str]:
    pairs = zip(losses, norms or [1.0 + 0.01 * (i % 2) for i in range(len(losses))], strict=True)
    return [OUTCOMES[int(guard.judge(torch.tensor(loss), torch.tensor(norm)))] for loss, norm in pairs]


def test_what_is_no_number_is_never_taken() -> None:
    guard = Guard(GuardConfig(window_steps=4), "cpu")
    assert outcomes(guard, [1.0, float("nan"), float("inf")], [1.0, 1.0, 1.0]) == ["taken", "not_finite", "not_finite"]
    assert outcomes(guard, [1.0, 1.0], [float("nan"), float("-inf")]) == ["not_finite", "not_finite"]


def test_a_spike_is_beyond_so_many_deviations_of_the_last_steps() -> None:
    losses = [2.0, 3.0] * 4  # a mean of 2.5, a deviation of 0.5
    for loss, expected in ((5.4, "taken"), (5.6, "spike")):
        assert outcomes(Guard(GuardConfig(window_steps=8), "cpu"), [*losses, loss])[-1] == expected
    guard = Guard(GuardConfig(window_steps=8), "cpu")
    assert outcomes(guard, losses)[-1] == "taken"
    assert outcomes(guard, [2.5], [50.0]) == ["spike"]


def test_nothing_is_a_spike_before_half_a_window_and_no_spike_is_remembered() -> None:
    assert outcomes(Guard(GuardConfig(window_steps=8), "cpu"), [1.0, 1.1, 1.0, 50.0])[-1] == "taken"
    guard = Guard(GuardConfig(window_steps=8), "cpu")
    assert outcomes(guard, [1.0, 1.1, 1.0, 1.1, 50.0, 50.0, 50.0])[-3:] == ["spike"] * 3


def batches(seed: int) -> Iterator[Batch]:
    tokens = np.random.default_rng(seed).integers(0, 300, (4, 32))
    documents = np.tile(np.arange(4)[:, None], (1, 32))
    while True:
        yield Batch(tokens[:, :-1], tokens[:, 1:], documents[:, :-1], np.arange(4))


def test_a_spike_moves_neither_weights_nor_moments() -> None:
    config = TrainConfig(guard=GuardConfig(window_steps=16), precision="float32", learning_rate=1e-2)
    learning = learner.start(TINY, 320, config, "cpu")
    known, strange = batches(0), batches(1)
    for _ in range(60):
        learner.take_step(learning, [next(known)], 1e-2)
    before = {key: value.clone() for key, value in learner.tensors(learning).items()}
    taken = learner.read(learning, learner.take_step(learning, [next(strange)], 1e-2), np.arange(4))
    assert taken.outcome == "spike"
    after = learner.tensors(learning)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert learner.read(learning, learner.take_step(learning, [next(known)], 1e-2), np.arange(4)).outcome == "taken"
    assert not torch.equal(before["weights/model.norm.weight"], learner.tensors(learning)["weights/model.norm.weight"])


def steps_of(world: World, run: str) -> pa.Table:
    manifest = world.store.manifest(run)
    assert manifest is not None
    return pa.concat_tables([world.store.table(f"{run}/{path}") for path in manifest.paths("steps")])


def test_rolled_back_steps_are_told_and_not_done_again_also_after_a_stop(world: World) -> None:
    straight = train(world.train_job("eager", guard=EAGER)).path
    steps = steps_of(world, straight)
    found = steps["outcome"].to_pylist()
    assert steps["step"].to_pylist() == list(range(24))
    assert "rolled_back" in found
    assert "spike" in found
    assert "taken" in found
    trained = sum(row["tokens"] for row in steps.to_pylist() if row["outcome"] == "taken")
    manifest = world.store.manifest(straight)
    assert manifest is not None
    assert manifest.counts["tokens"] == trained

    job = world.train_job("eager_stopped", guard=EAGER)
    for last in (3, 7, 2):
        calls = count()
        with pytest.raises(Stopped):
            train(job, lambda last=last, calls=calls: next(calls) == last)
    again = train(job).path
    same = ["step", "outcome", "loss", "gradient_norm"]
    assert steps_of(world, again).select(same) == steps.select(same)
    model = "model/model.safetensors"
    assert world.store.read(f"{again}/{model}") == world.store.read(f"{straight}/{model}")


def test_a_spike_stops_the_run_where_the_recipe_says_so(world: World) -> None:
    with pytest.raises(FloatingPointError, match=r"step \d+: spike: .* train.guard.on_spike is 'stop'"):
        train(world.train_job("strict", guard={**EAGER, "on_spike": "stop"}))


def test_skipped_steps_are_said_and_trained_on_no_more(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(world.train_job("skipping", guard={**EAGER, "on_spike": "skip"})).path
    found = steps_of(world, run)["outcome"].to_pylist()
    assert found.count("spike") == capsys.readouterr().err.count("; skipped")
    assert found.count("spike") + found.count("taken") == 24
    assert "spike" in found


def test_training_ends_early_with_the_best_weights(world: World) -> None:
    changed = {"learning_rate": 3.0, "warmup_steps": 0, "clip_norm": 100.0, "checkpoint_every_steps": 2, "keep_checkpoints": 1}
    job = world.train_job("early", validation={"documents": 3, "patience": 2}, **changed)
    run = train(job).path
    steps = steps_of(world, run)
    measured = [(row["validation_loss"], row["step"] + 1) for row in steps.to_pylist() if row["validation_loss"] is not None]
    best = min(measured)[1]
    assert len(measured) == measured.index(min(measured)) + 3  # two that were no better, and then it ended
    assert steps.num_rows < 24
    kept = {int(name) for name in world.store.list(f"{run}/checkpoints")}
    assert kept == {best, steps.num_rows}
    short = train(world.train_job("early", validation={"documents": 3}, **changed)).path
    assert steps_of(world, short).num_rows == 24


def test_a_run_starts_from_the_weights_of_another_or_goes_on_as_its_branch(world: World, tmp_path: Path) -> None:
    first = train(world.train_job("trunk", decay_share=0.25)).path
    checkpoint = f"{first}/checkpoints/00000020"
    branch = train(world.train_job("branch", decay_share=0.25, start={"checkpoint": checkpoint, "keep": "all"})).path
    same = ["step", "loss", "gradient_norm"]
    assert steps_of(world, branch).select(same) == steps_of(world, first).select(same).slice(20)
    warm = train(world.train_job("warm", steps=3, start={"checkpoint": checkpoint})).path
    assert steps_of(world, warm)["step"].to_pylist() == [0, 1, 2]
    assert steps_of(world, warm)["loss"][0].as_py() < steps_of(world, first)["loss"][0].as_py() - 0.3
    again = {"start": {"checkpoint": f"{first}/checkpoints/00000020", "keep": "all"}, "decay_share": 0.25, "optimizer": "adamw"}
    with pytest.raises(ValueError, match=r"train.optimizer: that of the checkpoint was expected"):
        train(world.train_job("other_optimizer", **again))
    rolled = world.train_job("rolled", decay_share=0.25, start={"checkpoint": checkpoint, "keep": "all"}, guard=EAGER)
    assert steps_of(world, train(rolled).path).num_rows == 4
    with pytest.raises(ValueError, match="a finished version was expected there"):
        train(world.train_job("lost", start={"checkpoint": f"{first}/checkpoints/00000001"}))
