"""The demo's two sites: what they serve, that it is always the same, and that the planted faults are what they say."""

from __future__ import annotations

import http.client
import itertools
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

import ftfy
import pyarrow as pa
import pytest
from resiliparse.extract.html2text import extract_plain_text

from flows.demo import faults, python_docs, serve, site, texts
from flows.demo.faults import FAULTS, Expected, Fault, Seen, disagreements
from flows.demo.page import Page
from pipeline import bounds, step

SEED = 7
# Modules whose documentation would show an environment, a time zone, addresses or paths, and two ordinary ones.
TELLTALE = "cgi difflib doctest json logging os platform pydoc shelve shutil textwrap time unittest.main"
TOLD_BY_A_MACHINE = (str(Path.cwd()), sys.executable, platform.platform(terse=True), " at 0x", "&nbsp;at&nbsp;0x", 'href="file:')


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return site.pages(SEED)


@pytest.fixture(scope="module")
def ports() -> Iterator[serve.Ports]:
    with serve.running() as found:
        yield found


def get(port: int, target: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(serve.LOOPBACK, port, timeout=30)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def words(html: str) -> list[str]:
    """The words of the article element, by no code of the site's own."""
    article = re.sub(r"<[^>]*>", " ", html.partition("<article>")[2].partition("</article>")[0])
    return re.sub(r"\W+", " ", article.replace("&amp;", "&").lower()).split()


def shingles(page: Page) -> set[str]:
    found = words(page.body.decode())
    return {" ".join(found[place : place + 5]) for place in range(len(found) - 4)}


def jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def clean_english(pages: dict[str, Page]) -> dict[str, Page]:
    return {path: page for path, page in pages.items() if re.match(r"/(articles|towns|walks|workshops)/.", path)}


# The same bytes


def test_two_processes_serve_the_same_bytes_whatever_their_environment(monkeypatch: pytest.MonkeyPatch, pages: dict[str, Page]) -> None:
    modules = [f"/{name}.html" for name in TELLTALE.split() if name in python_docs.modules()]
    topics = [f"/topic?key={name}" for name in python_docs.topics()[::8]]
    found = []
    for hash_seed, zone, order in (("1", "Asia/Tokyo", 1), ("2", "America/Lima", -1)):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("PLANTED_SECRET", f"secret-{hash_seed}")
        with serve.running() as at:
            own = {path: get(at.site, path)[1] for path in pages if "halfway" not in path}
            found.append(own | {target: get(at.pydoc, target)[1] for target in (modules + topics)[::order]})
    assert found[0] == found[1]
    told = b"".join(found[0].values())
    assert not [mark for mark in ("secret-1", *TOLD_BY_A_MACHINE) if mark.encode() in told]


def test_another_seed_composes_other_pages(pages: dict[str, Page]) -> None:
    other = site.pages(SEED + 1)
    assert set(other) != set(pages)
    assert {path: page for path, page in pages.items() if path.startswith("/articles/") and path != "/articles/"}.items() <= other.items()


# The clean pages


def test_at_least_sixty_english_pages_are_of_a_fair_length_and_unlike_each_other(pages: dict[str, Page]) -> None:
    clean = clean_english(pages)
    assert len(clean) >= 60
    assert all(300 <= len(words(page.body.decode())) <= 900 for page in clean.values())
    sets = [shingles(page) for page in clean.values()]
    assert max(jaccard(one, other) for one, other in itertools.combinations(sets, 2)) < 0.15


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_other_language_has_three_pages_of_some_length(language: str) -> None:
    for own in texts.articles(language).values():
        length = len(texts.plain(own)) / 4 if language == "ja" else len(texts.plain(own).split())
        assert length >= 80 if language == "ja" else length >= 120
    assert len(texts.articles(language)) == 3


def test_every_name_in_a_grammar_is_filled_in(pages: dict[str, Page]) -> None:
    assert not [path for path, page in clean_english(pages).items() if re.search(r"[{}]", texts_of(page))]


def texts_of(page: Page) -> str:
    return page.body.decode().partition("<main>")[2].replace("<pre>", "")


# The planted faults


def broken_rules(pages: dict[str, Page]) -> dict[str, list[str]]:
    """The Gopher rules that each page breaks once its article is extracted, in their order."""
    read = [extract_plain_text(page.body.decode(errors="replace"), main_content=True) for page in pages.values()]
    batch = pa.record_batch({"text": pa.array(read, pa.string())})
    found: dict[str, list[str]] = {path: [] for path in pages}
    for name in ("gopher_quality", "gopher_repetition"):
        use = step.find(name)
        measured = use.run(batch, use.Config()).signals
        for measure, bound in use.BOUNDS.items():
            for kind, (out, _) in bounds.broken(bound, measured[measure], None).items():
                for path, breaks in zip(pages, out, strict=True):
                    found[path] += [f"{name}.{measure}.{kind}"] * bool(breaks)
    return found


def test_clean_pages_break_no_gopher_rule(pages: dict[str, Page]) -> None:
    kept = [path for fault in FAULTS if fault.expected.fate in ("kept", "one kept") for path in fault.paths]
    broken = broken_rules(clean_english(pages) | {path: pages[path] for path in kept})
    assert {path: rules for path, rules in broken.items() if rules} == {}


def test_faults_of_gopher_rules_break_the_one_that_is_named_first(pages: dict[str, Page]) -> None:
    expected = {path: fault.expected.rules for fault in FAULTS for path in fault.paths}
    named = {path: rules for path, rules in expected.items() if any(rule.startswith("gopher") for rule in rules)}
    broken = broken_rules({path: pages.get(path) or site.calendar(path) for path in named})
    assert len(named) >= 11
    assert {path: rules[0] for path, rules in broken.items()} == {path: rules[-1] for path, rules in named.items()}


@pytest.mark.parametrize("near", faults.NEAR, ids=lambda near: near.base)
def test_near_duplicates_have_the_similarity_that_is_claimed(pages: dict[str, Page], near: faults.Near) -> None:
    measured = jaccard(shingles(pages[f"/articles/{near.base}.html"]), shingles(pages[near.path]))
    assert measured == pytest.approx(near.similarity, abs=0.015)


def test_exact_copies_have_the_same_words_and_other_bytes(pages: dict[str, Page]) -> None:
    (fault,) = [fault for fault in FAULTS if fault.name == "exact copies"]
    copies = [pages[path].body.decode() for path in fault.paths]
    assert len({tuple(words(copy)) for copy in copies}) == 1
    assert len({copy.partition("<article>")[2].partition("</article>")[0] for copy in copies}) == 2
    assert len(set(copies)) == 3


@pytest.mark.parametrize("name", ["cafe", "museum", "menu"])
def test_misread_text_can_be_restored_and_needs_it(pages: dict[str, Page], name: str) -> None:
    page = pages[f"/odd/{name}.html"]
    declared = page.headers["Content-Type"].partition("charset=")[2].replace("iso-8859-1", "cp1252")  # what browsers take it for
    read = page.body.decode(declared)
    (fault,) = [fault for fault in FAULTS if f"/odd/{name}.html" in fault.paths]
    for sentence in fault.expected.contains:
        assert sentence in ftfy.fix_encoding(read)
    assert not all(sentence in read for sentence in fault.expected.contains)


def test_a_page_declared_as_utf_8_is_not(pages: dict[str, Page]) -> None:
    page = pages["/odd/letters.html"]
    assert page.headers["Content-Type"].endswith("utf-8")
    assert b'charset="utf-8"' in page.body
    with pytest.raises(UnicodeDecodeError):
        page.body.decode("utf-8")
    assert "René Gérard Béchamp" in page.body.decode("cp1252")


def test_every_fault_but_the_absent_one_is_reached_by_links(pages: dict[str, Page]) -> None:
    parser = RobotFileParser()
    parser.parse(pages["/robots.txt"].body.decode().splitlines())
    linked, waiting = {"/"}, ["/"]
    while waiting:
        path = waiting.pop()
        page = pages.get(path) or (site.calendar(path) if path < "/calendar/2027/06/" else None)
        if page is None or not parser.can_fetch("anyone", path):
            continue
        for rel, href in re.findall(rb'<a (rel="nofollow" )?[^>]*?href="([^"]+)"', page.body):
            target = urljoin(path, href.decode())
            if target not in linked:
                linked.add(target)
                waiting += [target] * (not rel)
    assert {path for fault in FAULTS for path in fault.paths if not path.endswith("*")} <= linked
    assert set(pages) - linked == {"/robots.txt"}


def test_only_the_guest_book_is_behind_nofollow(pages: dict[str, Page]) -> None:
    linking = [path for path, page in pages.items() if b"guestbook" in page.body]
    assert set(linking) == {"/", "/odd/guestbook.html"}
    assert b'<a rel="nofollow" href="/odd/guestbook.html">' in pages["/"].body


def test_every_path_that_is_claimed_exists_once(pages: dict[str, Page]) -> None:
    claimed = [path for fault in FAULTS for path in fault.paths if not path.endswith("*")]
    shared = {path for path in claimed if claimed.count(path) > 1}
    assert shared == set()
    assert {path for path in claimed if path not in pages and not site.calendar(path)} == {"/odd/missing.html"}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_calendar_goes_on_for_ever() -> None:
    path, seen = "/calendar/2026/11/", set()
    for _ in range(30):
        page = site.calendar(path)
        assert page is not None
        seen.add(path)
        path = re.findall(r'<a href="(/calendar/[^"]+)">Next', page.body.decode())[0]
    assert len(seen) == 30
    assert site.calendar("/calendar/2026/13/") is None
    assert site.calendar("/calendar/") is None


# Whether a fault has the fate it should

KEPT = Seen("fetched", 200, kept=True)


def dropped(rule: str, **more: object) -> Seen:
    return Seen("fetched", 200, kept=False, rule=rule, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "seen", "agrees"),
    [
        (Expected("kept"), KEPT, True),
        (Expected("kept"), dropped("near.duplicate"), False),
        (Expected("kept", rules=("split.overlap",)), dropped("split.overlap"), True),
        (Expected("kept", contains=("é",)), Seen("fetched", 200, kept=True, text="a cafÃ©"), False),
        (Expected("kept", lacks=("cookies",)), Seen("fetched", 200, kept=True, text="We use cookies"), False),
        (Expected("kept"), Seen("robots"), False),
        (Expected("dropped", rules=("a.b.max",)), dropped("a.b.max"), True),
        (Expected("dropped", rules=("a.b.max",)), dropped("a.b.min"), False),
        (Expected("dropped", rules=("a.b.max",)), KEPT, False),
        (Expected("decided"), KEPT, True),
        (Expected("decided"), Seen("fetched", 200), False),
        (Expected("absent", "robots"), Seen("robots"), True),
        (Expected("absent", "robots"), KEPT, False),
        (Expected("absent", "robots"), Seen("robots", kept=False), False),
        (Expected("absent", "status", status=404), Seen("status", 404), True),
        (Expected("absent", "status", status=404), Seen("status", 500), False),
    ],
)
def test_a_fate_is_compared_with_the_one_expected(expected: Expected, seen: Seen, agrees: bool) -> None:
    assert (disagreements(Fault("a", "", ("/a",), expected), {"/a": seen}) == []) is agrees


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (KEPT, dropped("near.duplicate", duplicate_of="/one", similarity=0.9), True),
        (dropped("near.duplicate", duplicate_of="/other", similarity=0.88), KEPT, True),
        (KEPT, dropped("near.duplicate", duplicate_of="/one", similarity=0.8), False),
        (KEPT, dropped("near.duplicate", duplicate_of="/elsewhere", similarity=0.9), False),
        (KEPT, dropped("exact.duplicate", duplicate_of="/one", similarity=0.9), False),
        (KEPT, KEPT, False),
        (dropped("near.duplicate", duplicate_of="/other", similarity=0.9), Seen("robots"), False),
    ],
)
def test_of_a_group_of_duplicates_one_is_kept(one: Seen, other: Seen, agrees: bool) -> None:
    fault = Fault("pair", "", ("/one", "/other"), Expected("one kept", rules=("near.duplicate",), similarity=0.9))
    assert (disagreements(fault, {"/one": one, "/other": other}) == []) is agrees


