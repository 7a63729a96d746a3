from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.frontier import Frontier, FrontierError, Place, Visit, Warc
from pipeline.crawl.scope import Scope
from pipeline.crawl.urls import Url, parse

WARC = Warc(0, 100, 1, None)


def made(tmp_path: Path, name: str = "frontier.sqlite", **settings: Any) -> Frontier:
    config = CrawlConfig.model_validate({"seeds": ["http://h/"], "contact": "x", **settings})
    return Frontier(tmp_path / name, config, Scope(config).refusal)


def at(path: str) -> Url:
    return parse(f"http://h{path}")


def page(path: str, *links: str, outcome: str = "fetched", nofollow: tuple[str, ...] = ()) -> tuple[Visit, None]:
    return Visit(at(path), outcome, links=tuple(map(at, links)), nofollow_links=tuple(map(at, nofollow))), None


def waiting(frontier: Frontier) -> set[str]:
    return {url.path for url in frontier.window("h", 100).urls}


def logged(frontier: Frontier) -> dict[str, tuple[int, str | None]]:
    return {parse(row[0]).path: (row[2], row[3]) for row in frontier.log()}


def test_a_window_holds_one_level(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    assert waiting(frontier) == {"/"}
    assert frontier.commit([page("/", "/a", "/b")], WARC) == {"h"}
    assert waiting(frontier) == {"/a", "/b"}
    frontier.commit([page("/a", "/c")], WARC)
    assert waiting(frontier) == {"/b"}
    frontier.commit([page("/b", "/d", outcome="redirect")], WARC)
    assert waiting(frontier) == {"/d"}, "a redirect's target is of the redirect's depth, before the next level"
    frontier.commit([page("/d")], WARC)
    assert waiting(frontier) == {"/c"}
    assert frontier.waiting == 1


def test_a_url_is_visited_once(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    frontier.commit([page("/", "/", "/a", "/a")], WARC)
    assert frontier.commit([page("/a", "/", "/a")], WARC) == set()
    assert waiting(frontier) == set()
    assert frontier.hosts() == []
    assert frontier.outcomes() == {"fetched": 2}


def test_what_is_in_scope_depends_on_no_order_of_visits(tmp_path: Path) -> None:
    """A diamond with a long and a short way to /x: whichever is found first, what lies behind /x is of the short one's depth."""
    graph = {"/": ["/l1", "/s1"], "/l1": ["/l2"], "/l2": ["/x"], "/s1": ["/x"], "/x": ["/y"], "/y": ["/z"], "/z": ["/end"], "/end": []}
    found = set()
    for number, order in enumerate(itertools.permutations(["/l1", "/s1"])):
        frontier = made(tmp_path, f"{number}.sqlite", max_depth=4)
        frontier.commit([page("/", *graph["/"])], WARC)
        late = order[1]
        done = {"/", late}
        todo = [order[0]]
        while todo:
            path = todo.pop()
            done.add(path)
            frontier.commit([page(path, *graph[path])], WARC)
            todo += [link for link in graph[path] if link not in done and link not in todo]
            todo = [path for path in todo if path in _all_waiting(frontier)]
        frontier.commit([page(late, *graph[late])], WARC)
        while more := _all_waiting(frontier) - {late}:
            path = more.pop()
            frontier.commit([page(path, *graph[path])], WARC)
        frontier.finish()
        found.add(tuple(sorted(logged(frontier).items())))
    assert len(found) == 1
    assert dict(found.pop())["/z"] == (4, "fetched")


def _all_waiting(frontier: Frontier) -> set[str]:
    rows = frontier._reader.execute("select url from urls where outcome is null and nofollow = 0 and depth <= 4 and hops <= 10")
    return {parse(url).path for (url,) in rows}


def test_a_page_behind_a_chain_of_redirects_is_reached_by_a_link(tmp_path: Path) -> None:
    frontier = made(tmp_path, max_redirects=1)
    frontier.commit([page("/", "/r1", "/zz")], WARC)
    frontier.commit([page("/r1", "/r2", outcome="redirect")], WARC)
    frontier.commit([page("/r2", "/target", outcome="redirect")], WARC)
    assert waiting(frontier) == {"/zz"}
    frontier.commit([page("/zz", "/target")], WARC)
    assert waiting(frontier) == {"/target"}


def test_a_nofollow_link_waits_for_another(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    frontier.commit([page("/", "/a", nofollow=("/n", "/m"))], WARC)
    assert waiting(frontier) == {"/a"}
    frontier.commit([page("/a", "/n")], WARC)
    assert waiting(frontier) == {"/n"}
    frontier.commit([page("/n")], WARC)
    frontier.finish()
    assert logged(frontier)["/m"][1] == "nofollow"
    assert logged(frontier)["/n"][1] == "fetched"


def test_a_url_out_of_scope_has_its_row_and_never_waits(tmp_path: Path) -> None:
    frontier = made(tmp_path, exclude=["/private/*"])
    assert frontier.commit([page("/", "/private/x")], WARC) == set()
    assert logged(frontier)["/private/x"] == (1, "scope")


def test_reopened_it_knows_what_was_committed_and_nothing_else(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    frontier.commit([(Visit(at("/"), "fetched", bytes=7, links=(at("/a"),)), Place(0, 42))], WARC)
    frontier._writer.execute("begin immediate")
    frontier._settle(*page("/a"))
    frontier.close()
    again = made(tmp_path)
    assert waiting(again) == {"/a"}
    assert again.totals() == (1, 7)
    assert again.warcs() == [WARC]
    assert again.waiting == 1


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    made(tmp_path).close()
    made(tmp_path, delay_s=9.0).close()
    with pytest.raises(FrontierError, match="other settings"):
        made(tmp_path, max_depth=3)


def test_every_url_gets_an_outcome_in_the_end(tmp_path: Path) -> None:
    frontier = made(tmp_path, max_depth=1, max_redirects=0)
    frontier.commit([page("/", "/a", "/b")], WARC)
    frontier.commit([page("/a", "/deep"), page("/b", "/hop", outcome="redirect")], WARC)
    frontier.commit([page("/deep")], WARC) if waiting(frontier) else None
    frontier.finish()
    assert {path: outcome for path, (_, outcome) in logged(frontier).items()} == {
        "/": "fetched",
        "/a": "fetched",
        "/b": "redirect",
        "/deep": "scope",
        "/hop": "limit",
    }
