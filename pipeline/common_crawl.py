"""Files of a Common Crawl snapshot, fetched into a folder as a crawl of our own would leave them.

A file being fetched has the suffix `.open`; beside it stands its announced length and its ETag, so that an interrupted one goes
on where it broke off (RFC 9110 section 14). Only whole files bear their name; the manifest comes last, and names what counts.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import aiohttp
from aiohttp import hdrs
from pydantic import Field

from pipeline.crawl.config import Positive, Seconds
from pipeline.crawl.fetch import retry_after_s
from pipeline.crawl.report import MANIFEST, manifest
from pipeline.crawl.warc import OPEN, sync_folder
from pipeline.step import Strict, digest
from pipeline.store import Store, canonical, fingerprint

_MAX_LISTING_BYTES = 64_000_000  # unpacked: four times the longest of today
_CONNECT_TIMEOUT_S = 10.0
_SILENCE_TIMEOUT_S = 60.0
_PROGRESS_S = 0.5
_GZIP = b"\x1f\x8b"
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"
_STRONG_ETAG = re.compile(r'"[!#-~]*"')  # a weak one says nothing about bytes
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_HOPELESS = (aiohttp.ClientSSLError, aiohttp.ClientResponseError, aiohttp.InvalidURL)  # another attempt would be no better
_DROPPED = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


class CommonCrawlError(ValueError):
    """Files that cannot be fetched, or a folder that is none for them."""


class CommonCrawlConfig(Strict):
    """Which files of a snapshot to fetch, and at what pace: `count` lines of its listing from line `first` on."""

    snapshot: Annotated[str, Field(pattern="^CC-MAIN-[0-9]{4}-[0-9]{2}$")]
    kind: Literal["warc", "wet"] = "warc"
    first: Annotated[int, Field(ge=0)] = 0
    count: Positive  # no default: a whole snapshot is some 80 TB

    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$")] = "https://data.commoncrawl.org"
    connections: Positive = 4
    max_attempts: Positive = 8  # in a row, of one file, that bring no byte further
    backoff_s: Seconds = 1.0  # before the second attempt; doubles with each that brings nothing; Retry-After may ask for more
    max_backoff_s: Seconds = 300.0  # a server that asks for more is given up
    contact: Annotated[str, Field(pattern="^[ -~]*$")] = ""  # an address or a page that tells who fetches; part of the user agent

    @property
    def fingerprint(self) -> str:
        """128 bits in hexadecimal over the settings that say which files."""
        return fingerprint(self.model_dump(mode="json", include={"snapshot", "kind", "first", "count"}))


@dataclass(frozen=True)
class Progress:
    """How far a call is: whole files of those wanted, bytes received by this call, connections that back off."""

    files: int
    of: int
    bytes: int
    waiting: int
    elapsed_s: float


@dataclass(frozen=True)
class Fetched:
    """What lies there. `new` files were fetched by this call; `already_done`: it did nothing."""

    already_done: bool
    files: tuple[str, ...]
    bytes: int
    new: int = 0
    elapsed_s: float = 0.0


def fetch(config: CommonCrawlConfig, folder: Path, progress: Callable[[Progress], None] | None = None) -> Fetched:
    """Fetch a snapshot's files into a folder, or go on with what was begun there, or do nothing where all is there.

    Leaves the files under their own names and last `crawl.json`, which lists those that the settings name: a larger `count` fetches
    only what is missing. Raises CommonCrawlError, at once or after `max_attempts`; what has come until then is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _sole(folder):
        done = _finished(config, folder)
        if done and done["fingerprint"] == config.fingerprint:
            return Fetched(True, tuple(file["name"] for file in done["files"]), sum(file["bytes"] for file in done["files"]))
        fetching = _Fetching(config, folder, done["files"] if done else [], progress)
        try:
            files = asyncio.run(fetching.run())
        except ExceptionGroup as group:
            # Several connections, one call: the first failure is the reason.
            raise group.exceptions[0] from None
        settings = config.model_dump(mode="json")
        said = {"fingerprint": config.fingerprint, "config": settings, "files": files, "outcomes": {"fetched": len(files)}}
        Store(str(folder)).write(MANIFEST, canonical(said))
        names, bytes_ = tuple(file["name"] for file in files), sum(file["bytes"] for file in files)
        return Fetched(False, names, bytes_, fetching.new, time.monotonic() - fetching.began)


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
    """The folder's manifest, if it has one; an error where it is about other files."""
    done = manifest(folder)
    here = done.get("config", {}) if done else {"snapshot": config.snapshot, "kind": config.kind}
    if (here.get("snapshot"), here.get("kind")) != (config.snapshot, config.kind) or (folder / "frontier.sqlite").exists():
        found = f"{here['snapshot']} ({here.get('kind')})" if here.get("snapshot") and done else "a crawl"
        raise CommonCrawlError(f"{folder}: expected {config.snapshot} ({config.kind}) or nothing here, found {found}; take another folder")
    return done


