"""Pretraining, as a process of its own: `python -m training.train JOB.json` (a `training.settings.TrainJob`).

The result lies at `runs/<name>/<fingerprint>`. A finished run of the same fingerprint is left as it is; an unfinished
one goes on from its newest whole checkpoint, exactly. The last line of standard output is JSON: `status` is `finished`,
`there already`, or `stopped` (by SIGTERM or SIGINT: a checkpoint is saved after `step` steps, and the exit code is 0 although there
is no manifest yet), and `path` is the run's. Exit code 2: the job cannot be done as it stands; 1: a failure.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from pipeline.store import Built, Part, Store, Version
from training import card, checkpoint, entry, export, flops, learner, mapped, memory, validation
from training.checkpoint import Checkpoints, Saved
from training.learner import Learner
from training.loop import Loop, Standing, Stopped
from training.parent import end_with_parent
from training.ranks import ALONE, Ranks, joined, whole
from training.records import Records
from training.runtime import settle
from training.schedule import Schedule, consumed, schedule
from training.settings import TrainJob, cache_folder, run_place, run_spec, say, version


def train(job: TrainJob, stop: Callable[[], bool] = lambda: False, ranks: Ranks = ALONE) -> Built:
    """Train, or go on training, until all steps are done.

    `Stopped` where `stop` became true; `ValueError` where the job cannot be done; `FloatingPointError` where steps are skipped that
    must not be.
    """
    store = Store(job.root)
    settle(job.threads, deterministic=job.train.deterministic, compiled=cache_folder(store, job) / "compiled")
    if ranks.world == 1:
        return store.build(f"runs/{job.name}", run_spec(store, job), lambda run: _train(run, job, stop, ranks))
    return _train_together(store, job, stop, ranks)


def _train_together(store: Store, job: TrainJob, stop: Callable[[], bool], ranks: Ranks) -> Built:
    """As one of several processes, the first of which writes the run; the others wait while it waits for another command's."""
    place = run_place(store, job)
    with store.lock(place) if ranks.first else nullcontext():
        there = ranks.told(int(store.manifest(place) is not None))
        if not there:
            run = Version(store, place)
            counts = _train(run, job, stop, ranks)
            if ranks.first:
                run.commit(run_spec(store, job), counts)
    ranks.wait()
    return Built(place, version(store, place), made=not there)


def _train(run: Version, job: TrainJob, stop: Callable[[], bool], ranks: Ranks) -> dict[str, int]:
    store, config = run.store, job.train
    cache = cache_folder(store, job)
    with ranks.first_alone():  # which makes what the others map
        tokens = mapped.open_tokens(store, job.tokens, "train", cache)
        orders = [mapped.open_order(store, order, tokens, config.sequence_tokens, cache) for order in job.orders]
        held_out = mapped.open_tokens(store, job.tokens, "validation", cache) if config.validation.documents else None
    plan = schedule([order.sequences for order in orders], config)
    vocabulary = job.model.padded(version(store, job.tokens).counts["vocabulary"])
    largest = math.ceil(plan.largest / ranks.world)
    sequences = min(config.sequences_per_pass or largest, largest)
    memory.expect_room(memory.need(job.model, vocabulary, config, ranks.world), sequences, memory.available_bytes(job.device))
    learning = learner.start(job.model, vocabulary, config, job.device, ranks)
    first, standing = _standing(store, run.place, job, plan, learning)
    records = _records(store, run.place, cache, standing) if ranks.first else None
    loop = Loop(
        learning,
        tokens,
        orders,
        plan,
        Checkpoints(store, run.place, ranks, config.keep_checkpoints),
        records,
        validation.measure(learning, held_out, config.validation.documents, sequences) if held_out else None,
        stop,
        standing,
        _used(job, vocabulary, ranks),
    )
    steps = loop.run(first)
    if steps < plan.steps and standing.best_step is not None:
        learner.restore(learning, loop.checkpoints.read(standing.best_step), weights_alone=True)
    weights = {name: whole(weight) for name, weight in learning.model.named_parameters()}
    parameters = sum(weight.numel() for weight in weights.values())
    counts = {"steps": steps, "tokens": standing.targets, "parameters": parameters, "vocabulary": vocabulary}
    if records is not None:
        export.write(run, job.model, weights, job.tokenizer, config.sequence_tokens)
        run.include(records.closed)
        card.add(run, job, counts)
    return counts


