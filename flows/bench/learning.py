"""What a model learns in the same time: the demo's recipe as it stands beside the one that the project began with, on the same documents.

Both train for as many CPU seconds, on one thread each: steps are counted out by the speed of each, timed in turns first. Three seeds of
weights and order; bits per byte of the documents held out, and the difference within each seed with its standard error. The demo must
have run, in `data/demo` or where CORPUSMILL_BENCH_ROOT says.
"""

from __future__ import annotations

import math
import os
from functools import cache
from statistics import mean, stdev
from typing import Any

from flows import job as jobs
from flows import process
from flows.bench.result import Result
from flows.bench.training import steps_per_cpu_s
from pipeline import order
from pipeline.store import Store
from training import settings

ROOT = "CORPUSMILL_BENCH_ROOT"
SEEDS = (0, 1, 2)
FIRST: dict[str, Any] = {  # the demo's training as it was in the beginning
    "sequence_tokens": 128,
    "sequences_per_step": 8,
    "steps": 600,
    "optimizer": "adamw",
    "learning_rate": 4e-3,
    "schedule": "wsd",
    "warmup_steps": 50,
    "decay_share": 0.5,
    "weight_decay": 0.1,
    "beta1": 0.9,
    "beta2": 0.95,
    "compile": False,
}
FIRST_SIZE = "demo"


def beside_the_first() -> Result:
    """The demo's recipe as it stands."""
    return _beside("learning", {})


def with_adamw() -> Result:
    """The same with AdamW alone, at the rate that it had in the beginning."""
    return _beside("learning.adamw", {"optimizer": "adamw", "learning_rate": FIRST["learning_rate"]})


def _beside(name: str, changed: dict[str, Any]) -> Result:
    recipe = jobs.load(jobs.find("demo"))
    now = recipe.section(settings.TrainConfig).model_dump(exclude_unset=True) | changed
    speeds = steps_per_cpu_s(FIRST_SIZE, FIRST, now)
    now["steps"] = round(FIRST["steps"] * speeds[1] / speeds[0])
    shape = recipe.section(settings.ModelConfig)
    first = [_bits_per_byte(FIRST_SIZE, tuple(FIRST.items()), seed) for seed in SEEDS]
    ours = [_bits_per_byte(shape.model_dump_json(), tuple(now.items()), seed) for seed in SEEDS]
    gains = [before - after for before, after in zip(first, ours, strict=True)]
    error = stdev(gains) / math.sqrt(len(gains))
    less = mean(gains) / mean(first)
    said = f"{abs(less):.1%} {'fewer' if less > 0 else 'more'} bits"
    note = f"{said}, {mean(gains):.4f} ± {error:.4f} over {len(SEEDS)} seeds; {now['steps']} steps for {FIRST['steps']}"
    peer = "the demo's first recipe"
    return Result(name, "bits/byte", round(mean(ours), 4), round(mean(first), 4), peer, round(mean(first) / mean(ours), 3), note)


@cache
def _bits_per_byte(shape: str, train: tuple[tuple[str, Any], ...], seed: int) -> float:
    """Of a model that is trained so, over all that is held out. `shape` is a size or JSON."""
    root = os.environ.get(ROOT, "data/demo")
    store = Store(root)
    tokens, corpus = jobs.current(store, "tokens", "demo"), jobs.current(store, "corpora", "demo")
    made = settings.version(store, tokens)
    model = (
        settings.ModelConfig.model_validate({"size": shape}) if shape in settings.SIZES else settings.ModelConfig.model_validate_json(shape)
    )
    given = dict(train) | {"seed": seed, "checkpoint_every_steps": 10**6}
    step_tokens = given["sequence_tokens"] * given["sequences_per_step"]
    given["epochs"] = math.ceil((given["steps"] + 2) * step_tokens / made.counts["tokens_train"])
    plan = order.OrderConfig(sequence_tokens=given["sequence_tokens"], seed=seed)
    orders = tuple(order.build(store, tokens, plan, epoch).path for epoch in range(given["epochs"]))
    tokenizer = f"tokenizers/demo/{made.spec['tokenizer']}"
    config = settings.TrainConfig.model_validate(given)
    task = settings.TrainJob(
        root=root, name="bench", tokens=tokens, orders=orders, tokenizer=tokenizer, model=model, train=config, threads=1
    )
    run = settings.run_place(store, task)
    if store.manifest(run) is None:
        process.train(store, task, run)
    measured = settings.EvaluateJob(
        root=root, name="bench", run=run, tokens=tokens, corpus=corpus, evaluate=settings.EvaluateConfig(samples=0), threads=1
    )
    process.evaluate(store, measured)
    scores = store.table(f"{settings.evaluation_place(store, measured)}/scores.parquet").to_pylist()
    overall = {"name": "model", "split": None, "breakdown": None, "metric": "bits_per_byte"}
    return next(float(row["value"]) for row in scores if all(row[key] == value for key, value in overall.items()))