def test_a_page_that_no_crawl_saw_is_a_disagreement() -> None:
    fault = Fault("endless", "", ("/calendar/*",), Expected("absent", "trap"))
    assert disagreements(fault, {"/calendar/2031/01/": Seen("trap"), "/calendar/2026/11/": KEPT}) == []
    assert disagreements(fault, {"/calendar/2026/11/": KEPT})
    assert disagreements(Fault("lost", "", ("/lost",), Expected("decided")), {})


# The servers


def test_both_listen_on_the_loopback_address_alone(ports: serve.Ports) -> None:
    for port in (ports.site, ports.pydoc):
        for address in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
            if address != serve.LOOPBACK:
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection((address, port), timeout=5)
        assert get(port, "/")[0] == 200


def test_robots_txt_is_served_and_closes_the_private_pages(ports: serve.Ports) -> None:
    for port, closed in ((ports.site, True), (ports.pydoc, False)):
        status, body, headers = get(port, "/robots.txt")
        assert (status, headers["Content-Type"]) == (200, "text/plain")
        parser = RobotFileParser()
        parser.parse(body.decode().splitlines())
        assert parser.can_fetch("corpusmill", "/private/ledger.html") is not closed
        assert parser.can_fetch("corpusmill", "/articles/tides.html")


def test_broken_responses_are_broken(ports: serve.Ports) -> None:
    with pytest.raises(http.client.IncompleteRead):
        get(ports.site, "/odd/halfway.html")
    assert get(ports.site, "/odd/missing.html")[0] == 404
    assert get(ports.site, "/odd/failing.html")[0] == 500
    status, _, headers = get(ports.site, "/old/tides.html")
    assert (status, headers["Location"]) == (301, "/articles/tides.html")
    assert get(ports.site, "/odd/brochure.html")[1].startswith(b"%PDF")


