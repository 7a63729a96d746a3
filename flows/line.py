"""Run the line, or one stage of it, under Prefect or as plain function calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context
from typing import Any

from flows import stages, surroundings
from flows.job import Job, make
from flows.process import ProcessFailedError
from flows.stages import Stage
from pipeline.each import Made, Task


def run(recipe: str, root: str, overrides: tuple[str, ...], workers: int | None, plain: bool) -> list[Stage]:
    """The whole line. Raises RecipeError before anything starts."""
    job = make(recipe, root, overrides, workers)
    if plain:
        return stages.corpus_to_model(job, each=partial(in_processes, job.workers))
    return under_prefect("corpus_to_model", job, workers=job.workers)


def stage(name: str, recipe: str, root: str, overrides: tuple[str, ...], workers: int | None, plain: bool) -> list[Stage]:
    """One stage, as the flow or the function of that name."""
    job = make(recipe, root, overrides, workers)
    parallel = name in ("curate", "tokenize")
    if plain:
        function: stages.Run = getattr(stages, name)
        return function(job, *([partial(in_processes, job.workers)] if parallel else []))
    return under_prefect(name, job, **({"workers": job.workers} if parallel else {}))


def under_prefect(name: str, job: Job, **parameters: Any) -> list[Stage]:
    """A flow of `flows.orchestrated`, on the user's server, or on the one that Prefect embeds where there is none."""
    surroundings.prepare(job.root)
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows import orchestrated

    # A heartbeat tells a server that a flow still lives, and costs every flow a second at its end: an embedded server,
    # which dies with the flow, asks for none.
    quiet = nullcontext() if surroundings.server_configured() else temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    flow = getattr(orchestrated, name)
    with quiet:
        done: list[Stage] = flow(str(job.path), job.root, job.overrides, **parameters)
    return done


def processes(workers: int) -> ProcessPoolExecutor:
    """A pool of processes, started afresh: a fork of a process with threads would hang."""
    return ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn"))


def in_processes(workers: int, _: str, work: Callable[[Task], Made], tasks: Sequence[Task]) -> Iterable[Made]:
    """Tasks on a pool of processes."""
    with told_if_killed(), processes(workers) as pool:
        futures = [pool.submit(work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def told_if_killed() -> Iterator[None]:
    """Raises ProcessFailedError where a worker of the pool that is used within is no more."""
    try:
        yield
    except BrokenProcessPool as error:
        raise ProcessFailedError(
            "a worker process was killed, as by a system that is out of memory: the same command goes on from what is done, "
            "and fewer --workers take less memory"
        ) from error
