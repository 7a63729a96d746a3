"""What a person sees while something takes longer than two seconds."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from pipeline.common_crawl.fetch import Progress as Fetched
    from pipeline.crawl.engine import Progress as Crawled


class Progress:
    """A bar on standard error for the time of a `with` block; nothing where standard error is no terminal."""

    def __init__(self, what: str, unit: str = "", total: int | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        self._bars = Bars(
            *columns,
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bars.add_task(what, total=total, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def advance(self, by: int = 1) -> None:
        """So much more is done."""
        self._bars.advance(self._task, by)

    def reach(self, done: int, note: str = "") -> None:
        """So much is done in all."""
        self._bars.update(self._task, completed=done, note=note)

    def fetched(self, now: Fetched) -> None:
        """How many files of a snapshot are there."""
        self.reach(now.files, note=f"{now.bytes / 1e6:,.0f} MB received")

    def crawled(self, now: Crawled) -> None:
        """How far a crawl is."""
        note = f"{now.pages_per_s:.1f}/s · {now.hosts} hosts at work · {now.queued:,} queued · {now.errors:,} errors"
        self.reach(now.fetched, note=note)
