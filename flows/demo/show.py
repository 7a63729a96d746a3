"""`corpusmill demo`: serve the pages, run the line over them, and tell a person in half a minute what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dashboards import query
from dashboards.table import visible
from flows import account, job, line, scores
from flows.curve import loss_curve
from flows.demo import serve, truth
from flows.job import Job
from flows.stages import Stage
from pipeline.ingest import inputs
from pipeline.store import Store

SAMPLE_CHARS = 240


def run(out: Console, root: str, overrides: tuple[str, ...], workers: int | None, *, plain: bool, port: int) -> bool:
    """Run the demo and print its summary; whether every planted fault has the fate it should."""
    began = time.monotonic()
    overrides = (*_ports(port), *overrides)
    made = job.make("demo", root, overrides, workers)
    crawled = all(inputs.editions(made.store, source) for source in made.recipe.sources)
    with nullcontext() if crawled else serve.running(port, port + 1):
        done = line.run("demo", root, overrides, workers, plain)
    wrong = summary(out, made, done)
    out.print(f"\n{time.monotonic() - began:.0f} s in all.")
    return not wrong


def _ports(port: int) -> tuple[str, ...]:
    """What the recipe must be told for its two servers' ports, where they are not its own."""
    return tuple(
        f'source.{name}.crawl.{key}=["{prefix}127.0.0.1:{port + number}{suffix}"]'
        for number, name in enumerate(("site", "pydoc"))
        for key, prefix, suffix in (("seeds", "http://", "/"), ("allow_hosts", "", ""))
    )


def summary(out: Console, made: Job, done: list[Stage]) -> int:
    """Print what a person wants to know first; how many planted faults have another fate than they should."""
    store = made.store
    account.show(out, done)
    _documents(out, store)
    wrong = _faults(out, truth.verdicts(store))
    _losses(out, store)
    scores.show(out, store, made.recipe.name)
    _samples(out, store)
    _explore(out, made, done)
    return wrong


def _heading(out: Console, text: str) -> None:
    out.print(f"\n[bold]{text}[/]")


def _documents(out: Console, store: Store) -> None:
    rows = query.run(store, "select rule, count(*) n from fates group by rule order by n desc, rule").to_pylist()
    records, kept = sum(row["n"] for row in rows), sum(row["n"] for row in rows if row["rule"] is None)
    _heading(out, f"Documents: {records:,} in, {kept:,} kept, {records - kept:,} dropped")
    out.print(_grid(((row["rule"], f"{row['n']:,}") for row in rows if row["rule"]), ("dropped by", "documents")))


def _faults(out: Console, verdicts: list[truth.Verdict]) -> int:
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    _heading(out, f"Planted faults: {len(verdicts) - len(wrong)} of {len(verdicts)} have the fate they should")
    rows = ((v.fault.name, str(v.fault.expected), v.actual, "[red]WRONG[/]" if v.wrong else "[green]✓[/]") for v in verdicts)
    out.print(_grid(rows, ("fault", "expected", "actual", "")))
    for verdict in wrong:
        for reason in verdict.wrong:
            out.print(f"  {verdict.fault.name}: {visible(reason)}", style="red", markup=False, highlight=False)
    return len(wrong)


def _losses(out: Console, store: Store) -> None:
    steps = query.run(store, "select step, loss from steps order by step")
    tokens = query.run(store, "select coalesce(sum(tokens), 0) n from tokens")["n"][0].as_py()
    _heading(out, f"Training: {tokens:,} tokens in the token set, {len(steps):,} steps; loss in nats a token")
    out.print(loss_curve(steps["step"].to_pylist(), steps["loss"].to_pylist()), markup=False, highlight=False)


def _samples(out: Console, store: Store) -> None:
    _heading(out, "What the model says")
    place = job.current(store, "evaluations", "demo")
    for sample in json.loads(store.read(f"{place}/samples.json")):
        prompt, completion = (visible(" ".join(sample[key].split())) for key in ("prompt", "completion"))
        out.print(f"  [dim]{escape(prompt[-SAMPLE_CHARS:])}[/] {escape(completion[:SAMPLE_CHARS])}", highlight=False)


def _explore(out: Console, made: Job, done: Iterable[Stage]) -> None:
    report = next((stage.path for stage in done if stage.name == "report"), None)
    seed = made.recipe.sources[0].crawl.seeds[0] if made.recipe.sources[0].crawl else ""
    _heading(out, "Where to look")
    for command, why in (
        (report or "", "the report, for a browser"),
        (f"corpusmill sql --root {made.root}", "the stored questions; or any SELECT of your own"),
        (f"corpusmill explain {seed}articles/glass.html --root {made.root}", "one page's whole life"),
        (f"corpusmill plan demo --root {made.root} --set gopher_quality.words.min=100", "what a changed bound would cost"),
        (f"PREFECT_HOME={Path(made.root).absolute() / 'prefect'} prefect server start", "the runs, in Prefect's UI"),
    ):
        out.print(f"  {command}  [dim]# {why}[/]", highlight=False, soft_wrap=True)


def _grid(rows: Iterable[tuple[str, ...]], titles: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
