"""`corpusmill crawl` of URLs: what it makes and says, and one clear line for arguments that do not go together."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.demo.page import Page
from flows.demo.serve import server
from flows.progress import Progress
from pipeline.crawl.engine import Progress as Crawled

HERE = Path(__file__).parents[2]


class Site:
    """Pages on loopback, by path, and the paths asked for."""

    def __init__(self) -> None:
        home = "".join(f'<a href="{path}">x</a>' for path in ("/docs/a", "/blog/d", "/gone"))
        pages = {"/": home, "/docs/a": '<a href="/docs/b">b</a>', "/docs/b": '<a href="/docs/c">c</a>', "/docs/c": "c", "/blog/d": "d"}
        self.pages = {path: f"<p>{path}{body}" for path, body in pages.items()}
        self.requests: list[str] = []
        self.server = server(0, self.answer)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/"

    def answer(self, path: str) -> Page | None:
        self.requests.append(path)
        body = self.pages.get(path)
        return Page(body.encode()) if body else None


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def crawl(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["crawl", *arguments, "--root", str(tmp_path / "data")])
    return result.exit_code, result.stdout, result.stderr


def outcomes(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "crawl.json").read_text())["outcomes"]
    return found


def test_urls_are_crawled_into_a_name(site: Site, tmp_path: Path) -> None:
    status, said, _ = crawl(tmp_path, site.url, "--into", "docs", "--allow-host", site.host, "--delay", "0")
    assert status == 0
    folder = tmp_path / "data/raw/docs"
    assert outcomes(folder) == {"fetched": 5, "status": 1}
    told = " ".join(said.split())
    for part in ("crawl docs made fetched 5", "fetched 5 status 1", f"1 WARC files, 0.0 MB: {folder}", "corpusmill sql", "--edition"):
        assert part in told
    assert list(folder.glob("*.warc.gz"))


def test_interrupted_it_says_so_and_goes_on_when_asked_again(site: Site, tmp_path: Path) -> None:
    command = ["crawl", site.url, "--into", "docs", "--allow-host", site.host, "--root", str(tmp_path / "data")]
    # Whoever began these tests in the background of a shell had them, and all that they begin, ignore SIGINT.
    heeding = ["env", "--default-signal=INT", sys.executable, "-m", "flows.cli"]
    process = subprocess.Popen([*heeding, *command, "--delay", "4"], cwd=HERE, stderr=subprocess.PIPE, text=True)
    while "/" not in site.requests:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("corpusmill: interrupted; what was finished is kept")
    assert CliRunner().invoke(app, [*command, "--delay", "0"]).exit_code == 0
    assert outcomes(tmp_path / "data/raw/docs") == {"fetched": 5, "status": 1}


def test_what_it_says_to_do_next_works(site: Site, tmp_path: Path) -> None:
    said = crawl(tmp_path, site.url, "--into", "docs", "--allow-host", site.host, "--delay", "0")[1]
    (question,) = re.findall(r"corpusmill (sql .*)", said)
    result = CliRunner().invoke(app, shlex.split(question))
    assert result.exit_code == 0, result.stderr
    assert "fetched" in result.stdout
    (source,) = re.findall(r'name = "docs" crawled = "docs"', said)
    from pipeline import recipe
    from pipeline.ingest import inputs
    from pipeline.store import Store

    (tmp_path / "r.toml").write_text("[[source]]\n" + source.replace('" crawled', '"\ncrawled'))
    made = recipe.load(tmp_path / "r.toml")
    assert len(inputs.find(Store(str(tmp_path / "data")), made.sources[0], made.folder)) == 1


def test_options_set_the_crawl(site: Site, tmp_path: Path) -> None:
    here = (site.url, "--allow-host", site.host, "--delay", "0", "--contact", "ann@example.org")
    crawl(tmp_path, *here, "--into", "prefix", "--include", "/docs/*", "--exclude", "*/c", "--depth", "2")
    assert outcomes(tmp_path / "data/raw/prefix") == {"fetched": 3, "scope": 3}
    crawl(tmp_path, *here, "--into", "few", "--max-pages", "2", "--host", site.host)
    assert outcomes(tmp_path / "data/raw/few")["fetched"] == 2
    config = json.loads((tmp_path / "data/raw/few/crawl.json").read_text())["config"]
    assert (config["contact"], config["delay_s"], config["hosts"]) == ("ann@example.org", 0, [site.host])


def test_the_same_again_is_in_place_and_an_edition_is_not(site: Site, tmp_path: Path) -> None:
    given = (site.url, "--into", "docs", "--allow-host", site.host, "--delay", "0")
    crawl(tmp_path, *given)
    asked = len(site.requests)
    status, said, _ = crawl(tmp_path, *given)
    assert status == 0
    assert "Nothing to do" in said
    assert len(site.requests) == asked
    site.pages["/docs/c"] = "changed"
    for edition in ("2026-11-20", "2026-11-21"):
        status, said, _ = crawl(tmp_path, *given, "--edition", edition)
        assert status == 0
        assert "unchanged" in said
    assert outcomes(tmp_path / "data/raw/docs/2026-11-20") == {"fetched": 1, "unchanged": 4, "status": 1}
    assert outcomes(tmp_path / "data/raw/docs/2026-11-21") == {"unchanged": 5, "status": 1}


def test_a_recipes_crawl_has_editions_too(site: Site, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        f'[[source]]\nname = "docs"\n[source.crawl]\nseeds = ["{site.url}"]\nallow_hosts = ["{site.host}"]\ndelay_s = 0\n'
    )
    recipe = str(tmp_path / "r.toml")
    crawl(tmp_path, site.url, "--into", "docs", "--allow-host", site.host, "--delay", "0")
    status, said, err = crawl(tmp_path, recipe, "--edition", "2")
    assert status == 0, err
    assert f"corpusmill curate {recipe}" in said
    assert outcomes(tmp_path / "data/raw/docs/2") == {"unchanged": 5, "status": 1}


URL = "https://example.org/"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((URL,), "--into: expected a name for what is crawled, such as --into docs"),
        ((URL, "demo", "--into", "x"), "demo: expected URLs that begin with http:// or https://, or one recipe alone"),
        (("demo", "other"), "other: expected one recipe, or URLs that begin with http:// or https://"),
        (("ftp://example.org/", URL, "--into", "x"), "ftp://example.org/: expected URLs that begin with"),
        (("example.org", "--into", "x"), "example.org: expected a URL that begins with http:// or https://"),
        (("htp://example.org/", "--into", "x"), "htp://example.org/: expected a URL that begins with http:// or https://"),
        (("htp://example.org/",), "htp://example.org/: expected a URL that begins with http:// or https://"),
        (("demo", "--into", "x"), "--into: expected with URLs, which begin with http:// or https://; a recipe names its sources"),
        (("demo", "--depth", "3"), "--depth: expected with URLs; of a recipe, --set source.NAME.crawl.max_depth=… changes it"),
        (("demo", "--include", "/x"), "--include: expected with URLs"),
        ((URL, "--into", "x", "--set", "a=1"), "--set: expected with a recipe"),
        ((URL, "--into", "x"), "--contact: expected an e-mail address or a web page where site owners reach you"),
        ((URL, "--into", "x", "--contact", "nonsense"), "--contact: expected an e-mail address"),
        ((URL, "--into", "a/b", "--contact", "me@h.example"), "--into: expected lower-case letters, digits, '-' and '_', not 'a/b'"),
        ((URL, "--into", "", "--contact", "me@h.example"), "--into: expected lower-case letters"),
        ((URL, "--into", "x", "--contact", "me@h.example", "--max-pages", "0"), "--max-pages: Input should be greater than 0"),
        ((URL, "--into", "x", "--contact", "me@h.example", "--delay", "-1"), "--delay: Input should be greater than or equal to 0"),
        (("http://[::1", "--into", "x"), "URL: http or https URLs, not 'http://[::1'"),
        ((URL, "--into", "x", "--contact", "me@h.example", "--edition", "../y"), "edition '../y': expected lower-case letters"),
        ((URL, "--into", "x", "--contact", "me@h.example", "--edition", "crawl_log"), "edition 'crawl_log': expected lower-case letters"),
    ],
)
def test_a_bad_combination_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    status, said, err = crawl(tmp_path, *arguments)
    assert status in (1, 2)
    assert said == ""
    assert err.startswith(f"corpusmill: {line}")
    assert err.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*.warc.gz*"))


def test_a_terminal_sees_speed_hosts_queue_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = []
    monkeypatch.setattr(Progress, "reach", lambda self, done, note="": notes.append((done, note)))
    Progress("crawl").crawled(Crawled(fetched=7, bytes=1, queued=1234, hosts=3, errors=2, pages_per_s=4.25, elapsed_s=1.0))
    assert notes == [(7, "4.2/s · 3 hosts at work · 1,234 queued · 2 errors")]


def shown() -> list[str]:
    """The crawls of URLs that the documentation shows."""
    blocks = re.findall(r"```sh\n(.*?)```", (HERE / "docs/crawling.md").read_text("utf-8"), re.DOTALL)
    commands = " ".join("".join(blocks).replace("\\\n", " ").splitlines()).split("corpusmill ")
    return [command.strip() for command in commands if command.startswith("crawl https://")]


@pytest.mark.parametrize("command", shown())
def test_each_crawl_that_the_documentation_shows_works(site: Site, tmp_path: Path, command: str) -> None:
    words = [site.url if word.startswith("https://") else word for word in shlex.split(command)]
    words = [f"{site.host}" if previous == "--host" else word for previous, word in zip(["", *words], words, strict=False)]
    status, said, err = crawl(tmp_path, *words[1:], "--delay", "0", "--allow-host", site.host)
    assert status == 0, err
    assert "fetched" in said


def test_a_crawl_that_keeps_nothing_says_why_and_may_be_tried_again(site: Site, tmp_path: Path) -> None:
    wrong = (f"{site.url}none", "--into", "docs", "--allow-host", site.host, "--delay", "0")
    for _ in range(2):
        status, _, said = crawl(tmp_path, *wrong)
        assert (status, "no page was kept: 1 status" in said) == (1, True)
    assert crawl(tmp_path, site.url, *wrong[1:])[0] == 0


def test_a_private_address_is_refused_with_what_would_allow_it(site: Site, tmp_path: Path) -> None:
    status, _, said = crawl(tmp_path, site.url, "--into", "docs", "--contact", "ann@example.org")
    assert (status, "is not globally routable); --allow-host names a host on a private network" in said) == (1, True)
    assert site.requests == []
