from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.frontier import Frontier, Place, Reach, Visit, Warc
from pipeline.crawl.scope import Scope
from pipeline.crawl.survey import Sitemap, Survey
from pipeline.crawl.urls import Url, parse

WARC = Warc(0, 100, 1, None)


def made(tmp_path: Path, **limits: Any) -> Frontier:
    config = CrawlConfig.model_validate({"seeds": ["http://h/"], "contact": "a@h.example", **limits})
    return Frontier(tmp_path, config, Scope(config).refusal)


def at(path: str) -> Url:
    return parse(f"http://h{path}")


def page(path: str, *links: str, outcome: str = "fetched", nofollow: tuple[str, ...] = ()) -> tuple[Visit, None]:
    return Visit(
        at(path), outcome, digest="sha1:A", original_at=1, links=tuple(map(at, links)), nofollow_links=tuple(map(at, nofollow))
    ), None


def waiting(frontier: Frontier) -> set[str]:
    return {url.path for url, *_ in frontier.window("h", 100).waiting}


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


Graph = dict[str, tuple[str, list[str], list[str]]]  # path: outcome, links, nofollow links
PATHS = ["/", *(f"/{name}" for name in "abcdefgh")]
some = st.lists(st.sampled_from(PATHS), max_size=3)
graphs = st.fixed_dictionaries(
    {
        path: st.one_of(st.tuples(st.just("fetched"), some, some), st.tuples(st.just("redirect"), some.map(lambda to: to[:1]), st.just([])))
        for path in PATHS
    }
)


def crawled(frontier: Frontier, graph: Graph, pick: Callable[[list[str]], str]) -> dict[str, tuple[int, str | None]]:
    """Visit what waits, in the order that `pick` says, two at a time."""
    query = "select url from urls where outcome is null and nofollow = 0 and depth <= :max_depth and hops <= :max_hops order by url"
    while rows := frontier._reader.execute(query, frontier._limits).fetchall():
        paths = [parse(url).path for (url,) in rows]
        assert frontier.waiting == len(paths)
        chosen = {pick(paths), pick(paths)}
        frontier.commit([page(path, *graph[path][1], outcome=graph[path][0], nofollow=tuple(graph[path][2])) for path in chosen], WARC)
    frontier.finish()
    return logged(frontier)


@given(graphs, st.randoms(use_true_random=False), st.integers(0, 4), st.integers(0, 3))
@settings(max_examples=60)
def test_what_is_in_scope_depends_on_no_order_of_visits(graph: Graph, rng: Any, max_depth: int, max_redirects: int) -> None:
    found = []
    for pick in (lambda paths: paths[0], lambda paths: paths[-1], rng.choice):
        with tempfile.TemporaryDirectory() as folder:
            frontier = made(Path(folder), max_depth=max_depth, max_redirects=max_redirects)
            found.append(crawled(frontier, graph, pick))
            frontier.close()
    assert found[0] == found[1] == found[2]


@given(graphs, st.lists(st.sampled_from(PATHS), max_size=3), st.integers(0, 3), st.integers(0, 6))
@settings(max_examples=60)
def test_it_depends_on_no_moment_at_which_sitemaps_are_read(graph: Graph, listed: list[str], max_depth: int, moment: int) -> None:
    survey = Survey("http://h", [Sitemap(at("/sitemap.xml"), None, "sitemap")], dict.fromkeys(map(at, listed), at("/sitemap.xml")))
    found = []
    for when in (0, moment):
        with tempfile.TemporaryDirectory() as folder:
            frontier = made(Path(folder), max_depth=max_depth + 1)
            for _ in range(when):
                if paths := sorted(waiting(frontier)):
                    path = paths[0]
                    frontier.commit([page(path, *graph[path][1], outcome=graph[path][0], nofollow=tuple(graph[path][2]))], WARC)
            assert frontier.unsurveyed("h") == ["http://h"]
            frontier.take(survey)
            assert frontier.unsurveyed("h") == []
            found.append(crawled(frontier, graph, lambda paths: paths[0]))
            frontier.close()
    assert found[0] == found[1]
    assert found[0]["/sitemap.xml"] == (0, "sitemap")


def test_a_shorter_way_found_late_moves_what_lies_behind(tmp_path: Path) -> None:
    graph: Graph = {path: ("fetched", [], []) for path in PATHS}
    graph |= {
        "/": ("fetched", ["/a", "/h"], []),
        "/a": ("fetched", ["/b"], []),
        "/b": ("fetched", ["/c"], []),
        "/c": ("fetched", ["/d"], []),
    }
    graph |= {"/h": ("fetched", ["/c"], [])}
    found = crawled(made(tmp_path, max_depth=3), graph, lambda paths: paths[0])
    assert found == {
        "/": (0, "fetched"),
        "/a": (1, "fetched"),
        "/b": (2, "fetched"),
        "/c": (2, "fetched"),
        "/d": (3, "fetched"),
        "/h": (1, "fetched"),
    }


def test_a_shorter_way_moves_what_no_link_may_be_followed_to(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    for each in (page("/", "/a", "/h"), page("/a", "/b"), page("/b", "/c"), page("/c", nofollow=("/n",)), page("/h", "/c")):
        frontier.commit([each], WARC)
    frontier.finish()
    assert logged(frontier)["/n"] == (3, "nofollow")


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


def test_a_way_that_is_better_and_not_good_enough_makes_nothing_wait(tmp_path: Path) -> None:
    frontier = made(tmp_path, max_depth=0)
    frontier.commit([page("/", nofollow=("/far",))], WARC)
    assert frontier._offer({at("/far").id: (at("/far"), Reach(1, 0, 0), None)}) == set()
    assert frontier.waiting == 0


def test_a_url_out_of_scope_has_its_row_and_never_waits(tmp_path: Path) -> None:
    frontier = made(tmp_path, exclude=["/private/*"])
    assert frontier.commit([page("/", "/private/x")], WARC) == set()
    assert logged(frontier)["/private/x"] == (1, "scope")


def test_reopened_it_knows_what_was_committed_and_nothing_else(tmp_path: Path) -> None:
    frontier = made(tmp_path)
    frontier.commit([(Visit(at("/"), "fetched", bytes=7, digest="sha1:A", original_at=1, links=(at("/a"),)), Place(0, 42))], WARC)
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
    with pytest.raises(CrawlError, match="other settings"):
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
