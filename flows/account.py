"""What a run tells a person at its end: what it made, what was in place, and what was proven."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboards.table import visible
from flows.stages import Stage
from pipeline.check import Finding

MAX_NOTES = 20  # of a stage that are shown
# Of a stage's counts, those that a person wants to know at once; all of them are in its manifest.
TOLD = (
    *("fetched", "unchanged", "shards", "processed", "records", "kept", "vocabulary", "documents_train", "tokens_train", "sequences"),
    *("steps", "parameters", "samples"),
)


def show(out: Console, done: Iterable[Stage]) -> None:
    """One line a stage."""
    done = list(done)
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "", "what", "where"):
        table.add_column(column, overflow="fold")
    for stage in done:
        counts = " · ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in stage.counts.items() if name in TOLD)
        table.add_row(stage.name, "made" if stage.made else "in place", counts, stage.path)
    out.print(table)
    for stage in done:
        for note in stage.notes[:MAX_NOTES]:
            out.print(Text(visible(note), style="yellow"), soft_wrap=True)
        if len(stage.notes) > MAX_NOTES:
            out.print(f"and {len(stage.notes) - MAX_NOTES:,} more: `corpusmill sql damaged_files` lists them all")
    if not any(stage.made for stage in done):
        out.print("Nothing to do: everything was in place.")


def findings(out: Console, found: Iterable[Finding]) -> None:
    """One line a law."""
    table = Table(box=None, pad_edge=False)
    table.add_column("law")
    table.add_column("expected", justify="right")
    table.add_column("actual", justify="right")
    table.add_column("")
    for finding in found:
        verdict = "[green]holds[/]" if finding.holds else "[bold red]BROKEN[/]"
        table.add_row(Text(visible(finding.what)), _shown(finding.expected), _shown(finding.actual), verdict)
    out.print(table)


def _shown(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