def _standing(store: Store, run: str, job: TrainJob, plan: Schedule, learning: Learner) -> tuple[int, Standing]:
    """Put the learner where the run stands: how many steps are done, and what else is known of them."""
    newest = checkpoint.newest(store, run) if learning.ranks.first else None
    step = learning.ranks.told(-1 if newest is None else newest)
    if step >= 0:
        saved = Saved(store, checkpoint.place(run, step))
        learner.restore(learning, saved)
        return step, _with_anchor(store, run, step, _agreed(saved, plan), learning)
    start = job.train.start
    if start is None:
        return 0, Standing()
    saved = checkpoint.read(store, start.checkpoint, learning.ranks)
    learner.restore(learning, saved, weights_alone=start.keep == "weights")
    if start.keep == "weights":
        return 0, Standing()
    return saved.step, Standing(targets=_agreed(saved, plan).targets)


def _with_anchor(store: Store, run: str, step: int, standing: Standing, learning: Learner) -> Standing:
    """The same, where the checkpoint to roll back to is whole; else with that after `step` in its place."""
    if standing.anchor == step or learning.config.guard.on_spike != "roll_back":
        return standing
    lost = learning.ranks.first and checkpoint.damaged(store, checkpoint.place(run, standing.anchor)) is not None
    if not learning.ranks.any(lost):
        return standing
    if learning.ranks.first:
        print(f"checkpoint {standing.anchor} of {run} is not whole: a spike goes back to {step} instead", file=sys.stderr, flush=True)
    return replace(standing, anchor=step)


def _agreed(saved: Saved, plan: Schedule) -> Standing:
    """What a checkpoint says, if it is of the same order of sequences."""
    standing, expected = Standing(**saved.state), consumed(plan, saved.step)
    if standing.cursor != expected:
        raise ValueError(f"checkpoint after {saved.step} steps: a cursor of {expected} sequences was expected, not {standing.cursor}")
    return standing


def _records(store: Store, run: str, cache: Path, standing: Standing) -> Records:
    named = {part["path"] for state in checkpoint.states(store, run) for part in state["parts"]}
    return Records(store, run, _stream(store, run, cache), [Part(**part) for part in standing.parts], standing.anchor, named)


def _used(job: TrainJob, vocabulary: int, ranks: Ranks) -> Callable[[float], float | None]:
    cost = flops.flops_per_token(job.model, vocabulary, job.train.sequence_tokens)
    peak = flops.peak(torch.cuda.get_device_name()) if job.device == "cuda" else None
    return lambda tokens_per_s: None if peak is None else flops.utilisation(tokens_per_s / ranks.world, cost, peak)


def _stream(store: Store, run: str, cache: Path) -> Path:
    """Where the steps are told as they end: beside the run, or in the cache where that is no folder of this machine."""
    folder = Path(store.path(run)) if store.local else cache / run
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "progress.jsonl"


def main() -> None:
    """Run the job in the file that the command line names."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    end_with_parent()
    with entry.failures_in_one_line():
        job = entry.job(TrainJob)
        with joined(job.device) as ranks:
            _say_how_it_came_out(job, stopping.is_set, ranks)


def _say_how_it_came_out(job: TrainJob, stop: Callable[[], bool], ranks: Ranks) -> None:
    try:
        built = train(job, stop, ranks)
    except Stopped as stopped:
        told = {"status": "stopped", "step": stopped.step, "path": run_place(Store(job.root), job)}
    else:
        told = {"status": "finished" if built.made else "there already", "path": built.path}
    if ranks.first:
        say(**told)


if __name__ == "__main__":
    main()
