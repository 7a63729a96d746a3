"""A crawl, or an edition of it, is killed, with SIGKILL, and begun again: it ends with what an undisturbed one has, each page once."""

from __future__ import annotations

import hashlib
import json
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
from killing import FORKS, die_at
from warcio.archiveiterator import ArchiveIterator

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl

from .loopback import Servers, Site, links, validated
from .test_sitemap import urlset
from .test_survey import index


def sites(servers: Servers, count: int, pages: int, bytes_: int) -> list[Site]:
    """Sites that lead to each other, with sitemaps, redirects, failures, an endless calendar, and pages reached on several ways.

    Only the calendars, which have links from their own site alone, meet the limit on pages of one shape: which pages a limit on
    their number leaves out depends, where other hosts lead to them, on who comes first.
    """
    made = [servers.site() for _ in range(count)]
    for number, site in enumerate(made):
        other = made[(number + 1) % count]
        site.pages["*"] = _answers(number, other, pages, bytes_)
    return made


def _answers(number: int, other: Site, pages: int, bytes_: int) -> Callable[[web.Request], Any]:
    busy: Counter[str] = Counter()

    def robots(request: web.Request, at: int) -> Any:
        return web.Response(text=f"User-agent: *\nDisallow: /private\nSitemap: http://{request.host}/maps")

    def maps(request: web.Request, at: int) -> Any:
        return _sitemap(request.path, f"http://{request.host}", other)

    def calendar(request: web.Request, at: int) -> Any:
        return links(*(f"/calendar/{at + days}" for days in (1, 7, 30)), text=_text(request))

    def old(request: web.Request, at: int) -> Any:
        return web.Response(status=301, headers={"Location": f"/page/{at % pages}"})

    def _text(request: web.Request) -> str:
        return hashlib.shake_256(f"{number}{request.path}".encode()).hexdigest(bytes_ // 2)

    def page(request: web.Request, at: int) -> Any:
        busy[request.path] += 1
        if at % 11 == 3 and busy[request.path] == 1:
            return web.Response(status=503)
        # One page in five is another in every edition; one in three tells so those who ask.
        edition = request.headers["User-Agent"].rpartition("edition-")[2].rstrip(")") if at % 5 == 1 else ""
        near = [*(f"/page/{(at * 2 + step) % pages}" for step in (1, 2)), f"/page/{at // 2}", "/", f"/old/{at * 3 % pages}", "/private/x"]
        far = ["/calendar/1", f"/gone/{at % 5}", other.url(f"/page/{at * 3 % pages}")]
        return validated(links(*near, *far, text=_text(request) + edition), f'"{at}-{edition}"' if at % 3 == 0 else None)(request)

    kinds = {"robots.txt": robots, "maps": maps, "map": maps, "calendar": calendar, "old": old, "gone": lambda *_: None}

    def answer(request: web.Request) -> Any:
        kind, _, rest = request.path[1:].partition("/")
        return kinds.get(kind, page)(request, int(rest) if rest.isdigit() else 0)

    return answer


def _sitemap(path: str, here: str, other: Site) -> web.Response:
    """An index of two sitemaps; their pages are on no other way to be found, but for what these lead to."""
    if path == "/maps":
        return web.Response(text=index(f"{here}/map/0", f"{here}/map/1"), content_type="application/xml")
    number = path.rpartition("/")[2]
    pages = [f"{here}/lonely-{'abc'[i]}/{number}" for i in range(3)]
    return web.Response(text=urlset(*pages, other.url(f"/mapped/{number}"), f"{here}/private/map"), content_type="application/xml")


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
    """(URL, payload digest) of every response and revisit record, by warcio, with every digest valid."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                record.content_stream().read()
                if record.rec_type in ("response", "revisit"):
                    found[record.rec_headers["WARC-Target-URI"], record.rec_headers["WARC-Payload-Digest"]] += 1
    return found


def outcomes(folder: Path) -> dict[str, tuple[str, int]]:
    return {row["url"]: (row["outcome"], row["depth"]) for row in pq.read_table(folder / "crawl_log").to_pylist()}


def _child(settings: str, folder: str, earlier: Path | None, place: tuple[str, str, str, int] | None) -> None:
    if place:
        die_at(*place)
    crawl(CrawlConfig.model_validate_json(settings, strict=False), Path(folder), earlier=earlier)


def begun(given: CrawlConfig, folder: Path, earlier: Path | None = None, place: tuple[str, str, str, int] | None = None) -> Any:
    process = FORKS.Process(target=_child, args=(given.model_dump_json(), str(folder), earlier, place))
    process.start()
    return process


def check(folder: Path, undisturbed: Path) -> None:
    found = contents(folder)
    assert found == contents(undisturbed)
    assert set(found.values()) == {1}
    assert outcomes(folder) == outcomes(undisturbed)
    manifest, expected = (json.loads((path / "crawl.json").read_text()) for path in (folder, undisturbed))
    assert manifest["outcomes"] == expected["outcomes"]
    assert sum(file["records"] for file in manifest["files"]) == manifest["outcomes"].get("fetched", 0)
    assert found.total() == sum(manifest["outcomes"].get(kind, 0) for kind in ("fetched", "unchanged"))
    assert {path.name for path in folder.glob("*.warc.gz*")} == {file["name"] for file in manifest["files"]}


@pytest.mark.timeout(120)
def test_killed_at_random_moments(servers: Servers, tmp_path: Path) -> None:
    made = sites(servers, count=3, pages=36, bytes_=400)
    first = config(made, contact="edition-1@h.example")
    _kill_and_compare(made, first, tmp_path / "first", tmp_path / "first-killed", None)
    assert {"robots", "redirect", "status", "sitemap", "trap", "fetched"} == set(recorded(tmp_path / "first"))
    second = config(made, contact="edition-2@h.example")
    _kill_and_compare(made, second, tmp_path / "second", tmp_path / "second-killed", tmp_path / "first")
    after = recorded(tmp_path / "second")
    assert after["unchanged"] > after["fetched"] > 0
    assert 304 in pq.read_table(tmp_path / "second/crawl_log")["status"].to_pylist()
    assert set(outcomes(tmp_path / "first")) == set(outcomes(tmp_path / "second"))


def recorded(folder: Path) -> Counter[str]:
    return Counter(outcome for outcome, _ in outcomes(folder).values())


_UNDER_WAY = 6  # pages of a host: one asked for, and those that wait to be committed


def _kill_and_compare(made: list[Site], given: CrawlConfig, whole: Path, killed: Path, earlier: Path | None) -> None:
    """Ten kills at random moments of a crawl, which then ends as an undisturbed one did."""
    before = _asked(made)
    crawl(given, whole, earlier=earlier)
    alone = _asked(made) - before
    rng, kills = random.Random(), 0
    for _ in range(10):
        process = begun(given, killed, earlier)
        until = _asked(made) + rng.randrange(4, max(5, alone // 8))
        deadline = time.monotonic() + 20
        while process.is_alive() and _asked(made) < until and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills >= 5
    again = crawl(given, killed, earlier=earlier)
    check(killed, whole)
    assert crawl(given, killed, earlier=earlier).already_done
    assert not again.already_done or kills < 10
    more = _asked(made) - before - 2 * alone
    assert more <= kills * len(made) * _UNDER_WAY, "more was fetched again than can have been in flight"


def _asked(made: list[Site]) -> int:
    """How often for a page: robots.txt is asked for anew in every process, and sitemaps until all that they list is committed."""
    return sum(not path.startswith(("/robots.txt", "/map")) for site in made for path in site.requests)


PLACES = [
    ("pipeline.crawl.survey:Surveyor", "_read", "after", 2),
    ("pipeline.crawl.frontier:Frontier", "take", "before", 1),
    ("pipeline.crawl.frontier:Frontier", "take", "after", 1),
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


@pytest.mark.timeout(120)
def test_killed_at_every_step_of_a_commit(servers: Servers, tmp_path: Path) -> None:
    made = sites(servers, count=2, pages=16, bytes_=60_000)
    earlier = None
    for edition in ("1", "2"):
        given = config(made, rotate_mb=1, max_pages_per_shape=16, contact=f"edition-{edition}@h.example")
        whole, killed = tmp_path / edition, tmp_path / f"{edition}-killed"
        crawl(given, whole, earlier=earlier)
        for place in PLACES:
            process = begun(given, killed, earlier, place)
            process.join(30)
            assert process.exitcode == -signal.SIGKILL, f"{place} was not reached"
            assert not (killed / "crawl.json").exists()
        crawl(given, killed, earlier=earlier)
        check(killed, whole)
        earlier = whole
