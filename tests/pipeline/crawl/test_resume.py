"""A crawl is killed, with SIGKILL, and begun again: it ends with what an undisturbed one has, each page once."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web
from warcio.archiveiterator import ArchiveIterator

from pipeline.crawl import CrawlConfig, crawl

from .loopback import Crawled, Servers, Site, links

# A process that has imported the crawler and runs nothing: its children start at once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pipeline.crawl", "pytest", "aiohttp.web", "warcio.archiveiterator"])


def sites(servers: Servers, count: int, pages: int, bytes_: int) -> list[Site]:
    """Sites that lead to each other, with redirects, failures, an endless calendar, and pages reached on several ways.

    Only the calendars, which have links from their own site alone, meet the limit on pages of one shape.
    """
    made = [servers.site() for _ in range(count)]
    for number, site in enumerate(made):
        other = made[(number + 1) % count]
        site.pages["*"] = _answers(number, other, pages, bytes_)
    return made


def _answers(number: int, other: Site, pages: int, bytes_: int) -> Callable[[web.Request], Any]:
    busy: Counter[str] = Counter()

    def answer(request: web.Request) -> Any:
        path = request.path
        if path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /private")
        kind, _, rest = path[1:].partition("/")
        at = int(rest) if rest.isdigit() else 0
        text = hashlib.shake_256(f"{number}{path}".encode()).hexdigest(bytes_ // 2)
        if kind == "calendar":
            return links(*(f"/calendar/{at + days}" for days in (1, 7, 30)), text=text)
        if kind == "old":
            return web.Response(status=301, headers={"Location": f"/page/{at % pages}"})
        if kind == "gone":
            return None
        busy[path] += 1
        if at % 11 == 3 and busy[path] == 1:
            return web.Response(status=503)
        near = [*(f"/page/{(at * 2 + step) % pages}" for step in (1, 2)), f"/page/{at // 2}", "/", f"/old/{at * 3 % pages}", "/private/x"]
        return links(*near, "/calendar/1", f"/gone/{at % 5}", other.url(f"/page/{at * 3 % pages}"), text=text)

    return answer


def config(made: list[Site], **settings: Any) -> CrawlConfig:
    given = {
        "seeds": [made[0].url()],
        "hosts": [site.host for site in made],
        "allow_hosts": [site.host for site in made],
        "delay_s": 0,
        "backoff_s": 0.005,
        "max_pages_per_shape": 40,
        "max_depth": 9,
        "hosts_at_once": 8,
    }
    return CrawlConfig.model_validate({**given, **settings})


def contents(folder: Path) -> Counter[tuple[str, str]]:
    """(URL, payload digest) of every response record, by warcio, with every digest valid."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                record.content_stream().read()
                if record.rec_type == "response":
                    found[record.rec_headers["WARC-Target-URI"], record.rec_headers["WARC-Payload-Digest"]] += 1
    return found


def outcomes(folder: Path) -> dict[str, tuple[str, int]]:
    return {row["url"]: (row["outcome"], row["depth"]) for row in pq.read_table(folder / "crawl_log").to_pylist()}


def _child(settings: str, folder: str, place: tuple[str, str, str, int] | None) -> None:
    if place:
        _die_at(*place)
    crawl(CrawlConfig.model_validate_json(settings, strict=False), Path(folder))


def _die_at(owner: str, name: str, when: str, call: int) -> None:
    """Kill this process before or after the given call of a function."""
    module, _, class_ = owner.partition(":")
    holder: Any = importlib.import_module(module)
    holder = getattr(holder, class_) if class_ else holder
    real, calls = getattr(holder, name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, deadly)


def begun(given: CrawlConfig, folder: Path, place: tuple[str, str, str, int] | None = None) -> Any:
    process = FORKS.Process(target=_child, args=(given.model_dump_json(), str(folder), place))
    process.start()
    return process


def check(folder: Path, undisturbed: Path) -> None:
    found = contents(folder)
    assert found == contents(undisturbed)
    assert set(found.values()) == {1}
    assert outcomes(folder) == outcomes(undisturbed)
    manifest, expected = (json.loads((path / "crawl.json").read_text()) for path in (folder, undisturbed))
    assert manifest["outcomes"] == expected["outcomes"]
    assert sum(file["records"] for file in manifest["files"]) == found.total()
    assert {path.name for path in folder.glob("*.warc.gz*")} == {file["name"] for file in manifest["files"]}


def test_killed_at_random_moments(servers: Servers, tmp_path: Path) -> None:
    made = sites(servers, count=3, pages=36, bytes_=400)
    given = config(made)
    whole = Crawled(tmp_path / "whole", crawl(given, tmp_path / "whole"))
    assert whole.report.outcomes["trap"] > 0
    assert {"robots", "redirect", "status"} <= set(whole.report.outcomes)
    asked = sum(len(site.requests) for site in made)
    rng, kills = random.Random(), 0
    for site in made:
        site.requests.clear()
    for _ in range(6):
        process = begun(given, tmp_path / "killed")
        until = sum(len(site.requests) for site in made) + rng.randrange(5, 60)
        deadline = time.monotonic() + 20
        while process.is_alive() and sum(len(site.requests) for site in made) < until and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills >= 3
    report = crawl(given, tmp_path / "killed")
    check(tmp_path / "killed", tmp_path / "whole")
    assert not report.already_done
    assert crawl(given, tmp_path / "killed").already_done
    again = sum(len(site.requests) for site in made) - asked
    assert again <= kills * len(made) * 40, "more was fetched again than can have been in flight"


PLACES = [
    ("pipeline.crawl.warc:Archive", "append", "after", 10),
    ("pipeline.crawl.warc:Archive", "sync", "before", 3),
    ("pipeline.crawl.warc:Archive", "sync", "after", 4),
    ("pipeline.crawl.frontier:Frontier", "_offer", "before", 3),
    ("pipeline.crawl.frontier:Frontier", "_offer", "after", 2),
    ("pipeline.crawl.frontier:Frontier", "commit", "after", 2),
    ("pipeline.crawl.warc:Archive", "next", "before", 1),
    ("pipeline.crawl.warc:Archive", "next", "after", 1),
    ("pipeline.crawl.frontier:Frontier", "note", "before", 1),
    ("pipeline.crawl.frontier:Frontier", "note", "after", 1),
    ("pipeline.crawl.warc:Archive", "discard", "before", 1),
    ("pipeline.crawl.frontier:Frontier", "finish", "before", 1),
    ("pipeline.crawl.frontier:Frontier", "finish", "after", 1),
    ("pipeline.crawl.report", "_write_log", "after", 1),
]


@pytest.mark.timeout(60)
def test_killed_at_every_step_of_a_commit(servers: Servers, tmp_path: Path) -> None:
    made = sites(servers, count=2, pages=16, bytes_=60_000)
    given = config(made, rotate_mb=1, max_pages_per_shape=16)
    crawl(given, tmp_path / "whole")
    for place in PLACES:
        process = begun(given, tmp_path / "killed", place)
        process.join(30)
        assert process.exitcode == -signal.SIGKILL, f"{place} was not reached"
        assert not (tmp_path / "killed/crawl.json").exists()
    crawl(given, tmp_path / "killed")
    check(tmp_path / "killed", tmp_path / "whole")
