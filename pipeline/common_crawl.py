"""Files of a Common Crawl snapshot, fetched into a folder as a crawl of our own would leave them.

A file under way is called `.open`, and `.etag` beside it says how long it will be and which version it is, so that it goes on
where it broke off (RFC 9110 section 14). Only whole files bear their name; the manifest comes last, and names what counts.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import aiohttp
from aiohttp import hdrs
from pydantic import Field

from pipeline.crawl.config import Positive, Seconds
from pipeline.crawl.report import MANIFEST, manifest
from pipeline.crawl.warc import OPEN
from pipeline.step import Strict, digest
from pipeline.store import Store, canonical, fingerprint

_MAX_LISTING_BYTES = 64_000_000  # unpacked: four times the longest of today
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
_PROGRESS_S = 0.5
_NAME = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"
_SUFFIX = {"warc": ".warc.gz", "wet": ".warc.wet.gz"}
_MARK = re.compile(r'([0-9]{1,18}) ("[!#-~]*")')  # bytes in all, and a strong ETag: a weak one says nothing about bytes
_CONTENT_RANGE = re.compile("bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")


class CommonCrawlError(ValueError):
    """Files that cannot be fetched, or a folder that is none for them."""


class _InterruptedError(Exception):
    """`(why, wait_s)`: the file, or the rest of it, did not come. It may with another attempt, after so many seconds."""


class CommonCrawlConfig(Strict):
    """Which files of a snapshot to fetch, and at what pace: `count` lines of its listing from line `first` on."""

    snapshot: Annotated[str, Field(pattern="^CC-MAIN-[0-9]{4}-[0-9]{2}$")]
    kind: Literal["warc", "wet"] = "warc"
    first: Annotated[int, Field(ge=0)] = 0
    count: Positive  # no default: a whole snapshot is some 80 TB

    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$")] = "https://data.commoncrawl.org"
    connections: Positive = 4
    max_attempts: Positive = 8  # in a row, at one file, that bring nothing
    backoff_s: Seconds = 1.0  # after an attempt that fails; doubles with each that brings nothing; Retry-After may ask for more
    max_backoff_s: Seconds = 300.0  # a server that asks for more is given up
    contact: Annotated[str, Field(pattern="^[ -~]*$")] = ""  # an address or a page that tells who fetches; part of the user agent

    @property
    def fingerprint(self) -> str:
        """128 bits in hexadecimal over the settings that say which files."""
        return fingerprint(self.model_dump(mode="json", include={"snapshot", "kind", "first", "count"}))


@dataclass
class Progress:
    """How far a call is: whole files of those wanted, and the bytes that came."""

    of: int
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Fetched:
    """What is there. `already_done`: this call did nothing."""

    already_done: bool
    files: tuple[str, ...]
    bytes: int


def fetch(config: CommonCrawlConfig, folder: Path, progress: Callable[[Progress], None] | None = None) -> Fetched:
    """Fetch a snapshot's files into a folder, or go on with what was begun there, or do nothing where all is there.

    Leaves the files under their own names and last `crawl.json`, which lists those that the settings name: a larger `count`
    fetches only what is missing. Raises CommonCrawlError; what has come until then is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _sole(folder):
        done = _finished(config, folder)
        already_done = done is not None and done["fingerprint"] == config.fingerprint
        if done is None or not already_done:
            known = {file["name"]: file for file in done["files"]} if done else {}
            try:
                files = asyncio.run(_Fetching(config, folder, progress).run(known))
            except ExceptionGroup as group:
                # Several connections, one call: the first failure is the reason.
                raise group.exceptions[0] from None
            outcomes, settings = {"fetched": len(files)}, config.model_dump(mode="json")
            done = {"fingerprint": config.fingerprint, "config": settings, "files": files, "outcomes": outcomes}
            Store(folder).write(MANIFEST, canonical(done))
    return Fetched(already_done, tuple(file["name"] for file in done["files"]), sum(file["bytes"] for file in done["files"]))


