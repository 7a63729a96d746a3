"""The format alone: what a sitemap lists, and what a hostile one may not do."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import pytest

from pipeline.crawl.sitemap import Listing, NoSitemapError, read

NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*locations: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>', attributes: str = NAMESPACE) -> str:
    return f"{head}<urlset {attributes}>" + "".join(f"<url><loc>{each}</loc></url>" for each in locations) + "</urlset>"


def listing(body: str | bytes, max_bytes: int = 10_000_000, max_locations: int = 1000) -> Listing:
    return read(body.encode() if isinstance(body, str) else body, max_bytes, max_locations)


@pytest.mark.parametrize(
    "body",
    [
        urlset("http://h/a", "http://h/b?x=1&amp;y=2"),
        urlset("http://h/a", "http://h/b?x=1&amp;y=2", attributes=""),
        "\ufeff" + urlset("http://h/a", "http://h/b?x=1&amp;y=2"),
        "\n  " + urlset("http://h/a", "http://h/b?x=1&amp;y=2", head=""),
        urlset(" http://h/a\n", "<![CDATA[http://h/b?x=1&y=2]]>"),
        urlset("http://h/a", "http://h/b?x=1&amp;y=2", head='<?xml version="1.0" encoding="utf-16"?>').encode("utf-16"),
        gzip.compress(urlset("http://h/a", "http://h/b?x=1&amp;y=2").encode()),
        "http://h/a\r\n\nhttp://h/b?x=1&y=2\n",
        "\ufeffhttp://h/a\nhttp://h/b?x=1&y=2",
        gzip.compress(b"http://h/a\nhttp://h/b?x=1&y=2"),
    ],
    ids=["xml", "no namespace", "mark", "space", "cdata", "utf-16", "gzip", "lines", "lines with a mark", "gzipped lines"],
)
def test_locations(body: str | bytes) -> None:
    assert listing(body) == Listing(["http://h/a", "http://h/b?x=1&y=2"])


def test_an_index_lists_sitemaps() -> None:
    body = f"<sitemapindex {NAMESPACE}><sitemap><loc>http://h/1.xml</loc><lastmod>2026-01-01</lastmod></sitemap></sitemapindex>"
    assert listing(body) == Listing(["http://h/1.xml"], index=True)


def test_extensions_are_no_pages() -> None:
    body = urlset("http://h/a", attributes=f'{NAMESPACE} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"')
    picture = "<image:image><image:loc>http://h/p.png</image:loc></image:image><loc2>http://h/2</loc2></url>"
    assert listing(body.replace("</url>", picture)).locations == ["http://h/a"]


@pytest.mark.parametrize("body", ["", "<html><body>not here</body></html>", "<!doctype html><p>soft 404", "not here", "<rss/>", b"\0\1\2"])
def test_what_is_no_sitemap(body: str | bytes) -> None:
    with pytest.raises(NoSitemapError):
        listing(body)


def test_a_broken_one_is_read_up_to_its_damage() -> None:
    found = listing(urlset("http://h/a", "http://h/b?x=1&y=2", "http://h/c"))
    assert found.locations == ["http://h/a"]
    assert found.damage
    assert listing(urlset("http://h/a")[:-9]).locations == ["http://h/a"]
    cut = listing(gzip.compress(urlset(*(f"http://h/{i * i}" for i in range(500))).encode())[:-400])
    assert 0 < len(cut.locations) < 500
    assert cut.damage == "gzip body ends early"


def test_limits_on_locations_are_kept_and_noted() -> None:
    body = urlset(*(f"http://h/{i}" for i in range(10)))
    assert listing(body, max_locations=10).damage is None
    for each in (body, "\n".join(f"http://h/{i}" for i in range(10))):
        assert listing(each, max_locations=4) == Listing([f"http://h/{i}" for i in range(4)], damage="more than 4 locations")


def test_a_gzip_bomb_is_stopped_at_the_bound() -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 50_000_000 + b"</urlset>")
    tracemalloc.start()
    with pytest.raises(NoSitemapError, match="more than 1000000 bytes decoded"):
        listing(bomb, max_bytes=1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000


def test_no_entity_is_expanded(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = urlset("&l9;", head=f'<!DOCTYPE urlset [<!ENTITY l0 "lol">{laughs}]>')
    began = time.monotonic()
    with pytest.raises(NoSitemapError, match="it declares an entity"):
        listing(bomb)
    assert time.monotonic() - began < 1


def test_nothing_outside_the_body_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("http://h/secret")
    (tmp_path / "evil.dtd").write_text('<!ENTITY x "http://h/secret">')
    secret, dtd = ((tmp_path / name).as_uri() for name in ("secret", "evil.dtd"))
    entity = urlset("&x;", head=f'<!DOCTYPE urlset [<!ENTITY x SYSTEM "{secret}">]>')
    parameter = urlset("&x;", head=f'<!DOCTYPE urlset [<!ENTITY % d SYSTEM "{dtd}"> %d;]>')
    subset = urlset("http://h/a", "&x;", head=f'<!DOCTYPE urlset SYSTEM "{dtd}">')
    for each in (entity, parameter):
        with pytest.raises(NoSitemapError, match="it declares an entity"):
            listing(each)
    assert "secret" not in str(listing(subset))
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="' + secret + '"/>'
    assert listing(urlset(include)).locations == []


def test_depth_and_length_are_bounded() -> None:
    deep = listing("<urlset>" + "<x>" * 1_000_000)
    assert deep == Listing(damage="more than 64 elements within each other")
    long = listing(urlset("http://h/" + "x" * 1_000_000, "http://h/a"))
    assert [len(each) for each in long.locations] == [8193, 10], "one that is too long for a URL, and the next"


@pytest.mark.parametrize("encoding", ["utf-7", "no-such", "zlib_codec", "idna"])
def test_a_wrong_encoding_is_no_sitemap(encoding: str) -> None:
    with pytest.raises(NoSitemapError, match="coding"):
        listing(urlset("http://h/a", head=f'<?xml version="1.0" encoding="{encoding}"?>'))
