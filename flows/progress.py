"""What a person sees while something takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from pipeline.common_crawl.fetch import Progress as Fetched
    from pipeline.crawl.engine import Progress as Crawled

SHORT_S = 2.0  # what takes less leaves no line in a log
LINE_S = 30.0  # between two lines in a log


class Progress:
    """For the time of a `with` block: a bar on standard error, or where that is no terminal a line now and then and one at the end."""

    def __init__(self, what: str, unit: str = "", total: int | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        self._what, self._unit, self._of = what, unit, "" if total is None else f" of {total:,}"
        self._done, self._note = 0, ""
        self._logs = not sys.stderr.isatty()
        self._began = self._logged = time.monotonic()
        self._bars = Bars(
            *columns,
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=self._logs,
        )
        self._task = self._bars.add_task(what, total=total, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()
        if kind is None:
            self._log(SHORT_S, self._began)

    def advance(self, by: int = 1) -> None:
        """So much more is done."""
        self.reach(self._done + by)

    def reach(self, done: int, note: str = "") -> None:
        """So much is done in all."""
        self._done, self._note = done, note
        self._bars.update(self._task, completed=done, note=note)
        self._log(LINE_S, self._logged)

    def fetched(self, now: Fetched) -> None:
        """How many files of a snapshot are there."""
        self.reach(now.files, note=f"{now.bytes / 1e6:,.0f} MB received")

    def crawled(self, now: Crawled) -> None:
        """How far a crawl is."""
        note = f"{now.pages_per_s:.1f}/s · {now.hosts} hosts at work · {now.queued:,} queued · {now.errors:,} errors"
        self.reach(now.fetched, note=note)

    def _log(self, wait_s: float, since: float) -> None:
        """A line where nobody sees the bar, if so much time has passed."""
        now = time.monotonic()
        if not self._logs or now - since < wait_s:
            return
        self._logged = now
        counted = f"{self._done:,}{self._of} {self._unit}" if self._unit else ""
        said = ", ".join(part for part in (counted, self._note, f"{now - self._began:.0f} s") if part)
        print(f"{self._what}: {said}", file=sys.stderr, flush=True)