@contextmanager
def _sole(folder: Path) -> Iterator[None]:
    """One crawl or fetch at a time in a folder; the kernel frees it when the process dies."""
    with (folder / "crawl.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommonCrawlError(f"{folder}: another process fetches or crawls here") from None
        yield


def _finished(config: CommonCrawlConfig, folder: Path) -> dict[str, Any] | None:
    """The folder's manifest, if it has one; an error where a crawl or another snapshot is there."""
    done = manifest(folder)
    found = {"snapshot": None, "kind": None, **done["config"]} if done else config.model_dump()
    if (found["snapshot"], found["kind"]) != (config.snapshot, config.kind) or (folder / "frontier.sqlite").exists():
        raise CommonCrawlError(
            f"{folder}: a crawl or another snapshot is here; expected files of {config.snapshot}, {config.kind}, or none"
        )
    return done


class _Fetching:
    """One call: its connections and how far it is."""

    def __init__(self, config: CommonCrawlConfig, folder: Path, progress: Callable[[Progress], None] | None) -> None:
        self._config, self._folder, self._progress = config, folder, progress
        self._now, self._told, self._base = Progress(config.count), 0.0, config.base_url.rstrip("/")

    async def run(self, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Fetch what is missing; returns the files as the manifest lists them. Those `known` are not read again."""
        config = self._config
        agent = f"corpusmill/{metadata.version('corpusmill')}" + (f" (+{config.contact})" if config.contact else "")
        headers = {hdrs.USER_AGENT: agent, hdrs.ACCEPT_ENCODING: "identity"}
        async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT, auto_decompress=False, trust_env=False) as self._session:
            free = asyncio.Semaphore(config.connections)
            paths = await self._listed()
            async with asyncio.TaskGroup() as tasks:
                files = [tasks.create_task(self._file(path, known, free)) for path in paths]
        return [file.result() for file in files]

    async def _listed(self) -> list[str]:
        """The lines of the snapshot's listing that the settings name."""
        config = self._config
        listing = self._folder / f"{config.kind}.paths.gz"
        url = f"{self._base}/crawl-data/{config.snapshot}/{listing.name}"
        listing.unlink(missing_ok=True)
        await self._download(url, listing, _MAX_LISTING_BYTES)
        paths = _paths(listing, url, config.kind)
        listing.unlink()
        if len(paths) < config.first + config.count:
            raise CommonCrawlError(f"{url}: {len(paths)} files, expected at least first + count, {config.first + config.count}")
        return paths[config.first : config.first + config.count]

    async def _file(self, path: str, known: dict[str, dict[str, Any]], free: asyncio.Semaphore) -> dict[str, Any]:
        target = self._folder / Path(path).name
        async with free:
            if not target.exists():
                await self._download(f"{self._base}/{path}", target)
            file = {"name": target.name, "bytes": target.stat().st_size}
            if file.items() <= known.get(target.name, {}).items():
                file = known[target.name]
            else:
                file["sha256"] = await asyncio.to_thread(digest, target)
            self._now.files += 1
            self._tell()
            return file

    async def _download(self, url: str, target: Path, max_bytes: int | None = None) -> None:
        """The whole file under its name, with as many attempts as it takes."""
        config, part = self._config, target.with_name(target.name + OPEN)
        pause_s, idle, most = config.backoff_s, 0, 0
        while True:
            try:
                await self._attempt(url, part, max_bytes)
                break
            except (aiohttp.ClientSSLError, aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
                raise CommonCrawlError(f"{url}: {error}") from error
            except (aiohttp.ClientError, TimeoutError) as error:
                why, asked_s = f"{type(error).__name__}: {error}", 0.0
            except _InterruptedError as error:
                why, asked_s = error.args
            have = part.stat().st_size if part.exists() else 0
            # Bytes that came before do not count: a server that always breaks off at one place brings nothing.
            idle, pause_s = (0, config.backoff_s) if have > most else (idle + 1, pause_s * 2 if idle else config.backoff_s)
            most = max(have, most)
            if idle == config.max_attempts or asked_s > config.max_backoff_s:
                raise CommonCrawlError(f"{url}: {why}")
            await asyncio.sleep(max(asked_s, min(pause_s, config.max_backoff_s)))
        await asyncio.to_thread(_close, url, part, target)

    async def _attempt(self, url: str, part: Path, max_bytes: int | None) -> None:
        """One request for what is missing; returns when the file is whole."""
        have, length, etag = _begun(part)
        if have and have == length:
            return
        asked = {hdrs.RANGE: f"bytes={have}-", hdrs.IF_RANGE: etag} if have else {}
        async with self._session.get(url, headers=asked, allow_redirects=False) as response:
            if response.status != 206 or not have:
                length = _announced(url, response, part)
                etag = response.headers.get(hdrs.ETAG, "")
