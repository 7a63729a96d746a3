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
CHINESE = Path(__file__).parent / "chinese"
WEB = ("c4", "fineweb", "gopher", "refinedweb")  # recipes over WARC files

Pages = dict[str, list[str]]  # paragraphs, by the page's name


def prose(name: str) -> list[str]:
    """The paragraphs of one of the demo's articles, without its headings."""
    blocks = (TEXTS / name).read_text("utf-8").split("\n\n")
    joiner = "" if name.startswith("ja/") else " "
    return [joiner.join(block.split()) for block in blocks if not block.startswith("#")]


def chinese(name: str) -> list[str]:
    """The paragraphs of a Chinese text of these tests."""
    return (CHINESE / name).read_text("utf-8").strip().split("\n\n")


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


POLISH = [
    "Młyn wodny stał nad rzeką od trzystu lat. Woda płynęła drewnianą rynną i spadała na łopatki koła, a koło obracało kamień.",
    "Młynarz wstawał przed świtem, żeby sprawdzić, czy zimą lód nie zatrzymał koła, a latem, czy wody wystarczy do wieczora.",
]

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


LANGUAGES = ("de", "en", "es", "fr", "it", "ja", "nl", "ru", "zh")  # of the recipe `multilingual`


def of_every_language() -> Pages:
    pages = {f"{language}-{path.stem}": prose(f"{language}/{path.name}") for language in LANGUAGES[:-1] for path in _two(language)}
    return {**pages, "zh-tea": chinese("tea.txt"), "zh-bridges": chinese("bridges.txt")}


def _two(language: str) -> list[Path]:
    return sorted((TEXTS / language).glob("*.md"))[:2]


def chinese_faults() -> Pages:
    tea = chinese("tea.txt")
    return {
        "short": [tea[0][:75] + "。"],
        "spam": ["今年最便宜的鞋子现在就来买吧。"] * 40,
        "copy": tea,
        "near_copy": [*tea[:-1], tea[-1] + "大家都这样说。"],
    }


CHINESE_FAULTS = {"short": "gopher_quality.words.min", "spam": "gopher_repetition.duplicate_line_ratio.max"}


def test_multilingual_keeps_its_languages_and_drops_faults_in_any(curated: Callable[..., dict[str, str]]) -> None:
    found = curated("multilingual", {**of_every_language(), **chinese_faults(), "polish": POLISH})
    copies = [found.pop(name) for name in ("zh-tea", "copy", "near_copy")]
    assert sorted(copies) == ["kept", "near.duplicate", "near.duplicate"]
    assert {name: rule for name, rule in found.items() if rule != "kept"} == {**CHINESE_FAULTS, "polish": "language.code.in"}


@pytest.mark.parametrize(
    ("override", "rule", "dropped"),
    [
        ("gopher_quality.mean_word_chars={min=3,max=10}", "gopher_quality.mean_word_chars.min", {"zh", "ja"}),
        ("gopher_quality.stop_words.min=2", "gopher_quality.stop_words.min", set(LANGUAGES) - {"en"}),
    ],
)
def test_multilingual_judges_a_page_by_the_bounds_of_its_language(
    curated: Callable[..., dict[str, str]], override: str, rule: str, dropped: set[str]
) -> None:
    found = curated("multilingual", of_every_language(), override)
    assert {name.partition("-")[0] for name, why in found.items() if why == rule} == dropped


def test_chinese_keeps_simplified_chinese_alone(curated: Callable[..., dict[str, str]]) -> None:
    pages = {"bridges": chinese("bridges.txt"), "tea": chinese("tea.txt"), **chinese_faults()}
    others = {"english": prose("en/bees.md"), "japanese": prose("ja/washi.md"), "traditional": chinese("tea_traditional.txt")}
    unended = "".join([*chinese("tea.txt"), *chinese("bridges.txt")]).split("。")
    found = curated("chinese", {**pages, **others, "unended": [line for line in unended if line]})
    copies = [found.pop(name) for name in ("tea", "copy", "near_copy")]
    assert sorted(copies) == ["kept", "near.duplicate", "near.duplicate"]
    assert found == {
        "bridges": "kept",
        **CHINESE_FAULTS,
        "english": "language.code.in",
        "japanese": "language.code.in",
        "traditional": "language.script.in",
        "unended": "fineweb_quality.line_punct_ratio.min",
    }
