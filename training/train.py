"""Pretraining, as a process of its own: `python -m training.train JOB.json` (a `training.settings.TrainJob`).

The result lies at `runs/<name>/<fingerprint>`. A finished run of the same fingerprint is left as it is; an unfinished
one goes on from its newest whole checkpoint, exactly. The last line of standard output is JSON: `status` is `finished`,
`there already`, or `stopped` (by SIGTERM: a checkpoint is saved after `step` steps, and the exit code is 0 although there
is no manifest yet), and `path` is the run's. Exit code 2: the job cannot be done as it stands; 1: a failure.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.store import Built, Part, Store, Version
from training import card, checkpoint, data, export, learner
from training.records import Records
from training.schedule import learning_rate, places
from training.settings import TrainJob, read_job, run_place, run_spec, say, version


class Stopped(Exception):  # noqa: N818 - no error: what was asked for
    """Training was asked to stop, and has saved a checkpoint after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after {step} steps")
        self.step = step


def train(job: TrainJob, stop: Callable[[], bool] = lambda: False) -> Built:
    """Train, or go on training, until all steps are done.

    `Stopped` where `stop` became true; `ValueError` where the job cannot be done; `FloatingPointError` where a loss or a
    gradient is no finite number.
    """
    store = Store(job.root)
    learner.settle(job.threads, deterministic=job.train.deterministic)
    return store.build(f"runs/{job.name}", run_spec(store, job), lambda run: _train(run, job, stop))


def _train(run: Version, job: TrainJob, stop: Callable[[], bool]) -> dict[str, int]:
    store, config = run.store, job.train
    cache = Path(job.cache) if job.cache else store.folder("cache")
    tokens = data.open_tokens(store, job.tokens, "train", cache)
    orders = [data.open_order(store, order, tokens, config.sequence_tokens, cache) for order in job.orders]
    plan = places([order.sequences for order in orders], config)
    vocabulary = job.model.padded(version(store, job.tokens).counts["vocabulary"])
    learning = learner.start(job.model, vocabulary, config, job.device)
    done = checkpoint.newest(store, run.place)
    state: dict[str, Any] = checkpoint.read(store, run.place, done, learning) if done else {"parts": [], "targets": 0}
    records = Records(store, run.place, _stream(store, run.place, cache), [Part(**part) for part in state["parts"]])
    targets: int = state["targets"]
    for step in range(done, len(plan)):
        began, place, rate = time.perf_counter(), plan[step], learning_rate(step, len(plan), config)
        passes = data.passes(tokens, orders[place.epoch], place.first, place.count, config)
        taken = learner.take_step(learning, passes, rate)
        targets += taken.targets
        row = {"step": step, "first_sequence": place.first, "sequences": place.count, "loss": taken.loss, "learning_rate": rate}
        row |= {"gradient_norm": taken.gradient_norm, "tokens": taken.targets, "seconds": time.perf_counter() - began}
        records.add(row, tokens.ids[taken.present], taken.losses, taken.counts)
        last, stopping = step + 1 == len(plan), stop()
        if last or stopping or (step + 1) % config.checkpoint_every_steps == 0:
            records.close_part()
            state = {"parts": [asdict(part) for part in records.closed], "targets": targets}
            checkpoint.write(store, run.place, step + 1, learning, state)
            checkpoint.prune(store, run.place, config.keep_checkpoints)
        if stopping and not last:
            raise Stopped(step + 1)
    export.write(run, learning.model, job.tokenizer, config.sequence_tokens)
    run._parts.extend(records.closed)
    parameters = sum(weight.numel() for weight in learning.model.parameters())
    counts = {"steps": len(plan), "tokens": targets, "parameters": parameters, "vocabulary": vocabulary}
    card.add(run, job, counts)
    return counts


def _stream(store: Store, run: str, cache: Path) -> Path:
    """Where the steps are told as they end: beside the run, or in the cache where that is no folder of this machine."""
    folder = Path(store.path(run)) if store.local else cache / run
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "progress.jsonl"


def main() -> None:
    """Run the job in the file that the command line names."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.train JOB.json")
    try:
        job = read_job(sys.argv[1], TrainJob)
        built = train(job, stopping.is_set)
    except Stopped as stopped:
        say(status="stopped", step=stopped.step, path=run_place(Store(job.root), job))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except (FloatingPointError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    else:
        say(status="finished" if built.made else "there already", path=built.path)


if __name__ == "__main__":
    main()
