"""Real sites on loopback, served from a thread, and crawls of them read back."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastwarc
import pyarrow.parquet as pq
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from fastwarc.warc import WarcRecordType

from pipeline.crawl.engine import CrawlReport

Raw = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
Answer = str | bytes | web.StreamResponse | Raw | Callable[[web.Request], Any]


@dataclass
class Site:
    """What a site answers by path and query; anything else is 404. `requests` are the paths asked for, in order."""

    pages: dict[str, Answer]
    host: str = ""
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    together: int = 0
    most_together: int = 0

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        self.requests.append(path)
        self.headers.append(dict(request.headers))
        self.times.append(asyncio.get_running_loop().time())
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            found = self.pages.get(path, self.pages.get("*"))
            if callable(found):
                found = found(request)
                if asyncio.iscoroutine(found):
                    found = await found
        finally:
            self.together -= 1
        if found is None:
            return web.Response(status=404, text="not here")
        if isinstance(found, web.StreamResponse):
            return found
        return web.Response(body=found if isinstance(found, bytes) else found.encode(), content_type="text/html", charset="utf-8")


@dataclass
class RawSite:
    """A site that writes bytes as it likes: `answer(path, writer)`."""

    answer: Raw
    host: str = ""
    requests: list[str] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.requests.append(path)
            if path == "/robots.txt":
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                await self.answer(path, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Servers:
    """An event loop in a thread that serves sites until the end of the test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runners: list[web.AppRunner] = []

    def _call(self, work: Any) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(10)

    def site(self, pages: dict[str, Answer] | None = None, **extra: Answer) -> Site:
        site = Site({**(pages or {}), **extra})
        self._call(self._start(site))
        return site

    def raw(self, answer: Raw) -> RawSite:
        site = RawSite(answer)
        server = self._call(asyncio.start_server(site.serve, "127.0.0.1", 0))
        site.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return site

    async def _start(self, site: Site) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", site.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        self._runners.append(runner)
        site.host = f"127.0.0.1:{runner.addresses[0][1]}"

    def stop(self) -> None:
        for runner in self._runners:
            self._call(runner.cleanup())
        self._call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Names(AbstractResolver):
    """Every name resolves to the addresses given, one a call, the last for ever."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)]

    async def close(self) -> None:
        pass


def validated(body: str, etag: str | None = None, modified: str | None = None, **headers: str) -> Callable[[web.Request], web.Response]:
    """A page that is sent only to those who do not have it yet."""

    def answer(request: web.Request) -> web.Response:
        asked = request.headers
        has_it = (etag is not None and asked.get("If-None-Match") == etag) or (modified and asked.get("If-Modified-Since") == modified)
        validators = {name: value for name, value in {"ETag": etag, "Last-Modified": modified}.items() if value}
        if has_it:
            return web.Response(status=304, headers={**validators, **headers})
        return web.Response(text=body, content_type="text/html", headers={**validators, **headers})

    return answer


@dataclass
class Crawled:
    """A crawl's folder, read back."""

    folder: Path
    report: CrawlReport

    @property
    def log(self) -> dict[str, dict[str, Any]]:
        rows = pq.read_table(self.folder / "crawl_log").to_pylist()
        assert len({row["url"] for row in rows}) == len(rows)
        return {row["url"]: row for row in rows}

    def outcome(self, url: str) -> str | None:
        row = self.log.get(url)
        return row and row["outcome"]

    @property
    def records(self) -> list[tuple[str, bytes]]:
        """URL and payload of every response record."""
        return [
            (record.headers["WARC-Target-URI"], record.reader.read())
            for path in sorted(self.folder.glob("*.warc.gz"))
            for record in fastwarc.ArchiveIterator(path.open("rb"), record_types=WarcRecordType.response)
        ]


def links(*targets: str, head: str = "", text: str = "") -> str:
    """A page that leads to targets."""
    return f"<html><head>{head}</head><body><p>{text}</p>" + "".join(f'<a href="{target}">x</a>' for target in targets) + "</body></html>"
