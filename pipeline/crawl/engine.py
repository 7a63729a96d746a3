"""A crawl from beginning to end: many hosts at once, each one at a time, every result committed in groups.

A group is appended to the WARC and flushed to disk, then one transaction marks its URLs visited, takes in their links and
notes the WARC's length. Killed anywhere, the same call goes on: the WARC is cut back to the noted length, and only what was
not committed is asked for again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.abc import AbstractResolver

from pipeline.crawl import report
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.confined import Readers
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.fetch import Fetcher
from pipeline.crawl.frontier import Frontier, Place, Visit, Warc
from pipeline.crawl.manifest import manifest
from pipeline.crawl.records import Exchange
from pipeline.crawl.scope import Scope
from pipeline.crawl.sole import sole
from pipeline.crawl.survey import Survey
from pipeline.crawl.visit import Visitor
from pipeline.crawl.warc import Archive, file_name
from pipeline.step import digest

_WINDOW_URLS = 32  # of one host before another gets its turn
_UNCOMMITTED_VISITS = 256  # at most, beside one under way for each host
_PROGRESS_S = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a crawl is. `fetched` pages are kept, unchanged ones among them; `errors` are pages that failed in this call."""

    fetched: int
    bytes: int
    queued: int
    hosts: int  # being visited
    errors: int
    pages_per_s: float
    elapsed_s: float


@dataclass(frozen=True)
class CrawlReport:
    """What a crawl came to. `outcomes` counts URLs; `already_done`: this call did nothing."""

    already_done: bool
    fetched: int
    seen: int
    outcomes: dict[str, int]
    files: tuple[str, ...]  # names of WARC files
    elapsed_s: float = 0.0