class _InterruptedError(Exception):
    """The body, or the rest of it, did not come; it may with another attempt, not before so many seconds."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _Begun(NamedTuple):
    """How much of a file has come that can be gone on with, of how much, and which version of the file it is."""

    bytes: int
    of: int
    etag: str


def _mark(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _begun(part: Path) -> _Begun | None:
    if not part.exists() or not _mark(part).exists():
        return None
    length, _, etag = _mark(part).read_text().partition(" ")
    have = part.stat().st_size
    return _Begun(have, int(length), etag) if length.isdigit() and _STRONG_ETAG.fullmatch(etag) and 0 < have <= int(length) else None


class _Fetching:
    """One call: its connections and what they share."""

    def __init__(self, config: CommonCrawlConfig, folder: Path, known: list[dict], progress: Callable[[Progress], None] | None) -> None:
        self._config, self._folder, self._progress = config, folder, progress
        self._known = {file["name"]: file for file in known}
        self._base = f"{config.base_url.rstrip('/')}/"
        self._files: dict[str, dict[str, Any]] = {}
        self._bytes, self._waiting, self._told = 0, 0, 0.0
        self.new, self.began = 0, time.monotonic()

    async def run(self) -> list[dict[str, Any]]:
        """Fetch what is missing; returns the files as the manifest lists them."""
        contact = f" (+{self._config.contact})" if self._config.contact else ""
        agent = f"corpusmill/{metadata.version('corpusmill')}{contact}"
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._config.connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_SILENCE_TIMEOUT_S),
            headers={hdrs.USER_AGENT: agent, hdrs.ACCEPT_ENCODING: "identity"},
        ) as self._session:
            paths = await self._listed()
            left = iter(paths)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._config.connections, len(paths))):
                    tasks.create_task(self._work(left))
        return [self._files[_base_name(path)] for path in paths]

    async def _listed(self) -> list[str]:
        """The lines of the snapshot's listing that the settings name."""
        config = self._config
        name = f"{config.kind}.paths.gz"
        url, listing = f"{self._base}crawl-data/{config.snapshot}/{name}", self._folder / name
        listing.unlink(missing_ok=True)
        await self._download(url, listing, _MAX_LISTING_BYTES)
        lines = _lines(listing, url, config.kind)
        listing.unlink()
        wanted = lines[config.first : config.first + config.count]
        if len(wanted) < config.count:
            raise CommonCrawlError(f"{url}: {len(lines)} files, expected at least {config.first + config.count} (first + count)")
        if len({_base_name(path) for path in wanted}) < len(wanted):
            raise CommonCrawlError(f"{url}: expected each file name once")
        return wanted

    async def _work(self, paths: Iterator[str]) -> None:
        for path in paths:
            target = self._folder / _base_name(path)
            if not target.exists():
                await self._download(self._base + path, target)
                self.new += 1
            known, size = self._known.get(target.name), target.stat().st_size
            sha256 = known["sha256"] if known and known["bytes"] == size else await asyncio.to_thread(digest, target)
            self._files[target.name] = {"name": target.name, "bytes": size, "sha256": sha256}
            self._tell()

    async def _download(self, url: str, target: Path, max_bytes: int | None = None) -> None:
        """The whole file under its name, by as many attempts as it takes."""
        config, part = self._config, target.with_name(target.name + OPEN)
        pause_s, idle, most = config.backoff_s, 0, 0
        while True:
            try:
                await self._attempt(url, part, max_bytes)
                break
            except _HOPELESS as error:
                raise CommonCrawlError(f"{url}: {' '.join(str(error).split())}") from error
            except (_InterruptedError, *_DROPPED) as error:
                asked_s = error.wait_s if isinstance(error, _InterruptedError) else 0.0
                why = " ".join(f"{type(error).__name__}: {error}".split()) if isinstance(error, _DROPPED) else str(error)
            have = part.stat().st_size if part.exists() else 0
            # What came before counts once: a server that always breaks off at the same place brings nothing.
            idle, pause_s = (0, config.backoff_s) if have > most else (idle + 1, pause_s if idle == 0 else pause_s * 2)
            most = max(have, most)
            if idle == config.max_attempts or asked_s > config.max_backoff_s:
                raise CommonCrawlError(f"{url}: {why}")
            await self._wait(max(asked_s, min(pause_s, config.max_backoff_s)))
        await asyncio.to_thread(_close, url, part, target)

    async def _attempt(self, url: str, part: Path, max_bytes: int | None) -> None:
        """One request for what is missing; returns when the file is whole."""
        begun = _begun(part)
        if begun and begun.bytes == begun.of:
            return
        asked = {hdrs.RANGE: f"bytes={begun.bytes}-", hdrs.IF_RANGE: begun.etag} if begun else {}
        async with self._session.get(url, headers=asked, allow_redirects=False) as response:
            length = _length(url, response, part, begun)
            if max_bytes is not None and length > max_bytes:
                raise CommonCrawlError(f"{url}: {length} bytes, expected at most {max_bytes}")
            with part.open("ab") as stream:
                if response.status == 200:
                    _mark(part).unlink(missing_ok=True)
                    stream.truncate(0)
                    etag = response.headers.get(hdrs.ETAG, "")
                    _mark(part).write_text(f"{length} {etag}" if _STRONG_ETAG.fullmatch(etag) else "")
                async for piece in response.content.iter_any():
                    stream.write(piece)
                    self._bytes += len(piece)
                    if time.monotonic() - self._told > _PROGRESS_S:
                        self._tell()
        have = part.stat().st_size
        if have > length:
            _mark(part).unlink()
            raise CommonCrawlError(f"{url}: {have} bytes came, expected {length}")
        if have < length:
            raise _InterruptedError(f"{have} of {length} bytes came")

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        self._tell()
        await asyncio.sleep(seconds)
        self._waiting -= 1

    def _tell(self) -> None:
        self._told = time.monotonic()
        if self._progress:
            elapsed_s = self._told - self.began
            self._progress(Progress(len(self._files), self._config.count, self._bytes, self._waiting, elapsed_s))


