"""Sitemaps as seeds: which are read, what of them is crawled, and how far a hostile host gets."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from .loopback import Crawled, Servers, Site, links
from .test_sitemap import NAMESPACE, urlset

Run = Callable[..., Crawled]


def index(*locations: str) -> str:
    return f"<sitemapindex {NAMESPACE}>" + "".join(f"<sitemap><loc>{each}</loc></sitemap>" for each in locations) + "</sitemapindex>"


def outcomes(crawled: Crawled) -> dict[str, str]:
    return {"/" + url.split("/", 3)[3]: row["outcome"] for url, row in crawled.log.items()}


def xml(body: str | bytes) -> Callable[[web.Request], web.Response]:
    return lambda request: web.Response(body=body if isinstance(body, bytes) else body.encode(), content_type="application/xml")


def surveyed(site: Site, run: Run, **settings: Any) -> Crawled:
    return run(site.url(), **{"sitemaps": True, **settings})


def test_pages_that_no_link_leads_to_are_found(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home", "/hidden": links("/behind"), "/behind": "behind"})
    site.pages["/sitemap.xml"] = xml(urlset(site.url("/"), site.url("/hidden"), site.url("/gone")))
    crawled = surveyed(site, run)
    assert outcomes(crawled) == {
        **dict.fromkeys(["/", "/hidden", "/behind"], "fetched"),
        "/gone": "status",
        "/sitemap.xml": "sitemap",
    }
    rows = {url.removeprefix(site.url("")): row for url, row in crawled.log.items()}
    assert {path: row["depth"] for path, row in rows.items()} == {"/": 0, "/sitemap.xml": 0, "/hidden": 1, "/gone": 1, "/behind": 2}
    assert rows["/hidden"]["referrer"] == site.url("/sitemap.xml")
    assert rows["/sitemap.xml"]["detail"] == "3 URLs"
    assert crawled.report.seen == len(crawled.log)
    assert site.requests[:2] == ["/robots.txt", "/sitemap.xml"]
    assert "/hidden" not in outcomes(run(site.url(), folder="without"))


def test_a_host_without_one_costs_one_request_and_no_row(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home"})
    assert outcomes(surveyed(site, run)) == {"/": "fetched"}
    assert Counter(site.requests) == Counter(["/robots.txt", "/sitemap.xml", "/"])


def test_those_that_robots_txt_names_are_read_of_any_kind(servers: Servers, run: Run) -> None:
    site = servers.site({f"/{name}": name for name in ("a", "b", "c", "d", "e", "")})
    names = ("/list.txt", "/index.xml.gz", "/missing.xml", "/moved")
    site.pages |= {
        "/robots.txt": "\n".join(f"Sitemap: {site.url(name)}" for name in names),
        "/list.txt": lambda request: web.Response(text=site.url("/a")),
        "/index.xml.gz": xml(gzip.compress(index(site.url("/one.xml"), site.url("/two.xml")).encode())),
        "/one.xml": xml(urlset(site.url("/b"))),
        "/two.xml": xml(urlset(site.url("/c"))),
        "/moved": lambda request: web.Response(status=301, headers={"Location": "/here.xml"}),
        "/here.xml": xml(urlset(site.url("/d"))),
        "/sitemap.xml": xml(urlset(site.url("/e"))),
    }
    found = outcomes(surveyed(site, run))
    assert {path for path, outcome in found.items() if outcome == "fetched"} == {"/", "/a", "/b", "/c", "/d", "/e"}
    assert {path for path, outcome in found.items() if outcome == "sitemap"} == {
        *("/list.txt", "/index.xml.gz", "/one.xml", "/two.xml", "/here.xml", "/sitemap.xml"),
    }
    assert (found["/missing.xml"], found["/moved"]) == ("status", "redirect")


def test_another_hosts_pages_are_taken_from_those_that_robots_txt_names_alone(servers: Servers, run: Run) -> None:
    other = servers.site({"/named": "named", "/guessed": "guessed"})
    site = servers.site({"/": "home", "/named.xml": xml(urlset(other.url("/named"))), "/sitemap.xml": xml(urlset(other.url("/guessed")))})
    site.pages["/robots.txt"] = f"Sitemap: {site.url('/named.xml')}"
    crawled = surveyed(site, run, hosts=[site.host, other.host], allow_hosts=[site.host, other.host])
    assert crawled.outcome(other.url("/named")) == "fetched"
    assert crawled.outcome(other.url("/guessed")) is None
    assert crawled.log[site.url("/sitemap.xml")]["detail"] == "0 URLs; 1 of other hosts or broken"
    assert "/sitemap.xml" not in other.requests, "sitemaps are of the seeds' hosts"


def test_a_sitemap_on_a_host_out_of_scope_is_not_asked_for(servers: Servers, run: Run) -> None:
    canary = servers.site({"*": "secret"})
    site = servers.site({"/": "home", "/moved.xml": lambda request: web.Response(status=302, headers={"Location": canary.url("/x.xml")})})
    site.pages["/index.xml"] = xml(index(canary.url("/nested.xml")))
    site.pages["/robots.txt"] = "\n".join(
        f"Sitemap: {each}"
        for each in (canary.url("/s.xml"), site.url("/moved.xml"), site.url("/index.xml"), "http://[::1", "file:///etc/passwd")
    )
    crawled = surveyed(site, run, allow_hosts=[site.host, canary.host], max_sitemaps=4)
    assert {"/moved.xml", "/index.xml", "/sitemap.xml"} <= set(site.requests), "what is not asked for counts as none"
    assert canary.requests == []
    assert (crawled.outcome(canary.url("/s.xml")), crawled.outcome(canary.url("/x.xml"))) == ("scope", "scope")
    assert crawled.log[site.url("/index.xml")]["detail"] == "0 sitemaps; 1 of other hosts or broken"


def test_what_is_listed_goes_through_scope_and_robots(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home", "*": "page", "/robots.txt": "User-agent: *\nDisallow: /private\nDisallow: /secret.xml"})
    listed = [site.url(path) for path in ("/private/a", "/out/a", "/in/a", "/in/a.pdf")]
    site.pages["/sitemap.xml"] = xml(index(site.url("/secret.xml"), site.url("/open.xml")))
    site.pages["/secret.xml"] = site.pages["/open.xml"] = xml(urlset(*listed, "http://elsewhere.example/"))
    found = outcomes(surveyed(site, run, exclude=["/out/*"]))
    assert found == {
        **dict.fromkeys(["/", "/in/a"], "fetched"),
        **dict.fromkeys(["/private/a", "/secret.xml"], "robots"),
        **dict.fromkeys(["/sitemap.xml", "/open.xml"], "sitemap"),
        "/out/a": "scope",
        "/in/a.pdf": "content_type",
    }
    assert "/secret.xml" not in site.requests


def test_a_crawl_of_the_seeds_alone_asks_for_none(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home"})
    surveyed(site, run, max_depth=0)
    assert "/sitemap.xml" not in site.requests


def test_endless_indexes_meet_every_limit(servers: Servers, run: Run) -> None:
    def endless(request: web.Request) -> web.Response:
        if request.path in ("/", "/robots.txt"):
            return web.Response(text="")
        if request.path.startswith("/page"):
            return web.Response(text="page", content_type="text/html")
        if request.path.startswith("/list"):
            return xml(urlset(*(site.url(f"/page{i}/{request.path[5:]}") for i in range(20))))(request)
        return xml(index(*(site.url(f"{request.path}/{i}") for i in range(3)), site.url(f"/list{request.path}"), site.url("/sitemap.xml")))(
            request
        )

    site = servers.site({"*": endless})
    levels = surveyed(site, run, folder="levels", max_sitemap_levels=2, max_depth=1, max_pages=1)
    assert Counter(row["outcome"] for row in levels.log.values())["sitemap"] == 1 + 3 + 1
    assert levels.log[site.url("/sitemap.xml/0")]["detail"] == "5 sitemaps; deeper than max_sitemap_levels"
    site.requests.clear()
    count = surveyed(site, run, folder="count", max_sitemaps=7, max_sitemap_levels=9, max_pages=1)
    assert Counter(row["outcome"] for row in count.log.values())["sitemap"] == 7
    urls = surveyed(site, run, folder="urls", max_sitemap_urls=33, max_sitemap_levels=9, max_pages=1)
    assert sum("/page" in url for url in urls.log) == 33
    assert max(Counter(site.requests).values()) <= 2, "none is read twice in one crawl"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (xml("<html><body>not here</body></html>"), None),
        (lambda request: web.Response(status=503), None),
        (xml(gzip.compress(b"<urlset>" + b" " * 30_000_000)), None),
        (xml('<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>'), None),
        (lambda request: web.Response(status=302, headers={"Location": "/sitemap.xml"}), "redirect"),
        (xml("<urlset><url><loc>broken"), "sitemap"),
    ],
    ids=["a page", "busy", "bomb", "entity", "loop", "cut"],
)
def test_a_hostile_one_changes_nothing_for_the_pages(servers: Servers, run: Run, answer: Any, outcome: str | None) -> None:
    site = servers.site({"/": links("/a"), "/a": "a", "/sitemap.xml": answer})
    crawled = surveyed(site, run, max_attempts=2, max_decoded_bytes=1_000_000)
    expected = {"/": "fetched", "/a": "fetched"} | ({"/sitemap.xml": outcome} if outcome else {})
    assert outcomes(crawled) == expected


def test_a_named_one_that_fails_says_why(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home", "/bomb": xml(gzip.compress(b"<urlset>" + b" " * 30_000_000)), "/page": "<p>no sitemap"})
    site.pages["/robots.txt"] = f"Sitemap: {site.url('/bomb')}\nSitemap: {site.url('/page')}"
    rows = surveyed(site, run, max_decoded_bytes=1_000_000).log
    assert (rows[site.url("/bomb")]["outcome"], rows[site.url("/bomb")]["detail"]) == ("content_type", "more than 1000000 bytes decoded")
    assert rows[site.url("/page")]["outcome"] == "content_type"


def test_a_sitemap_that_a_page_links_to_is_one_row(servers: Servers, run: Run) -> None:
    site = servers.site({"/": links("/sitemap.xml", "/list.txt"), "/a": "a"})
    site.pages |= {
        "/robots.txt": f"Sitemap: {site.url('/list.txt')}",
        "/sitemap.xml": xml(urlset(site.url("/a"))),
        "/list.txt": lambda request: web.Response(text=site.url("/a")),
    }
    crawled = surveyed(site, run)
    assert outcomes(crawled) == {"/": "fetched", "/a": "fetched", "/sitemap.xml": "content_type", "/list.txt": "fetched"}
    assert crawled.report.seen == 4


def test_sitemaps_keep_the_pace_of_their_host(servers: Servers, run: Run) -> None:
    site = servers.site({"/": "home"})
    site.pages["/sitemap.xml"] = xml(index(site.url("/1.xml"), site.url("/2.xml")))
    surveyed(site, run, delay_s=0.1)
    assert len(site.times) == 5
    assert all(after - before >= 0.099 for before, after in zip(site.times, site.times[1:], strict=False))
    assert site.most_together == 1
