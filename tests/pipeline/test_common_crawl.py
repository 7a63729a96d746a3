"""A snapshot's files come whole from a server that refuses, breaks off, changes and lies; what has come is not asked for again."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from crawl.loopback import Servers, Site
from pydantic import ValidationError

from pipeline.common_crawl import fetch as fetching
from pipeline.common_crawl.config import CommonCrawlConfig
from pipeline.common_crawl.fetch import CommonCrawlError, Fetched, Progress, fetch
from pipeline.crawl.errors import CrawlError

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pipeline.common_crawl.fetch", "pytest", "aiohttp.web"])
SNAPSHOT = "CC-MAIN-2026-40"
LISTING = f"/crawl-data/{SNAPSHOT}/warc.paths.gz"
FILES = {f"CC-{number:05}.warc.gz": gzip.compress(random.Random(number).randbytes(300_000)) for number in range(4)}
NAMES = tuple(FILES)
Special = Callable[[web.Request, bytes], Any]  # an answer other than a good one; None: the good one after all


def place(name: str) -> str:
    return f"/crawl-data/{SNAPSHOT}/segments/1700679099281.67/warc/{name}"


class Mirror:
    """A snapshot of four files on loopback. `special` answers come first, one a request, by file name."""

    def __init__(self, servers: Servers) -> None:
        self.special: dict[str, list[Special]] = {}
        self.files, self.etag, self.listing = (
            dict(FILES),
            '"one"',
            gzip.compress("".join(f"{place(name)[1:]}\n" for name in NAMES).encode()),
        )
        self.site: Site = servers.site({"*": self.answer})

    async def answer(self, request: web.Request) -> web.StreamResponse | None:
        name = request.path.rpartition("/")[2]
        data = self.listing if request.path == LISTING else self.files.get(name) if request.path == place(name) else None
        if data is None:
            return None
        if self.special.get(name):
            other = self.special[name].pop(0)(request, data)
            other = await other if asyncio.iscoroutine(other) else other
            if other is not None:
                return other
        return good(request, data, self.etag)

    def asked(self, name: str) -> list[str | None]:
        """The Range of each request for a file."""
        both = zip(self.site.requests, self.site.headers, strict=True)
        return [headers.get("Range") for path, headers in both if path.endswith(f"/{name}")]


def good(request: web.Request, data: bytes, etag: str) -> web.Response:
    """As RFC 9110 has it: the rest where it is asked for and the file is the same, else the whole."""
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    if not start or request.headers.get("If-Range") != etag:
        return web.Response(body=data, headers={"ETag": etag})
    headers = {"ETag": etag, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(status=206, body=data[start:], headers=headers)


def broken(at: int, stays: bool = False, **headers: str) -> Special:
    """The body up to a place (of the whole file), then the connection is dropped, or silent for good where it `stays`."""

    async def answer(request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data)), **(headers or {"ETag": '"one"'})})
        await response.prepare(request)
        await response.write(data[:at])
        if stays:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        request.transport.close()
        return response

    return answer


def refusal(status: int, **headers: str) -> Special:
    return lambda request, data: web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    servers = Servers()
    yield Mirror(servers)
    servers.stop()


def config(mirror: Mirror, **settings: Any) -> CommonCrawlConfig:
    given = {"snapshot": SNAPSHOT, "count": 1, "base_url": mirror.site.url(), "backoff_s": 0.01, "max_attempts": 3}
    return CommonCrawlConfig.model_validate({**given, **settings})


def check(folder: Path, names: tuple[str, ...] = NAMES[:1], files: dict[str, bytes] = FILES) -> None:
    """The folder holds the files, byte by byte, and its manifest says so; nothing is left of the work."""
    said = json.loads((folder / "crawl.json").read_text())
    assert {path.name for path in folder.iterdir()} == {*names, "crawl.json", "crawl.lock"}
    assert said["outcomes"] == {"fetched": len(names)}
    assert said["files"] == [{"name": name, "bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in names]
    assert all((folder / name).read_bytes() == files[name] for name in names)


def test_files_are_the_bytes_of_the_server(mirror: Mirror, tmp_path: Path) -> None:
    told: list[Progress] = []
    given = config(mirror, first=1, count=3, contact="crawl@example.org")
    size = sum(len(FILES[name]) for name in NAMES[1:])
    assert fetch(given, tmp_path, told.append) == Fetched(False, NAMES[1:], size)
    check(tmp_path, NAMES[1:])
    assert json.loads((tmp_path / "crawl.json").read_text())["fingerprint"] == given.fingerprint
    assert told[-1] == Progress(files=3, of=3, bytes=size + len(mirror.listing))
    assert "crawl@example.org" in mirror.site.headers[0]["User-Agent"]


def test_wet_files_have_a_listing_of_their_own(mirror: Mirror, tmp_path: Path) -> None:
    name, listing = "a.warc.wet.gz", gzip.compress(b"crawl-data/a.warc.wet.gz\n")
    mirror.site.pages |= {f"/crawl-data/{SNAPSHOT}/wet.paths.gz": listing, f"/crawl-data/{name}": FILES[NAMES[0]]}
    fetch(config(mirror, kind="wet"), tmp_path)
    check(tmp_path, (name,), {name: FILES[NAMES[0]]})


@pytest.mark.parametrize("connections", [1, 3])
def test_so_many_connections_at_a_time(mirror: Mirror, tmp_path: Path, connections: int) -> None:
    async def slow(request: web.Request, data: bytes) -> None:
        await asyncio.sleep(0.1)

    mirror.special = {name: [slow] for name in NAMES}
    fetch(config(mirror, count=4, connections=connections), tmp_path)
    assert mirror.site.most_together == connections


def test_proxies_of_the_environment_are_not_asked(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fetch(config(mirror), tmp_path)
    check(tmp_path)


def test_a_second_call_asks_for_nothing(mirror: Mirror, tmp_path: Path) -> None:
    first = fetch(config(mirror), tmp_path)
    asked = len(mirror.site.requests)
    again = config(mirror, connections=1, base_url="http://127.0.0.1:1")
    assert fetch(again, tmp_path) == Fetched(True, first.files, first.bytes)
    assert len(mirror.site.requests) == asked


def test_a_larger_count_asks_for_and_reads_the_others_only(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(fetching, "digest", lambda path, real=fetching.digest: (read.append(path.name), real(path))[1])
    fetch(config(mirror, count=2), tmp_path)
    assert not fetch(config(mirror, count=4), tmp_path).already_done
    check(tmp_path, NAMES)
    assert sorted(read) == list(NAMES)
    assert [len(mirror.asked(name)) for name in NAMES] == [1, 1, 1, 1]


def test_a_file_that_is_listed_and_gone_is_fetched_again(mirror: Mirror, tmp_path: Path) -> None:
    fetch(config(mirror, count=2), tmp_path)
    (tmp_path / NAMES[0]).unlink()
    mirror.files[NAMES[0]] = FILES[NAMES[3]]
    fetch(config(mirror, count=3), tmp_path)
    check(tmp_path, NAMES[:3], mirror.files)


def test_a_smaller_count_lists_fewer(mirror: Mirror, tmp_path: Path) -> None:
    fetch(config(mirror, count=2), tmp_path)
    assert fetch(config(mirror, count=1), tmp_path).files == NAMES[:1]


# Refusals and broken connections


@pytest.mark.parametrize(("name", "status"), [("warc.paths.gz", 429), (NAMES[0], 503)])
def test_waits_as_long_as_the_server_asks(mirror: Mirror, tmp_path: Path, name: str, status: int) -> None:
    mirror.special[name] = [refusal(status, Retry_After="1")]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    times = [at for path, at in zip(mirror.site.requests, mirror.site.times, strict=True) if path.endswith(name)]
    assert 0.95 < times[1] - times[0] < 3


def test_pauses_double_up_to_the_most(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [refusal(500)] * 4
    fetch(config(mirror, backoff_s=0.1, max_backoff_s=0.3, max_attempts=5), tmp_path)
    times = mirror.site.times[1:]
    pauses = [after - before for before, after in pairwise(times)]
    assert all(least <= pause < least + 0.09 for least, pause in zip([0.1, 0.2, 0.3, 0.3], pauses, strict=True)), pauses


def test_a_server_that_always_refuses_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [refusal(503)] * 9
    with pytest.raises(CommonCrawlError, match=rf"http://.*{NAMES[0]}: HTTP 503"):
        fetch(config(mirror), tmp_path)
    assert len(mirror.asked(NAMES[0])) == 3


def test_a_server_that_asks_for_a_day_is_given_up_at_once(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [refusal(429, Retry_After="86400")]
    with pytest.raises(CommonCrawlError, match="86400 seconds"):
        fetch(config(mirror), tmp_path)
    assert len(mirror.asked(NAMES[0])) == 1


@pytest.mark.parametrize("status", [403, 404, 301])
def test_a_file_that_is_not_there_is_an_error_at_once(mirror: Mirror, tmp_path: Path, status: int) -> None:
    mirror.special[NAMES[0]] = [refusal(status, Location="/")]
    with pytest.raises(CommonCrawlError, match=rf"http://.*{NAMES[0]}: HTTP {status}"):
        fetch(config(mirror), tmp_path)
    assert len(mirror.site.requests) == 2
    assert not (tmp_path / "crawl.json").exists()


def test_a_snapshot_that_is_not_there_is_an_error_that_names_its_listing(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(CommonCrawlError, match=r"CC-MAIN-1999-01/warc.paths.gz: HTTP 404"):
        fetch(config(mirror, snapshot="CC-MAIN-1999-01"), tmp_path)


def test_no_server_is_an_error_that_says_so(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(CommonCrawlError, match=r"127.0.0.1:1/.*ClientConnectorError"):
        fetch(config(mirror, base_url="http://127.0.0.1:1", max_attempts=2), tmp_path)


def test_a_dropped_connection_goes_on_where_it_broke_off(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [broken(123_456)]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, "bytes=123456-"]


def test_attempts_that_bring_bytes_are_not_counted(mirror: Mirror, tmp_path: Path) -> None:
    async def some_more(request: web.Request, data: bytes) -> web.StreamResponse:
        answer = good(request, data, '"one"')
        response = web.StreamResponse(status=answer.status, headers={**answer.headers, "Content-Length": str(len(answer.body))})
        await response.prepare(request)
        await response.write(answer.body[:40_000])
        await asyncio.sleep(0.02)
        request.transport.close()
        return response

    mirror.special[NAMES[0]] = [some_more] * 6
    fetch(config(mirror, max_attempts=1), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, *(f"bytes={40_000 * times}-" for times in range(1, 7))]


def test_silence_is_broken_off(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=0.3))
    mirror.special[NAMES[0]] = [broken(100_000, stays=True)]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, "bytes=100000-"]


# Servers that lie


def test_a_file_that_has_changed_begins_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [broken(200_000)]
    mirror.etag, mirror.files[NAMES[0]] = '"two"', FILES[NAMES[1]]
    fetch(config(mirror), tmp_path)
    check(tmp_path, files={NAMES[0]: FILES[NAMES[1]]})
    assert mirror.asked(NAMES[0]) == [None, "bytes=200000-"]


@pytest.mark.parametrize("answer", ["416", "206"])
def test_a_file_that_has_changed_at_a_server_that_ignores_if_range(mirror: Mirror, tmp_path: Path, answer: str) -> None:
    def other_rest(request: web.Request, data: bytes) -> web.Response:
        headers = {"Content-Range": f"bytes 200000-{len(data) - 1}/{len(data)}", "ETag": '"two"'}
        return web.Response(status=206, body=data[200_000:], headers=headers) if answer == "206" else web.Response(status=416)

    mirror.special[NAMES[0]] = [broken(200_000), other_rest]
    mirror.etag, mirror.files[NAMES[0]] = '"two"', FILES[NAMES[1]]
    fetch(config(mirror), tmp_path)
    check(tmp_path, files={NAMES[0]: FILES[NAMES[1]]})
    assert mirror.asked(NAMES[0]) == [None, "bytes=200000-", None]


@pytest.mark.parametrize("etag", ['W/"one"', "", '"é"'])
def test_without_a_strong_etag_every_attempt_begins_anew(mirror: Mirror, tmp_path: Path, etag: str) -> None:
    mirror.special[NAMES[0]] = [broken(200_000, ETag=etag)]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, None]


def test_a_server_without_ranges_begins_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [broken(200_000), lambda request, data: web.Response(body=data)]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, "bytes=200000-"]


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [broken(200_000, ETag="")] * 20
    with pytest.raises(CommonCrawlError, match="ClientPayloadError"):
        fetch(config(mirror), tmp_path)
    assert len(mirror.asked(NAMES[0])) == 4


@pytest.mark.parametrize("said", ["", "bytes 0-{last}/{size}", "bytes 200000-{last}/999999999", "bytes 200000-200001/{size}", "x"])
def test_a_wrong_content_range_is_an_error(mirror: Mirror, tmp_path: Path, said: str) -> None:
    size = len(FILES[NAMES[0]])
    headers = {"Content-Range": said.format(last=size - 1, size=size)}
    mirror.special[NAMES[0]] = [broken(200_000), lambda request, data: web.Response(status=206, body=data[200_000:], headers=headers)]
    with pytest.raises(CommonCrawlError, match=f"Content-Range.*200000-{size - 1}/{size}"):
        fetch(config(mirror), tmp_path)


def test_a_rest_that_was_not_asked_for_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [lambda request, data: web.Response(status=206, body=data[5:])]
    with pytest.raises(CommonCrawlError, match=r"HTTP 206.*expected 200"):
        fetch(config(mirror), tmp_path)


@pytest.mark.parametrize("by", [-7, 7])
def test_a_rest_of_the_wrong_length_never_makes_a_file(mirror: Mirror, tmp_path: Path, by: int) -> None:
    def rest(request: web.Request, data: bytes) -> web.Response:
        headers = {"Content-Range": f"bytes 200000-{len(data) - 1}/{len(data)}", "ETag": '"one"'}
        return web.Response(status=206, body=(data[200_000:] + bytes(7))[: len(data) - 200_000 + by], headers=headers)

    mirror.special[NAMES[0]] = [broken(200_000), rest]
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0])[2] == (None if by > 0 else f"bytes={len(FILES[NAMES[0]]) - 7}-")


def test_a_file_of_no_announced_length_is_an_error(mirror: Mirror, tmp_path: Path) -> None:
    async def chunked(request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(data)
        return response

    mirror.special[NAMES[0]] = [chunked]
    with pytest.raises(CommonCrawlError, match="Content-Length 0, expected 1 to any"):
        fetch(config(mirror), tmp_path)


@pytest.mark.parametrize("name", [NAMES[0], "warc.paths.gz"])
def test_what_is_no_gzip_file_is_an_error(mirror: Mirror, tmp_path: Path, name: str) -> None:
    mirror.special[name] = [lambda request, data: web.Response(text="<html>Please log in</html>")]
    with pytest.raises(CommonCrawlError, match=rf"{name}: expected a gzip file"):
        fetch(config(mirror), tmp_path)
    assert not list(tmp_path.glob(f"{name}*.open"))


# Listings


@pytest.mark.parametrize(
    "line",
    [
        "crawl-data/../../etc/x.warc.gz",
        "crawl-data/./x.warc.gz",
        "../crawl-data/x.warc.gz",
        "/crawl-data/x.warc.gz",
        "http://elsewhere.example/crawl-data/x.warc.gz",
        "//elsewhere.example/crawl-data/x.warc.gz",
        "crawl-data//x.warc.gz",
        "crawl-data/.warc.gz",
        "crawl-data/x\x00.warc.gz",
        "crawl-data/x\r.warc.gz",
        "crawl-data/x.warc.gz\r",
        "crawl-data/x.warc.gz?y.warc.gz",
        "crawl-data/%2e%2e/x.warc.gz",
        "crawl-data/é.warc.gz",
        "crawl-data/x\u2028.warc.gz",
        "crawl-data/crawl.json",
        f"crawl-data/{'x' * 250}.warc.gz",
        "other/x.warc.gz",
        "",
    ],
)
def test_a_hostile_line_is_an_error_wherever_it_stands(mirror: Mirror, tmp_path: Path, line: str) -> None:
    mirror.listing = gzip.compress(f"{place(NAMES[0])[1:]}\n{line}\n".encode())
    with pytest.raises(CommonCrawlError, match=r"warc.paths.gz: expected paths like crawl-data/") as caught:
        fetch(config(mirror), tmp_path)
    assert str(caught.value).isprintable()
    assert len(mirror.site.requests) == 1


def test_two_files_of_one_name_are_an_error(mirror: Mirror, tmp_path: Path) -> None:
    mirror.listing = gzip.compress(b"crawl-data/a/x.warc.gz\ncrawl-data/b/x.warc.gz\n")
    with pytest.raises(CommonCrawlError, match="each file name once"):
        fetch(config(mirror), tmp_path)


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        (gzip.compress(bytes(65_000_000)), "at most 64000000 bytes unpacked"),
        (gzip.compress(random.Random(0).randbytes(10_000))[:-2_000], "ended before the end"),
        (gzip.compress(b"crawl-data/x.warc.gz\n" * 9)[:-8] + bytes(8), "CRC check failed"),
        (b"\x1f\x8b" + b"rubbish" * 9, "Unknown compression method"),
        (gzip.compress(b"")[:10] + b"\xff" * 9, "invalid block type"),
    ],
    ids=["bomb", "cut", "damaged", "rubbish", "no blocks"],
)
def test_a_listing_that_cannot_be_unpacked_is_an_error(mirror: Mirror, tmp_path: Path, listing: bytes, says: str) -> None:
    mirror.listing = listing
    with pytest.raises(CommonCrawlError, match=f"warc.paths.gz: .*{says}"):
        fetch(config(mirror), tmp_path)


def test_an_endless_listing_is_refused_before_it_comes(mirror: Mirror, tmp_path: Path) -> None:
    async def endless(request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(10**15)})
        await response.prepare(request)
        while True:
            await response.write(bytes(1000))
            await asyncio.sleep(0.01)

    mirror.special["warc.paths.gz"] = [endless]
    with pytest.raises(CommonCrawlError, match="Content-Length 1000000000000000, expected 1 to 64000000"):
        fetch(config(mirror), tmp_path)


@pytest.mark.parametrize(("first", "count"), [(0, 5), (3, 2), (9, 1)])
def test_too_few_lines_are_an_error_that_says_how_many(mirror: Mirror, tmp_path: Path, first: int, count: int) -> None:
    with pytest.raises(CommonCrawlError, match=rf"4 files, expected at least first \+ count, {first + count}"):
        fetch(config(mirror, first=first, count=count), tmp_path)


# Kills


def _child(settings: str, folder: str, deadly: str | None = None, call: int = 1) -> None:
    """Fetch, and die where a function of the module is called for that time."""
    real, calls = getattr(fetching, deadly or "fetch"), iter(range(1, 100))
    if deadly:
        setattr(fetching, deadly, lambda *args: real(*args) if next(calls) < call else os.kill(os.getpid(), signal.SIGKILL))
    fetch(CommonCrawlConfig.model_validate_json(settings), Path(folder))


def test_killed_in_the_middle_goes_on_with_the_rest(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[0]] = [broken(250_000, stays=True)]
    given, part = config(mirror), tmp_path / f"{NAMES[0]}.open"
    process = FORKS.Process(target=_child, args=(given.model_dump_json(), str(tmp_path)))
    process.start()
    until = time.monotonic() + 20
    while (not part.exists() or part.stat().st_size < 200_000) and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.join()
    have = part.stat().st_size
    assert 200_000 <= have <= 250_000
    fetch(given, tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None, f"bytes={have}-"]


@pytest.mark.parametrize(("deadly", "call"), [("_close", 2), ("sync_folder", 2), ("digest", 1), ("canonical", 1)])
def test_killed_after_the_last_byte_asks_for_no_file_again(mirror: Mirror, tmp_path: Path, deadly: str, call: int) -> None:
    given = config(mirror)
    process = FORKS.Process(target=_child, args=(given.model_dump_json(), str(tmp_path), deadly, call))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "crawl.json").exists()
    fetch(given, tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None]


@pytest.mark.parametrize("mark", ["", "4", '12 "one', '10 "one"', "\x00\x00", "\xff", '999999999999999999999 "one"'])
def test_a_spoilt_mark_begins_anew(mirror: Mirror, tmp_path: Path, mark: str) -> None:
    (tmp_path / f"{NAMES[0]}.open").write_bytes(bytes(1000))
    (tmp_path / f"{NAMES[0]}.etag").write_bytes(mark.encode("latin-1"))
    fetch(config(mirror), tmp_path)
    check(tmp_path)
    assert mirror.asked(NAMES[0]) == [None]


def test_a_failure_keeps_what_has_come(mirror: Mirror, tmp_path: Path) -> None:
    mirror.special[NAMES[1]] = [refusal(404)]
    with pytest.raises(CommonCrawlError, match=f"{NAMES[1]}: HTTP 404"):
        fetch(config(mirror, count=2, connections=1), tmp_path)
    fetch(config(mirror, count=2), tmp_path)
    check(tmp_path, NAMES[:2])
    assert len(mirror.asked(NAMES[0])) == 1


# Folders


@pytest.mark.parametrize(
    "found",
    [
        {"fingerprint": "0", "config": {"seeds": ["http://a.example/"]}, "files": []},
        {"fingerprint": "0", "files": []},
        {"fingerprint": "0", "config": {"snapshot": "CC-MAIN-2020-10", "kind": "warc"}, "files": []},
        {"fingerprint": "0", "config": {"snapshot": SNAPSHOT, "kind": "wet"}, "files": []},
        None,
    ],
)
def test_a_folder_of_another_crawl_is_an_error(mirror: Mirror, tmp_path: Path, found: dict[str, Any] | None) -> None:
    (tmp_path / ("crawl.json" if found else "frontier.sqlite")).write_text(json.dumps(found))
    with pytest.raises(CommonCrawlError, match=f"expected warc files of {SNAPSHOT} or none"):
        fetch(config(mirror), tmp_path)
    assert not mirror.site.requests


def test_one_process_at_a_time(mirror: Mirror, tmp_path: Path) -> None:
    with (tmp_path / "crawl.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(CrawlError, match="another crawl is at work here"):
            fetch(config(mirror), tmp_path)
    fetch(config(mirror), tmp_path)
    check(tmp_path)


# Memory


def _peak_growth(settings: str, folder: str, out: Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fetched = fetch(CommonCrawlConfig.model_validate_json(settings), Path(folder))
    out.send((fetched.bytes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024))


def test_memory_does_not_grow_with_the_file(mirror: Mirror, tmp_path: Path) -> None:
    size = 96_000_000

    async def large(request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size), "ETag": '"one"'})
        await response.prepare(request)
        piece = b"\x1f\x8b".ljust(1_000_000, b"x")
        for _ in range(size // len(piece)):
            await response.write(piece)
        return response

    mirror.special[NAMES[0]] = [large]
    back, out = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_peak_growth, args=(config(mirror).model_dump_json(), str(tmp_path), out))
    process.start()
    assert back.poll(30)
    fetched, growth = back.recv()
    process.join()
    assert fetched == size
    assert growth < 32_000_000


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"snapshot": "CC-MAIN-2026-40/../x"},
        {"snapshot": "CC-NEWS"},
        {"snapshot": "CC-MAIN-2026-40\n"},
        {"snapshot": "CC-MAIN-٢٠٢٦-٤٠"},
        {"kind": "wat"},
        {"count": 0},
        {"first": -1},
        {"base_url": "ftp://data.example"},
        {"base_url": "http://name:secret@data.example"},
        {"base_url": "http://"},
        {"base_url": "http://data.example/?x"},
        {"contact": "a\r\nX: b"},
        {"more": 1},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CommonCrawlConfig.model_validate({"snapshot": SNAPSHOT, "count": 1, **wrong})


def test_fingerprint_tells_which_files_and_not_how_they_came() -> None:
    def fingerprint(**settings: Any) -> str:
        return CommonCrawlConfig.model_validate({"snapshot": SNAPSHOT, "count": 1, **settings}).fingerprint

    same = {
        "base_url": "http://mirror.example",
        "connections": 9,
        "max_attempts": 1,
        "backoff_s": 9.0,
        "max_backoff_s": 9.0,
        "contact": "a@h.example",
    }
    assert fingerprint(**same) == fingerprint()
    others = [{}, {"snapshot": "CC-MAIN-2026-41"}, {"kind": "wet"}, {"first": 1}, {"count": 2}]
    assert len({fingerprint(**other) for other in others}) == len(others)