def test_the_documentation_is_a_bounded_list_of_several_hundred_pages(ports: serve.Ports) -> None:
    index = get(ports.pydoc, python_docs.SEED_PATH)[1].decode()
    listed = re.findall(r'href="([^"]+)"', index)
    assert len(listed) == len(set(listed))
    modules = [name.removesuffix(".html") for name in listed if name.endswith(".html")]
    assert len(modules) >= 250
    assert len([name for name in listed if name.startswith("topic?key=")]) >= 60
    assert not [name for name in modules if re.search(r"(^|\.)(_|tests?\b)|^(idlelib|lib2to3|turtledemo|antigravity|this)\b", name)]
    assert get(ports.pydoc, "/topic?key=CONTEXTMANAGERS")[0] == 200
    unlisted = ("/_socket.html", "/pip.html", "/numpy.html", "/search?key=a", "/topic?key=nothing", "/getfile?key=/etc/passwd")
    assert {get(ports.pydoc, target)[0] for target in unlisted} == {404}


def test_a_documentation_page_links_to_listed_pages_alone(ports: serve.Ports) -> None:
    for name in ("json", "shelve", "unittest.main"):
        page = get(ports.pydoc, f"/{name}.html")[1].decode()
        local = {href.partition("#")[0] for href in re.findall(r'href="([^"#:]+[^":]*)"', page)} - {"."}
        assert local
        assert all(get(ports.pydoc, f"/{href}")[0] == 200 for href in local)
        assert re.search(rf"<title>Python: (module|package) {re.escape(name)}</title>", page)


def test_a_taken_port_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((serve.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"{port}"), serve.running(site_port=port):
            pytest.fail("served on a port that is taken")
    said = capfd.readouterr().err
    assert f"port {port}" in said
    assert "Traceback" not in said


def test_the_servers_end_with_a_parent_that_is_killed() -> None:
    program = "import json, time\nfrom flows.demo import serve\nwith serve.running() as at:\n  print(at.site, flush=True); time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert get(port, "/")[0] == 200
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            get(port, "/")
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")


def test_answers_can_be_slowed_down() -> None:
    slow = serve.server(0, lambda _: Page(b"late"), slow_ms=200)
    try:
        serve.Thread(target=slow.serve_forever, daemon=True).start()
        began = time.monotonic()
        assert get(slow.server_port, "/")[1] == b"late"
        assert time.monotonic() - began >= 0.2
    finally:
        slow.shutdown()
        slow.server_close()
