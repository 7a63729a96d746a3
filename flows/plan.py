"""What a run would do, before it does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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
    later = list(_later(job, fingerprint(spec)))
    states = (steps, ("corpus", f"in place, {place}"), *((each.kind, each.state) for each in later))
    stands = all(each.stands for each in later if each.kind in ("tokens", "order"))
    return Plan(job, states, mixing.of(job, place), forecast.of(job) if stands else ())


class _Later(NamedTuple):
    """A stage after the corpus, what would happen, and whether what is there was made of what is there now."""

    kind: str
    state: str
    stands: bool


def _later(job: Job, corpus_fingerprint: str) -> Iterator[_Later]:
    """The stages after the corpus in turn. What is made of something that would be made anew would be so too."""
    known, stands = {"corpus": corpus_fingerprint}, True
    for kind, name in (("tokenizers", "tokenizer"), ("tokens", "tokens"), ("runs", "run"), ("evaluations", "evaluation")):
        version = job.store.current(f"{kind}/{job.recipe.name}")
        place = f"{kind}/{job.recipe.name}/{version}"
        found = job.store.manifest(place) if version else None
        stands = stands and found is not None and all(found.spec.get(key, value) == value for key, value in known.items())
        anew = "would be made anew" if version else "would be made"
        yield _Later(kind, f"{place}, made again only where its settings changed" if stands else anew, stands)
        known[name] = version or ""
        if kind == "tokens":
            order_ = _order(job, known["tokens"]) if stands else None
            stands = order_ is not None
            yield _Later("order", order_ or "would be made", stands)


def _order(job: Job, tokens: str) -> str | None:
    """What is there of the first epoch's order over a token set."""
    place = f"order/{fingerprint(order.spec(tokens, job.recipe.order, 0, job.recipe.mixture))}"
    found = job.store.manifest(place)
    return f"in place, {place}: {mixing.packed(found)}" if found else None


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
