"""Each shipped recipe over WARC files: sound pages stay, each planted fault has the fate that the recipe's paper gives it."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from flows import job, line, stages
from pipeline import catalog

TEXTS = Path(job.__file__).parent / "demo" / "texts"
WEB = ("c4", "fineweb", "gopher", "refinedweb")  # recipes over WARC files

Pages = dict[str, list[str]]  # paragraphs, by the page's name


def prose(name: str) -> list[str]:
    """The paragraphs of one of the demo's articles, without its headings."""
    blocks = (TEXTS / name).read_text("utf-8").split("\n\n")
    return [" ".join(block.split()) for block in blocks if not block.startswith("#")]


def write(path: Path, pages: Pages) -> None:
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for name, paragraphs in pages.items():
            body = "".join(f"<p>{html.escape(paragraph)}</p>\n" for paragraph in paragraphs)
            page = f"<!doctype html><html><head><title>{name}</title></head><body><article>{body}</article></body></html>"
            head = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(f"https://example.org/{name}", "response", io.BytesIO(page.encode()), http_headers=head)
            )


def sound() -> Pages:
    return {path.stem: prose(f"en/{path.name}") for path in sorted((TEXTS / "en").glob("*.md"))[:8]}


def faults() -> Pages:
    glass, bees = prose("en/glass.md"), prose("en/bees.md")
    return {
        "german": prose("de/wald.md"),
        "short": glass[:1],
        "spam": ["Buy the best cheap shoes of the year here and now."] * 60,
        "code": [*prose("en/rust.md"), "if (a) { return b; } // said the page."],
        "placeholder": [*prose("en/salt.md"), "Lorem ipsum dolor sit amet is a placeholder, as printers say."],
        "copy": bees,
        "near_copy": [*bees[:-1], bees[-1] + " So it is said."],
    }


# By recipe, how the rule begins that decides each fault.
_GOPHER = {"german": "language.code.in", "short": "gopher_quality.words.min", "spam": "gopher_repetition.duplicate_"}
EXPECTED = {
    "c4": {
        "german": "language.code.in",
        "short": "c4_lines.sentences.min",
        "code": "c4_lines.curly_bracket_lines.max",
        "placeholder": "c4_lines.placeholder_lines.max",
    },
    "fineweb": {**_GOPHER, "code": "c4_lines.curly_bracket_lines.max", "placeholder": "c4_lines.placeholder_lines.max"},
    "gopher": _GOPHER,
    "refinedweb": _GOPHER,
}


@pytest.fixture
def curated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Run a shipped recipe in a folder of WARC files; the rule that decided each page, or `kept`."""

    def run(recipe: str, pages: Pages, *overrides: str) -> dict[str, str]:
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "pages.warc.gz", pages)
        made = job.make(recipe, str(tmp_path / "root"), overrides, workers=1)
        stages.curate(made, partial(line.in_processes, 1))
        with catalog.connect(made.store) as connection:
            rows = connection.sql("select url, coalesce(rule, 'kept') from fates join records using (corpus, doc_id)").fetchall()
        return {url.rpartition("/")[2]: rule for url, rule in rows}

    return run


@pytest.mark.parametrize("recipe", WEB)
def test_each_page_has_the_fate_of_the_paper(curated: Callable[..., dict[str, str]], recipe: str) -> None:
    found = curated(recipe, {**sound(), **faults()})
    copies = [found.pop(name) for name in ("bees", "copy", "near_copy")]
    assert sorted(copies) == ["kept", "near.duplicate", "near.duplicate"]
    assert {name for name in sound() if found.get(name, "kept") != "kept"} == set()
    for name, rule in EXPECTED[recipe].items():
        assert found[name].startswith(rule), name


@pytest.mark.parametrize("recipe", ["fineweb", "refinedweb"])
def test_lists_beside_the_pages_are_found(curated: Callable[..., dict[str, str]], tmp_path: Path, recipe: str) -> None:
    (tmp_path / "words.txt").write_text("bees\n")
    found = curated(recipe, sound(), "url_blocklist.hard_words=words.txt")
    assert found.pop("bees") == "url_blocklist.hard_word.in"
    assert set(found.values()) == {"kept"}


def test_bad_words_are_looked_for_where_a_list_is_named(curated: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("glacier\n")
    found = curated("c4", sound(), "bad_words.lists.en=words.txt")
    assert found.pop("glaciers") == "bad_words.matches.max"
    assert set(found.values()) == {"kept"}
