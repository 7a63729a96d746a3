"""Links are read in child processes, which a page may end without holding up any other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Self, TypeVar

from pipeline.confined.child import Answer, Limits
from pipeline.confined.frames import Frame
from pipeline.confined.process import Confined, Terms
from pipeline.crawl import page
from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.page import Head, Page
from pipeline.crawl.urls import Url, parse
from pipeline.step import RowError

P = ParamSpec("P")
T = TypeVar("T")

# Nearly every page is read in a tenth of this.
QUICK = Limits(cpu_s=0.25, memory_mb=2_000)
# 20,000 links of 700 escapes each take 4 s.
SLOW = Limits(cpu_s=10.0, memory_mb=2_000)

_quick, _slow = Confined(__name__), Confined(__name__)


class Readers:
    """Two threads that read pages one after another, each with a child of its own: one for nearly all, one for those that take long.

    The host of such a page has all that follow read by the second, so that it holds up no other. What is read of a page depends
    on the page alone: what the first does not manage in time the second is given.
    """

    def __init__(self) -> None:
        self._lanes = (_Lane(_quick, QUICK), _Lane(_slow, SLOW))
        self._slow_hosts: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for lane in self._lanes:
            lane.close(give_up=kind is not None)

    async def read(self, body: bytes, head: Head, config: CrawlConfig) -> Page:
        """Links and directives of an HTML page; of one that goes over the limits, what `page.searched` finds."""
        quick, slow = self._lanes
        found = None if head.url.host in self._slow_hosts else await quick.run(quick.read, body, head, config)
        if found is None or (isinstance(found, RowError) and found.kind == "timeout"):
            self._slow_hosts.add(head.url.host)
            found = await slow.run(slow.read, body, head, config)
        return await slow.run(page.searched, body, head, found.detail) if isinstance(found, RowError) else found


class _Lane:
    def __init__(self, child: Confined, limits: Limits) -> None:
        self._thread, self._child, self._limits = ThreadPoolExecutor(1, "reader"), child, limits
        self._over, self._open = os.pipe()

    def close(self, *, give_up: bool) -> None:
        """End the thread; to `give_up` is not to wait for the page that is being read, nor for a child that is being started."""
        if give_up:
            os.close(self._open)
        self._thread.shutdown()
        if not give_up:
            os.close(self._open)
        os.close(self._over)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have the lane's thread do it, after all that it was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))

    def read(self, body: bytes, head: Head, config: CrawlConfig) -> Page | RowError:
        request = Frame({**head._asdict(), "url": head.url.text}, body)
        (answer,) = self._child.answers([request], Terms(config.model_dump_json(), self._limits), self._over)
        return answer if isinstance(answer, RowError) else _page(answer)


def load(settings: str) -> Answer:
    """The child's side: what reads a page."""
    config = CrawlConfig.model_validate_json(settings)

    def answer(request: Frame) -> Frame:
        said = request.head
        head = Head(parse(said["url"]), said["charset"], tuple(said["robots"]), tuple(said["links"]))
        return _frame(page.read(request.body, head, config))

    return answer


def _frame(found: Page) -> Frame:
    return Frame(
        {
            "links": [link.text for link in found.links],
            "nofollow_links": [link.text for link in found.nofollow_links],
            "directives": sorted(found.directives),
            "left_out": found.left_out,
            "canonical": found.canonical and found.canonical.text,
        }
    )


def _page(answer: Frame) -> Page:
    said = answer.head
    return Page(
        links=_urls(said["links"]),
        nofollow_links=_urls(said["nofollow_links"]),
        directives=frozenset(said["directives"]),
        left_out=said["left_out"],
        canonical=parse(said["canonical"]) if said["canonical"] else None,
    )


def _urls(texts: list[str]) -> tuple[Url, ...]:
    return tuple(map(parse, texts))