def _length(url: str, response: aiohttp.ClientResponse, part: Path, begun: _Begun | None) -> int:
    """How long the whole file is, by a response that brings it or the rest of it; of any other, the error."""
    status = response.status
    if status in (408, 429) or status >= 500:
        asked_s = retry_after_s(response)  # type: ignore[arg-type]  # it looks at the headers alone
        asks = f", asks to wait {asked_s:g} seconds" if asked_s else ""
        raise _InterruptedError(f"HTTP {status}{asks}", asked_s or 0.0)
    if begun and (status == 416 or (status == 206 and response.headers.get(hdrs.ETAG, begun.etag) != begun.etag)):
        _mark(part).unlink()
        raise _InterruptedError("the file has changed")
    if begun and status == 206:
        said = response.headers.get(hdrs.CONTENT_RANGE, "")
        found = _CONTENT_RANGE.fullmatch(said)
        if not found or int(found[1]) != begun.bytes or int(found[3]) != begun.of:
            raise CommonCrawlError(f"{url}: Content-Range {said!r}, expected bytes {begun.bytes}-{begun.of - 1}/{begun.of}")
        return begun.of
    if status != 200:
        raise CommonCrawlError(f"{url}: HTTP {status}, expected 200")
    if response.content_length is None:
        raise CommonCrawlError(f"{url}: expected a Content-Length")
    return response.content_length


def _close(url: str, part: Path, target: Path) -> None:
    """The file, whole and on disk, under its name."""
    with part.open("rb") as stream:
        is_gzip = stream.read(2) == _GZIP
        os.fsync(stream.fileno())
    if is_gzip:
        part.rename(target)
        sync_folder(target.parent)
    else:
        part.unlink()
    _mark(part).unlink(missing_ok=True)
    if not is_gzip:
        raise CommonCrawlError(f"{url}: expected a gzip file")


def _lines(listing: Path, url: str, kind: str) -> list[str]:
    """The paths of a listing, each plain, relative and the path of such a file."""
    try:
        with gzip.open(listing) as stream:
            text = stream.read(_MAX_LISTING_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CommonCrawlError(f"{url}: {error}") from error
    if len(text) > _MAX_LISTING_BYTES:
        raise CommonCrawlError(f"{url}: expected at most {_MAX_LISTING_BYTES} bytes unpacked")
    suffix = {"warc": r"\.warc\.gz", "wet": r"\.warc\.wet\.gz"}[kind]
    plain = re.compile(rf"crawl-data/(?:{_NAME}/)*{_NAME}{suffix}".encode())
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    for number, line in enumerate(lines, 1):
        if not plain.fullmatch(line):
            raise CommonCrawlError(f"{url}: line {number}: expected a plain path under crawl-data/ of a {kind} file, not {line[:200]!r}")
    return [line.decode("ascii") for line in lines]


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
