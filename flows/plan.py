"""What a run would do, before it does it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from flows import forecast, mixing, stages
from flows.job import Job
from flows.mixing import Mixing
from pipeline import corpus, order
from pipeline.bounds import describe
from pipeline.dedup.earlier import places
from pipeline.ingest import inputs
from pipeline.store import fingerprint


@dataclass(frozen=True)
class Plan:
    """The state of each stage. What cannot be known before an earlier stage has run is said so."""

    job: Job
    states: tuple[tuple[str, str], ...]  # stage, what would happen
    mixing: Mixing | None = None  # what training takes, once there is a corpus
    training: tuple[tuple[str, str], ...] = ()  # what that costs, once there are tokens in order


def of(job: Job) -> Plan:
    """The plan of a job over what its root holds now."""
    store, recipe = job.store, job.recipe
    fetched = [source for source in recipe.sources if source.crawl or source.common_crawl]
    uncrawled = [source.name for source in fetched if not inputs.editions(store, source)]
    if uncrawled:
        return Plan(
            job, (*((f"crawl {name}", "would crawl") for name in uncrawled), ("everything after", "unknown until the crawl is done"))
        )
    wanted = stages.shards(job)
    missing = stages.missing(job, wanted)
    in_place = len(wanted) - len(missing)
    steps = ("steps", f"{in_place} shards in place, {len(missing)} to process" if missing else f"all {in_place} shards in place")
    spec = corpus.spec(recipe, [each.fingerprint for each in wanted], places(store, recipe))
    place = f"corpora/{recipe.name}/{fingerprint(spec)}"
    if store.manifest(place) is None:
        return Plan(job, (steps, ("corpus", "would decide and deduplicate anew"), ("everything after", "would follow the new corpus")))
    tokenizer, tokens, run, evaluation = (
        (kind, _current(job, kind, fingerprint(spec))) for kind in ("tokenizers", "tokens", "runs", "evaluations")
    )
    states = (steps, ("corpus", f"in place, {place}"), tokenizer, tokens, ("order", _order(job)), run, evaluation)
    return Plan(job, states, mixing.of(job, place), forecast.of(job))


def _order(job: Job) -> str:
    """What is there of the first epoch's order over the current token set."""
    tokens = job.store.current(f"tokens/{job.recipe.name}")
    place = f"order/{fingerprint(order.spec(tokens, job.recipe.order, 0, job.recipe.mixture))}" if tokens else ""
    found = job.store.manifest(place) if tokens else None
    return f"in place, {place}: {mixing.packed(found)}" if found else "would be made"


def _current(job: Job, kind: str, corpus_fingerprint: str) -> str:
    """What is there of a later stage, and whether it was made of this corpus."""
    version = job.store.current(f"{kind}/{job.recipe.name}")
    if version is None:
        return "would be made"
    place = f"{kind}/{job.recipe.name}/{version}"
    found = job.store.manifest(place)
    if found is None or found.spec.get("corpus", corpus_fingerprint) != corpus_fingerprint:
        return "would be made anew"
    return f"{place}, made again only where its settings changed"


def show(out: Console, plan: Plan) -> None:
    """The steps with their bounds, then each stage's state."""
    steps = Table(box=None, pad_edge=False, title=f"recipe {plan.job.recipe.name}", title_justify="left")
    for column in ("step", "keeps", "gate"):
        steps.add_column(column)
    for use in plan.job.recipe.steps:
        bounds = "; ".join(f"{signal} {describe(bound)}" for signal, bound in use.bounds.items())
        steps.add_row(use.name, bounds or "measures only", "gate" if use.gate else "")
    out.print(steps)
    _pairs(out, ("stage", "state"), plan.states)
    if plan.mixing:
        mixing.show(out, plan.mixing)
    if plan.training:
        _pairs(out, ("pretraining", "all of it"), plan.training)


def _pairs(out: Console, titles: tuple[str, str], rows: tuple[tuple[str, str], ...]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title)
    for row in rows:
        table.add_row(*row)
    out.print(table)