def crawl(
    config: CrawlConfig,
    folder: Path,
    progress: Callable[[Progress], None] | None = None,
    resolver: AbstractResolver | None = None,
    earlier: Path | None = None,
) -> CrawlReport:
    """Crawl into a folder, or go on with the crawl begun there, or do nothing where it is finished.

    Leaves `*.warc.gz`, `crawl_log/` and last `crawl.json`. `progress` is called about twice a second; `resolver` replaces the
    system's name resolution. `earlier` is the folder of a finished crawl of the same pages: what has not changed since is
    noted and not fetched again. Raises CrawlError where the folder holds a crawl with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sole(folder):
        if done := manifest(folder):
            if done["fingerprint"] != config.fingerprint:
                raise CrawlError(
                    f"{folder}: a crawl with other settings is finished here; expected the same ones, or another folder or edition"
                )
            return _report(done, already_done=True)
        began = time.monotonic()
        scope = Scope(config)
        frontier = Frontier(folder, config, scope.refusal, earlier)
        try:
            asyncio.run(_Crawl(config, scope, folder, frontier, progress).run(resolver))
            frontier.finish()
            done = report.write(folder, config, frontier)
        except ExceptionGroup as group:
            # Several tasks, one crawl: the first failure is the reason.
            raise group.exceptions[0] from None
        finally:
            frontier.close()
        return _report(done, already_done=False, elapsed_s=time.monotonic() - began)


def _report(done: dict, *, already_done: bool, elapsed_s: float = 0.0) -> CrawlReport:
    outcomes = done["outcomes"]
    names = tuple(file["name"] for file in done["files"])
    return CrawlReport(already_done, outcomes.get("fetched", 0), sum(outcomes.values()), outcomes, names, elapsed_s)


@dataclass
class _Pending:
    found: Visit | Survey
    exchange: Exchange | None = None
    committed: asyncio.Event = field(default_factory=asyncio.Event)


class _Crawl:
    """The tasks of one call and what they share."""

    def __init__(
        self, config: CrawlConfig, scope: Scope, folder: Path, frontier: Frontier, progress: Callable[[Progress], None] | None
    ) -> None:
        self._config, self._scope, self._folder, self._frontier, self._progress = config, scope, folder, frontier, progress
        self._pages, self._bytes = frontier.totals()
        self._pages_before, self._errors, self._began = self._pages, 0, time.monotonic()
        self._hosts: asyncio.Queue[str] = asyncio.Queue()
        self._active: set[str] = set()  # hosts in the queue or being visited
        self._pending: asyncio.Queue[_Pending | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(config.hosts_at_once + _UNCOMMITTED_VISITS)
        self._full = asyncio.Event()  # a limit on the whole crawl is reached

    async def run(self, resolver: AbstractResolver | None) -> None:
        """Visit until nothing waits or a limit is reached; leaves the last WARC closed."""
        warcs = self._frontier.warcs()
        self._warc = warcs[-1] if warcs and warcs[-1].sha256 is None else Warc(len(warcs), 0, 0, None)
        with Archive(self._folder, self._warc.number, self._warc.bytes, self._config.user_agent) as self._archive:
            self._check_limits()
            self._activate(self._frontier.hosts())
            with ThreadPoolExecutor(1, "writer") as writer, Readers() as readers:
                await self._visit_and_commit(resolver, writer, readers)
            self._close_warc()
            self._archive.discard()
        self._tell()

    async def _visit_and_commit(self, resolver: AbstractResolver | None, writer: Executor, readers: Readers) -> None:
        async with Fetcher(self._config, resolver) as fetcher, asyncio.TaskGroup() as tasks:
            visitor = Visitor(self._config, self._scope, fetcher, readers, self._frontier.earlier)
            visits = [tasks.create_task(self._visit_hosts(visitor)) for _ in range(self._config.hosts_at_once)]
            commits = tasks.create_task(self._commit_groups(writer))
            ticks = tasks.create_task(self._tick())
            ends = [tasks.create_task(self._hosts.join()), tasks.create_task(self._full.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in (*visits, *ends):
                task.cancel()
            await asyncio.wait(visits)
            self._pending.put_nowait(None)
            await commits
            ticks.cancel()

    # Visiting

    def _activate(self, hosts: list[str] | set[str]) -> None:
        for host in sorted(set(hosts) - self._active):
            self._active.add(host)
            self._hosts.put_nowait(host)

    async def _visit_hosts(self, visitor: Visitor) -> None:
        while True:
            host = await self._hosts.get()
            await self._survey(visitor, host)
            went_on = await self._visit_window(visitor, host)
            self._active.discard(host)
            if went_on:
                self._activate([host])
            self._hosts.task_done()

    async def _survey(self, visitor: Visitor, host: str) -> None:
        """Read the sitemaps of a seed's host, until what they list is committed."""
        for origin in self._frontier.unsurveyed(host):
            await self._room.acquire()
            pending = _Pending(await visitor.surveyor.survey(origin))
            self._pending.put_nowait(pending)
            await pending.committed.wait()

    async def _visit_window(self, visitor: Visitor, host: str) -> bool:
        """Visit some of a host's URLs one after another, until they are committed. False where none waited."""
        window = self._frontier.window(host, _WINDOW_URLS)
        pages, pending = window.pages, None
        for waiting in window.waiting:
            if pages == self._config.max_pages_per_host:
                break
            await self._room.acquire()
            visit, exchange = await visitor.visit(waiting, window)
            if self._full.is_set():
                break
            pending = _Pending(visit, exchange)
            self._pending.put_nowait(pending)
            self._count(visit)
            pages += visit.kept
        if pending:
            await pending.committed.wait()
        return pending is not None

    def _count(self, visit: Visit) -> None:
        self._errors += visit.outcome == "error"
        if visit.kept:
            self._pages, self._bytes = self._pages + 1, self._bytes + (visit.bytes or 0)
            self._check_limits()

    def _check_limits(self) -> None:
        config = self._config
        if (config.max_pages and self._pages >= config.max_pages) or (config.max_bytes and self._bytes >= config.max_bytes):
            self._full.set()

    # Committing

    async def _commit_groups(self, writer: Executor) -> None:
        """Commit what is there, and again what has come meanwhile, until the end is put in the queue."""
        going_on = True
        while going_on:
            group = [await self._pending.get()]
            while not self._pending.empty():
                group.append(self._pending.get_nowait())
            visits = [pending for pending in group if pending is not None]
            going_on = len(visits) == len(group)
            if visits:
                # A thread of its own: sitemaps that are slow to read hold up no commit.
                self._activate(await asyncio.get_running_loop().run_in_executor(writer, self._commit, visits))
            for pending in visits:
                pending.committed.set()
                self._room.release()

    def _commit(self, group: list[_Pending]) -> set[str]:
        """Commit visits, in as many WARC files as they fill. Returns the hosts that have new URLs waiting."""
        hosts: set[str] = set()
        placed: list[tuple[Visit, Place | None]] = []
        for pending in group:
            if isinstance(pending.found, Survey):
                hosts |= self._frontier.take(pending.found)
                continue
            place = Place(self._warc.number, self._archive.append(pending.exchange)) if pending.exchange else None
            placed.append((pending.found, place))
            if self._archive.offset >= self._config.rotate_mb * 1_000_000:
                hosts |= self._commit_placed(placed)
                placed.clear()
                self._close_warc()
        return hosts | self._commit_placed(placed) if placed else hosts

    def _commit_placed(self, placed: list[tuple[Visit, Place | None]]) -> set[str]:
        if any(place for _, place in placed):
            self._archive.sync()
        responses = sum(visit.outcome == "fetched" for visit, _ in placed)
        self._warc = self._warc._replace(bytes=self._archive.offset, records=self._warc.records + responses)
        return self._frontier.commit(placed, self._warc)

    def _close_warc(self) -> None:
        """Close the WARC file, if there is anything in it, and begin the next."""
        if self._archive.offset == 0:
            return
        self._archive.next()
        self._frontier.note(self._warc._replace(sha256=digest(self._folder / file_name(self._warc.number))))
        self._warc = Warc(self._archive.number, 0, 0, None)

    # Telling

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            self._tell()

    def _tell(self) -> None:
        if self._progress is None:
            return
        elapsed_s = time.monotonic() - self._began
        rate = (self._pages - self._pages_before) / elapsed_s if elapsed_s else 0.0
        self._progress(
            Progress(
                self._pages, self._bytes, self._frontier.waiting, len(self._active) - self._hosts.qsize(), self._errors, rate, elapsed_s
            )
        )
