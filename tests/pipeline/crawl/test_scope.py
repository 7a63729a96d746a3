from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl
from pipeline.crawl.scope import Scope

from .loopback import Crawled, Names, Servers, Site, links

Run = Callable[..., Crawled]


def refusal(url: str, seeds: list[str] | None = None, **settings: Any) -> tuple[str, str] | None:
    config = CrawlConfig.model_validate({"seeds": seeds or ["http://example.org/start"], "contact": "a@h.example", **settings})
    parsed = config.normalise(url)
    assert parsed is not None
    return Scope(config).refusal(parsed)


@pytest.mark.parametrize(
    ("url", "settings", "outcome"),
    [
        ("http://example.org/a", {}, None),
        ("https://www.example.org/a", {}, None),
        ("http://sub.example.org/a", {}, "scope"),
        ("http://example.org:81/a", {}, "scope"),
        ("http://example.organic/a", {}, "scope"),
        ("http://sub.example.org/a", {"hosts": ["*.example.org"]}, None),
        ("http://a.b.example.org/a", {"hosts": ["*.example.org"]}, None),
        ("http://example.org/a", {"hosts": ["*.example.org"]}, "scope"),
        ("http://example.org/a", {"hosts": ["example.org", "*.example.org"]}, None),
        ("http://badexample.org/a", {"hosts": ["example.org", "*.example.org"]}, "scope"),
        ("http://example.org.evil.net/a", {"hosts": ["example.org", "*.example.org"]}, "scope"),
        ("http://sub.example.org:81/a", {"hosts": ["*.example.org"]}, "scope"),
        ("http://sub.example.org:81/a", {"hosts": ["*.example.org:*"]}, None),
        ("http://example.org/docs/a?b=/x", {"include": ["http://example.org/docs/*"]}, None),
        ("http://example.org/docs", {"include": ["/docs/*"]}, "scope"),
        ("http://example.org/x/docs/a", {"include": ["/docs/*"]}, "scope"),
        ("http://example.org/docs/private/a", {"include": ["/docs/*"], "exclude": ["/docs/private/*"]}, "scope"),
        ("http://example.org/docs/a", {"include": ["/docs/*"]}, None),
        ("http://example.org/blog/a", {"include": ["/docs/*"]}, "scope"),
        ("http://example.org/a?print=1", {"exclude": ["*print=1"]}, "scope"),
        ("https://example.org/a", {"exclude": ["https:*"]}, "scope"),
        ("http://example.org/start", {"include": ["/docs/*"]}, None),
        ("http://example.org/a.PDF", {}, "content_type"),
        ("http://example.org/a.pdf/b", {}, None),
        ("http://example.org/x/" + "y" * 2000, {}, "trap"),
        ("http://example.org" + "/a/b" * 3, {}, None),
        ("http://example.org" + "/a/b" * 4, {}, "trap"),
        ("http://example.org/" + "/".join(map(str, range(24))), {}, None),
        ("http://example.org/" + "/".join(map(str, range(25))), {}, "trap"),
    ],
)
def test_scope(url: str, settings: dict[str, Any], outcome: str | None) -> None:
    found = refusal(url, **settings)
    assert (found and found[0]) == outcome


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("http://example.org/x", True),
        ("https://www.example.org/", True),
        ("http://example.net/", False),
        ("http://example.org:8080/", False),
    ],
)
def test_hosts_that_may_be_connected_to(url: str, covered: bool) -> None:
    config = CrawlConfig.model_validate({"seeds": ["http://example.org/start"], "contact": "a@h.example", "include": ["/never/*"]})
    parsed = config.normalise(url)
    assert parsed is not None
    assert Scope(config).covers(parsed) is covered


def test_a_host_in_brackets_is_an_address_and_no_glob() -> None:
    assert refusal("http://[2001:db8::1]:8000/a", seeds=["http://[2001:db8::1]:8000/"]) is None
    assert refusal("http://2:8000/a", seeds=["http://[2001:db8::1]:8000/"]) == ("scope", "host")


def test_the_host_of_a_seed_may_be_connected_to_whatever_hosts_says() -> None:
    config = CrawlConfig.model_validate({"seeds": ["http://example.org/start"], "contact": "a@h.example", "hosts": ["*.example.net"]})
    assert [Scope(config).covers(url) for url in config.seed_urls()] == [True]
    assert refusal("http://example.org/other", hosts=["*.example.net"]) == ("scope", "host")


# Each limit in a whole crawl


@pytest.fixture
def branching(servers: Servers) -> Site:
    """Every page leads to three more, without end, under its own path; of 1 kB each."""
    return servers.site(
        {"*": lambda request: links(*(f"{request.path.rstrip('/')}/{name}" for name in "abc"), text="x" * 1000), "/robots.txt": ""}
    )


def kept(crawled: Crawled) -> set[str]:
    return {"/" + url.split("/", 3)[3] for url, _ in crawled.records}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_depth": 0}, {"/"}),
        ({"max_depth": 1}, {"/", "/a", "/b", "/c"}),
        ({"max_depth": 2, "include": ["/a*"]}, {"/", "/a", "/a/a", "/a/b", "/a/c"}),
        ({"max_depth": 2, "exclude": ["/b*", "*/c"]}, {"/", "/a", "/a/a", "/a/b"}),
    ],
    ids=["seeds alone", "depth", "path prefix", "exclude"],
)
def test_a_crawl_within_its_scope(branching: Site, run: Run, settings: dict[str, Any], expected: set[str]) -> None:
    crawled = run(branching.url(), **settings)
    assert kept(crawled) == expected
    assert len(branching.requests) == len(expected) + 1, "nothing else is asked for"
    assert {row["outcome"] for row in crawled.log.values()} == {"fetched", "scope"}


@pytest.mark.parametrize(
    ("settings", "pages"), [({"max_pages": 7}, 7), ({"max_pages_per_host": 5}, 5), ({"max_bytes": 5000}, 5)], ids=["pages", "host", "bytes"]
)
def test_a_crawl_within_a_number(branching: Site, run: Run, settings: dict[str, Any], pages: int) -> None:
    crawled = run(branching.url(), max_segment_repeats=9, **settings)
    assert len(crawled.records) == crawled.report.fetched == pages
    assert {row["outcome"] for row in crawled.log.values()} == {"fetched", "limit"}
    assert len(branching.requests) <= pages + 2


def test_a_crawl_of_a_domain_with_its_subdomains(servers: Servers, tmp_path: Path) -> None:
    site = servers.site()
    port = site.host.split(":")[1]
    names = ("example.org", "docs.example.org", "a.docs.example.org", "badexample.org", "example.net")
    site.pages |= {"*": links(*(f"http://{name}:{port}/" for name in names)), "/robots.txt": ""}
    hosts = (f"example.org:{port}", f"*.example.org:{port}")
    config = CrawlConfig(seeds=(f"http://example.org:{port}/",), hosts=hosts, allow_hosts=names, delay_s=0, sitemaps=False)
    crawled = Crawled(tmp_path, crawl(config, tmp_path, resolver=Names("127.0.0.1")))
    assert {row["host"].split(":")[0]: row["outcome"] for row in crawled.log.values()} == {
        **dict.fromkeys(names[:3], "fetched"),
        **dict.fromkeys(names[3:], "scope"),
    }
