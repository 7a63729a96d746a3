"""Files of a Common Crawl snapshot, fetched into a folder as a crawl of our own would leave them.

A file under way is called `.open`, and `.etag` beside it says how long it will be and which version it is, so that it goes on
where it broke off (RFC 9110 section 14). Only whole files bear their name; the manifest comes last, and names what counts.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import hdrs

from pipeline.common_crawl.config import CommonCrawlConfig
from pipeline.crawl.config import user_agent
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.fetch import retry_after_s
from pipeline.crawl.manifest import MANIFEST, manifest
from pipeline.crawl.sole import sole
from pipeline.crawl.warc import OPEN, sync_folder
from pipeline.step import digest
from pipeline.store import Store, canonical

_MAX_LISTING_BYTES = 64_000_000  # unpacked: four times the longest of today
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
_NAME = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"
_SUFFIX = {"warc": ".warc.gz", "wet": ".warc.wet.gz"}
_MARK = re.compile(r'([0-9]{1,18}) ("[!#-~]*")')  # bytes in all, and a strong ETag: a weak one says nothing about bytes


class CommonCrawlError(CrawlError):
    """Files that cannot be fetched, or a folder that is none for them."""


class _InterruptedError(Exception):
    """`(why, wait_s)`: the file, or the rest of it, did not come. It may with another attempt, after so many seconds."""


@dataclass(frozen=True)
class Progress:
    """How far a call is: whole files of those wanted, and the bytes that it received."""

    files: int
    of: int
    bytes: int


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
    with sole(folder):
        done = manifest(folder)
        settings = config.model_dump(mode="json")
        here = done.get("config", {}) if done else settings
        if any(here.get(key) != settings[key] for key in ("snapshot", "kind")) or (folder / "frontier.sqlite").exists():
            raise CommonCrawlError(f"{folder}: expected {config.kind} files of {config.snapshot} or none, not a crawl or another snapshot")
        already_done = done is not None and done["fingerprint"] == config.fingerprint
        if done is None or not already_done:
            try:
                files = asyncio.run(_Fetching(config, folder, done["files"] if done else [], progress).run())
            except ExceptionGroup as group:
                # Several connections, one call: the first failure is the reason.
                raise group.exceptions[0] from None
            done = {"fingerprint": config.fingerprint, "config": settings, "files": files, "outcomes": {"fetched": len(files)}}
            Store(folder).write(MANIFEST, canonical(done))
    return Fetched(already_done, tuple(file["name"] for file in done["files"]), sum(file["bytes"] for file in done["files"]))


class _Fetching:
    """One call: its connections and how far it is."""

    def __init__(self, config: CommonCrawlConfig, folder: Path, known: list[dict], progress: Callable[[Progress], None] | None) -> None:
        self._config, self._folder, self._progress = config, folder, progress
        self._known = {file["name"]: file for file in known}
        self._base, self._files, self._bytes = config.base_url.rstrip("/"), 0, 0

    async def run(self) -> list[dict[str, Any]]:
        """Fetch what is missing; returns the files as the manifest lists them."""
        config = self._config
        headers = {hdrs.USER_AGENT: user_agent(config.contact), hdrs.ACCEPT_ENCODING: "identity"}
        async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT, auto_decompress=False, trust_env=False) as self._session:
            listing = self._folder / f"{config.kind}.paths.gz"
            url = f"{self._base}/crawl-data/{config.snapshot}/{listing.name}"
            listing.unlink(missing_ok=True)
            await self._download(url, listing, _MAX_LISTING_BYTES)
            paths = _paths(listing, url, config)
            listing.unlink()
            free = asyncio.Semaphore(config.connections)
            async with asyncio.TaskGroup() as tasks:
                files = [tasks.create_task(self._file(path, free)) for path in paths]
        return [file.result() for file in files]

    async def _file(self, path: str, free: asyncio.Semaphore) -> dict[str, Any]:
        target = self._folder / Path(path).name
        file = self._known.get(target.name)
        async with free:
            if file is None or not target.exists():
                await self._download(f"{self._base}/{path}", target)
                sha256 = await asyncio.to_thread(digest, target)
                file = {"name": target.name, "bytes": target.stat().st_size, "sha256": sha256}
        self._tell(files=1)
        return file

    def _tell(self, files: int = 0, bytes_: int = 0) -> None:
        self._files, self._bytes = self._files + files, self._bytes + bytes_
        if self._progress:
            self._progress(Progress(self._files, self._config.count, self._bytes))

    async def _download(self, url: str, target: Path, max_bytes: int | None = None) -> None:
        """The whole file under its name, with as many attempts as it takes."""
        config, part = self._config, target.with_name(target.name + OPEN)
        pause_s, idle, most = 0.0, 0, 0
        while not target.exists():
            try:
                await self._attempt(url, part, max_bytes)
                await asyncio.to_thread(_close, url, part, target)
                continue
            except (aiohttp.ClientSSLError, aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
                raise CommonCrawlError(f"{url}: {error}") from error
            except (aiohttp.ClientError, TimeoutError) as error:
                why, asked_s = f"{type(error).__name__}: {error}", 0.0
            except _InterruptedError as error:
                why, asked_s = error.args
            have = part.stat().st_size if part.exists() else 0
            # Bytes that came once before do not count: a server that breaks off at the same place each time brings nothing.
            idle, most = (0, have) if have > most else (idle + 1, most)
            pause_s = min(pause_s * 2 if idle > 1 else config.backoff_s, config.max_backoff_s)
            if idle == config.max_attempts or asked_s > config.max_backoff_s:
                raise CommonCrawlError(f"{url}: {why}")
            await asyncio.sleep(max(asked_s, pause_s))
        _mark(part).unlink(missing_ok=True)

    async def _attempt(self, url: str, part: Path, max_bytes: int | None) -> None:
        """One request for what is missing; returns when all is there."""
        have, length, etag = _begun(part)
        if have and have == length:
            return
        asked = {hdrs.RANGE: f"bytes={have}-", hdrs.IF_RANGE: etag} if have else {}
        async with self._session.get(url, headers=asked, allow_redirects=False) as response:
            _check(url, response, part)
            with part.open("ab") as stream:
                if response.status == 200:
                    have, length, etag = 0, response.content_length or 0, response.headers.get(hdrs.ETAG, "")
                    if not length or (max_bytes and length > max_bytes):
                        raise CommonCrawlError(f"{url}: Content-Length {length}, expected 1 to {max_bytes or 'any number of'} bytes")
                    # In this order: what is marked as of a version never precedes it.
                    stream.truncate(0)
                    _mark(part).write_bytes(f"{length} {etag}".encode("utf-8", "surrogateescape"))
                async for piece in response.content.iter_any():
                    have += stream.write(piece)
                    self._tell(bytes_=len(piece))
        if have != length:
            raise _InterruptedError(f"{have} bytes came, expected {length}", 0.0)


def _mark(part: Path) -> Path:
    return part.with_suffix(".etag")


def _begun(part: Path) -> tuple[int, int, str]:
    """Bytes that are there and can be gone on with, bytes in all, and the ETag; else none."""
    found = _MARK.fullmatch(_mark(part).read_text("ascii", "replace")) if part.exists() and _mark(part).exists() else None
    return (part.stat().st_size, int(found[1]), found[2]) if found and part.stat().st_size <= int(found[1]) else (0, 0, "")


def _check(url: str, response: aiohttp.ClientResponse, part: Path) -> None:
    """An error unless the response brings the whole file, or the rest of what has begun."""
    have, length, etag = _begun(part)
    status, said, rest = response.status, response.headers.get(hdrs.CONTENT_RANGE), f"bytes {have}-{length - 1}/{length}"
    if status in (408, 429) or status >= 500:
        wait_s = retry_after_s(response.headers) or 0.0
        raise _InterruptedError(f"HTTP {status}" + (f", to be asked again in {wait_s:g} seconds" if wait_s else ""), wait_s)
    if have and (status == 416 or (status == 206 and response.headers.get(hdrs.ETAG, etag) != etag)):
        _mark(part).unlink()
        raise _InterruptedError("the file has changed", 0.0)
    if status not in (200, 206) or (status == 206 and said != rest):
        raise CommonCrawlError(f"{url}: HTTP {status}, Content-Range {said}; expected 200" + (f", or 206 and {rest}" if have else ""))


def _close(url: str, part: Path, target: Path) -> None:
    """The file, on disk, under its name."""
    with part.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        os.fsync(stream.fileno())
    if not is_gzip:
        _mark(part).unlink()
        part.unlink()
        raise CommonCrawlError(f"{url}: expected a gzip file")
    part.rename(target)
    sync_folder(target.parent)


def _paths(listing: Path, url: str, config: CommonCrawlConfig) -> list[str]:
    """The wanted lines of a listing all of whose lines are plain relative paths of such files, none called as another."""
    try:
        with gzip.open(listing) as stream:
            text = stream.read(_MAX_LISTING_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CommonCrawlError(f"{url}: {error}") from error
    if len(text) > _MAX_LISTING_BYTES:
        raise CommonCrawlError(f"{url}: expected at most {_MAX_LISTING_BYTES} bytes unpacked")
    plain = re.compile(f"crawl-data/({_NAME}/)*{_NAME}{re.escape(_SUFFIX[config.kind])}")
    lines = text.decode("ascii", "replace").removesuffix("\n").split("\n") if text else []
    if odd := [line for line in lines if not plain.fullmatch(line)]:
        raise CommonCrawlError(f"{url}: expected paths like crawl-data/…{_SUFFIX[config.kind]}, not {odd[0][:200]!r}")
    if len({Path(line).name for line in lines}) < len(lines):
        raise CommonCrawlError(f"{url}: expected each file name once")
    if len(lines) < config.first + config.count:
        raise CommonCrawlError(f"{url}: {len(lines)} files, expected at least first + count, {config.first + config.count}")
    return lines[config.first : config.first + config.count]
