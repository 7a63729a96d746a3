"""The line as Prefect flows: each can be run, deployed and scheduled by itself.

Take the decorators away and the code still runs. Our own manifests say what is done already, so Prefect's caching stays
off; tasks take groups of shards and pass nothing large.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.futures import as_completed
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from flows import artifacts, line, stages
from flows.job import make
from flows.stages import Stage
from pipeline import catalog
from pipeline.each import Made, Task

Overrides = tuple[str, ...]

PUBLISHED, TRAINED = "tokens.published", "run.finished"

# A task waits while a process works, so threads will do; as many as there may be processes, so that what runs shows as running.
TASKS: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=os.cpu_count())


@task(name="group of shards", task_run_name="{what}-{number}", cache_policy=NO_CACHE, persist_result=False)
def work_on(what: str, number: int, work: Callable[[Any], Any], given: Any, pool: Executor) -> Any:  # noqa: ARG001  # they name the run
    """Work on one group of shards, in a process that knows nothing of Prefect and so starts at once."""
    with line.told_if_killed():
        return pool.submit(work, given).result()


def in_tasks(workers: int, what: str, work: Callable[[Task], Made], tasks: Sequence[Task]) -> Iterable[Made]:
    """Groups of shards as tasks of the flow that runs now."""
    with line.processes(workers) as pool:
        futures = [
            work_on.submit(what, number, quote(work), quote(given), quote(pool))  # type: ignore[call-overload]
            for number, given in enumerate(tasks)
        ]
        for future in as_completed(futures):
            yield future.result()


def _named() -> str:
    """A flow run is called by what it does and by its recipe."""
    return f"{flow_run.flow_name}-{Path(flow_run.parameters['recipe']).stem}"


def _told(done: list[Stage]) -> list[Stage]:
    for stage in done:
        get_run_logger().info("%s: %s, %s %s", stage.name, "made" if stage.made else "in place", stage.path, stage.counts)
    return done


@flow(name="crawl", flow_run_name=_named)
def crawl(recipe: str, root: str = "data", overrides: Overrides = (), edition: str | None = None, dated: bool = False) -> list[Stage]:
    """Crawl the recipe's sources. `dated` makes the scheduled day the edition: a nightly crawl that keeps what is new since the last."""
    if dated:
        edition = flow_run.get_scheduled_start_time().strftime("%Y-%m-%d")
    return _told(stages.crawl(make(recipe, root, overrides), edition))


@flow(name="curate", flow_run_name=_named, task_runner=TASKS)
def curate(recipe: str, root: str = "data", overrides: Overrides = (), workers: int | None = None) -> list[Stage]:
    """Make the recipe's corpus of what its sources hold, groups of shards in parallel."""
    job = make(recipe, root, overrides, workers)
    done = stages.curate(job, partial(in_tasks, job.workers))
    catalog.refresh(job.store)
    artifacts.fates(job.store, job.recipe.name)
    return _told(done)


@flow(name="tokenize", flow_run_name=_named, task_runner=TASKS)
def tokenize(recipe: str, root: str = "data", overrides: Overrides = (), workers: int | None = None) -> list[Stage]:
    """Train the tokenizer on the recipe's current corpus, and encode it, groups of files in parallel."""
    job = make(recipe, root, overrides, workers)
    return _told(stages.tokenize(job, partial(in_tasks, job.workers)))


@flow(name="publish-corpus", flow_run_name=_named)
def publish_corpus(
    recipe: str, root: str = "data", overrides: Overrides = (), workers: int | None = None, announce: bool = False
) -> list[Stage]:
    """Curate and tokenize; where `announce` is set, tell the world that a token set is there."""
    done = [*curate(recipe, root, overrides, workers), *tokenize(recipe, root, overrides, workers)]
    tokens = next(stage for stage in done if stage.name == "tokens")
    if announce:
        name, fingerprint = tokens.path.split("/")[1:]
        payload = {"recipe": recipe, "root": root, "overrides": list(overrides), "tokens": tokens.path, "fingerprint": fingerprint}
        emit_event(PUBLISHED, resource={"prefect.resource.id": f"corpusmill.tokens.{name}"}, payload=payload)
    return done


@flow(name="pretrain", flow_run_name=_named)
def pretrain(recipe: str, root: str = "data", overrides: Overrides = (), tokens: str | None = None, announce: bool = False) -> list[Stage]:
    """Train the recipe's model on a token set, the current one unless told; the same set and recipe train once."""
    job = make(recipe, root, overrides)
    done = stages.pretrain(job, tokens, partial(artifacts.loss_so_far, job.recipe.name))
    catalog.refresh(job.store)
    artifacts.loss(job.store, job.recipe.name)
    if announce:
        payload = {"recipe": recipe, "root": root, "overrides": list(overrides), "run": done[0].path}
        emit_event(TRAINED, resource={"prefect.resource.id": f"corpusmill.run.{job.recipe.name}"}, payload=payload)
    return _told(done)


@flow(name="evaluate", flow_run_name=_named)
def evaluate(recipe: str, root: str = "data", overrides: Overrides = (), run: str | None = None) -> list[Stage]:
    """Measure a run, the current one unless told, on held-out documents."""
    return _told(stages.evaluate(make(recipe, root, overrides), run))


@flow(name="report", flow_run_name=_named)
def report(recipe: str, root: str = "data", overrides: Overrides = ()) -> list[Stage]:
    """Write the report on the root."""
    job = make(recipe, root, overrides)
    done = stages.report(job)
    artifacts.report(done[0].path, job.recipe.name)
    return _told(done)


@flow(name="evaluate-and-report", flow_run_name=_named)
def evaluate_and_report(recipe: str, root: str = "data", overrides: Overrides = (), run: str | None = None) -> list[Stage]:
    """What follows a finished training."""
    return [*evaluate(recipe, root, overrides, run), *report(recipe, root, overrides)]


@flow(name="corpus-to-model", flow_run_name=_named)
def corpus_to_model(recipe: str, root: str = "data", overrides: Overrides = (), workers: int | None = None) -> list[Stage]:
    """The whole line, from a crawl to an evaluated model and a report."""
    job = make(recipe, root, overrides, workers)
    flows: dict[object, Callable[..., list[Stage]]] = {
        stages.crawl: crawl,
        stages.pretrain: pretrain,
        stages.evaluate: evaluate,
        stages.report: report,
    }

    def run(stage: stages.Run, *_: object) -> list[Stage]:
        if stage in (stages.curate, stages.tokenize):
            return (curate if stage is stages.curate else tokenize)(recipe, root, overrides, job.workers)
        return flows[stage](recipe, root, overrides)

    return stages.corpus_to_model(job, run)
