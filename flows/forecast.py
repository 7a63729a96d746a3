"""What training would take, before it is begun: tokens, operations, time, memory and disk."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards import query
from flows import process
from flows.job import Job
from pipeline import order
from pipeline.store import fingerprint
from training.flops import flops_per_token
from training.schedule import consumed, schedule
from training.settings import ModelConfig, TrainConfig, version

CHECKPOINT_COPIES = 3  # of the weights, at most: themselves and two moments


def of(job: Job) -> tuple[tuple[str, str], ...]:
    """Each with its figure, once there are tokens and orders; nothing before."""
    return tuple(_figures(job))


def _figures(job: Job) -> Iterator[tuple[str, str]]:
    store, recipe = job.store, job.recipe
    tokens = store.current(f"tokens/{recipe.name}")
    if tokens is None:
        return
    config, shape = recipe.section(TrainConfig), recipe.section(ModelConfig)
    specs = [order.spec(tokens, recipe.order, epoch, recipe.mixture) for epoch in range(config.epochs)]
    plans = [store.manifest(f"order/{fingerprint(spec)}") for spec in specs]
    sequences = [plan.counts["sequences"] for plan in plans if plan]
    if len(sequences) < config.epochs:
        return
    plan = schedule(sequences, config)
    vocabulary = shape.padded(version(store, f"tokens/{recipe.name}/{tokens}").counts["vocabulary"])
    read = consumed(plan, plan.steps) * config.sequence_tokens
    operations = read * flops_per_token(shape, vocabulary, config.sequence_tokens)
    yield "tokens", f"{read:,} in {plan.steps:,} steps"
    yield "operations", f"{operations:.3g}"
    yield "time", _time(job, read)
    yield "memory", _memory(shape, vocabulary, config, plan.largest)
    best = bool(config.validation.documents)
    copies = (config.keep_checkpoints + 1 + best) * CHECKPOINT_COPIES + 1
    held = f"{config.keep_checkpoints} checkpoints{', the best' if best else ''}, one being written and the model"
    yield "disk", f"about {4 * copies * shape.weights(vocabulary) / 1e9:,.2g} GB for {held}"


def _time(job: Job, tokens: int) -> str:
    """By what the last run of this recipe has measured."""
    name = job.recipe.name  # [a-z0-9_-]
    speed = f"select median(tokens / nullif(seconds, 0)) as speed from steps where run = '{name}'"  # noqa: S608
    measured = query.run(job.store, speed)["speed"][0].as_py()
    if not measured:
        return "not known before the first run on this machine"
    return f"about {tokens / measured / 60:,.1f} minutes, at the {measured:,.0f} tokens a second of the run before"


def _memory(shape: ModelConfig, vocabulary: int, config: TrainConfig, largest: int) -> str:
    from training import memory  # noqa: PLC0415  # torch, only where a model is planned

    needed = memory.need(shape, vocabulary, config).total(min(config.sequences_per_pass or largest, largest))
    free = memory.available_bytes(process.device())
    return f"about {needed / 1e9:,.2g} GB of the {free / 1e9:,.3g} GB that are free" + ("" if needed <= free else ": too much")
