"""A corpus whose repeated runs of bytes are cut: the text of each document, its fate, and how both are traced."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from page_corpus import HEAD, Made, own, texts_without_cuts

from pipeline import catalog, check, corpus
from pipeline.alarms import TooMuchLostError
from pipeline.recipe import Recipe
from pipeline.store import Store
from pipeline.typed import RecipeError

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

SUBSTRINGS = "[dedup]\nsubstrings = { min_bytes = 60 }\n"
ALL = SUBSTRINGS + "host_lines = { min_pages = 3, min_share = 0.5 }\nlines = { min_chars = 10 }\n"
QUOTE = "„Ein Zitat“, das länger als sechzig Byte ist, im einen wie im anderen Text é"
PAGES = {
    "http://a.example/1": f"{own(0)} {own(1)} {own(2)} and then: {QUOTE}!",
    "http://b.example/1": f"{own(3)}, “{QUOTE}”, {own(4)}",
    "http://b.example/copy": f"{own(3)}, “{QUOTE}”, {own(4)}",
    "http://b.example/little": f"1.{QUOTE}2.",
    "http://b.example/nothing": f"({QUOTE})",
    "http://b.example/own": own(5),
}


def test_documents_are_what_is_left_and_fates_say_what_became_of_the_rest(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + SUBSTRINGS), tmp_path, dict(list(PAGES.items())[:2]), dict(list(PAGES.items())[2:]))
    kept = {
        "http://a.example/1": PAGES["http://a.example/1"],
        "http://b.example/1": f"{own(3)}, “”, {own(4)}",
        "http://b.example/little": "1.2.",
        "http://b.example/own": own(5),
    }
    # Of copies that is kept whose id is first.
    copy = {row["doc_id"]: row["duplicate_of"] for row in made.rows("fates") if row["rule"] == "exact.duplicate"}
    kept[next(iter(copy.values()))] = kept.pop("http://b.example/1")
    assert made.by_url("documents", "text") == kept
    rules = made.by_url("fates", "rule")
    assert rules.pop(next(iter(copy))) == "exact.duplicate"
    assert rules == {**dict.fromkeys(kept), "http://b.example/nothing": "substrings.empty"}
    assert made.by_url("fates", "step")["http://b.example/nothing"] == "substrings"
    counts = {"records": 6, "kept": 4, "dropped": 2, "duplicates": 1, "cut_substrings": 4, "emptied": 1}
    assert made.built.manifest.counts == counts
    assert [finding for finding in check.corpus(store, made.built.path, made.given) if not finding.holds] == []
    assert {url: texts_without_cuts(made, PAGES)[url] for url in kept} == kept
    cuts = made.rows("cuts")
    assert [(cut["rule"], cut["pages"]) for cut in cuts] == [("substrings.repeated", 4)] * 4
    assert len({cut["line"] for cut in cuts}) == 1


def test_a_document_that_lost_too_much_is_dropped(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + SUBSTRINGS.replace(" }", ", drop_share = 0.5 }")), tmp_path, PAGES)
    rules = made.by_url("fates", "rule")
    assert (rules["http://b.example/little"], rules["http://b.example/nothing"]) == ("substrings.share", "substrings.empty")
    values, bounds = made.by_url("fates", "value"), made.by_url("fates", "bound")
    quote = len(QUOTE.encode())
    assert (values["http://b.example/little"], bounds["http://b.example/little"]) == (quote / (quote + 4), 0.5)
    assert {(values[url], bounds[url]) for url in PAGES if rules[url] is None} == {(None, None)}


def test_the_catalog_shows_the_cuts(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + SUBSTRINGS), tmp_path, PAGES)
    ask = 'select decode(encode(text)[start + 1:"end"]) as run from cuts join texts using (corpus, doc_id)'
    with catalog.connect(store) as connection:
        assert connection.sql(ask).fetchall() == [(QUOTE,)] * len(made.rows("cuts"))


def test_lines_go_before_runs_and_a_run_may_have_held_one(load: Load, store: Store, tmp_path: Path) -> None:
    first, second = QUOTE[:40], QUOTE[40:]
    pages = {
        f"http://h.example/{number}": f"{own(number)}{number}{first}\nmenu of the host\n{second}{number}{own(number + 10)}"
        for number in range(3)
    }
    pages |= {"http://i.example/": f"{own(20)[:100]}-{first}\n{second}-", "http://h.example/menu": "Menu of the host\n…"}
    made = Made(store, load(HEAD + ALL), tmp_path, pages)
    left = texts_without_cuts(made, pages)
    assert made.by_url("fates", "rule") == {**dict.fromkeys(pages), "http://h.example/menu": "host_lines.empty"}
    assert left.pop("http://h.example/menu") == "…"
    assert made.by_url("documents", "text") == left
    assert sorted(text.count(second) for text in left.values()) == [0, 0, 0, 1]
    assert not any("menu" in text for text in left.values())
    runs = [row for row in made.rows("cuts") if row["rule"] == "substrings.repeated"]
    assert len(runs) == 2 + 2 + 1
    assert len({row["line"] for row in runs}) == 1
    assert (made.built.manifest.counts["cut_substrings"], made.built.manifest.counts["cut_lines"]) == (3, 4)


def random_pages() -> dict[str, str]:
    random.seed(0)
    source = " ".join(own(number) for number in range(26))
    pages = {}
    for number in range(60):
        places = [random.randrange(len(source)) for _ in range(random.randint(1, 6))]
        runs = [source[place : place + random.randint(20, 200)] for place in places]
        pages[f"http://h{number % 4}.example/{number % 50}?{number % 55}"] = "\n".join([*runs, f"{number}"])
    return pages


def test_the_fingerprint_knows_the_settings_and_the_version(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "[dedup]\nlines = {}\n"
    recipes = [load(HEAD + more) for more in ("", lines, SUBSTRINGS, SUBSTRINGS.replace("60", "61"), ALL)]
    specs = [corpus.spec(recipe, []) for recipe in recipes]
    assert all(one != other for number, one in enumerate(specs) for other in specs[:number])
    assert ["substrings" in spec for spec in specs] == [False, False, True, True, True]
    assert not any("substrings" in spec["dedup"] for spec in specs)
    assert set(specs[1]["lines"]) == {"version", "uses", "host_lines", "lines"}
    monkeypatch.setattr(corpus.substrings, "VERSION", 99)
    assert [corpus.spec(recipe, []) != spec for recipe, spec in zip(recipes, specs, strict=True)] == [False, False, True, True, True]


def test_a_source_that_cutting_all_but_empties_stops_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    pages = {f"http://h.example/{number}": f"{mark}{QUOTE}{mark}" for number, mark in enumerate("-+.:")}
    recipe = HEAD + SUBSTRINGS + "near = false\nmax_duplicate_share = 0.7\n"
    with pytest.raises(TooMuchLostError, match="3 of 4 documents are duplicates or little but repeated text, more than"):
        Made(store, load(recipe), tmp_path, pages)
    assert Made(store, load(recipe.replace("0.7", "0.75")), tmp_path, pages).built.manifest.counts["emptied"] == 3


@pytest.mark.parametrize("setting", ["substrings = true", "substrings = { min_bytes = 7 }", "substrings = { drop_share = 0 }"])
def test_settings_that_make_no_sense_are_refused(load: Load, setting: str) -> None:
    with pytest.raises(RecipeError, match=r"dedup\.substrings"):
        load(HEAD + f"[dedup]\n{setting}\n")
