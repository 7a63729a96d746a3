"""A corpus whose repeated lines are cut: the text of each document, its fate, and how both are traced."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from page_corpus import HEAD, Made, own, texts_without_cuts

from pipeline import catalog, check, corpus, schema
from pipeline.alarms import TooMuchLostError
from pipeline.recipe import Recipe
from pipeline.store import Store
from pipeline.typed import RecipeError

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

HOST_LINES = "[dedup]\nhost_lines = { min_pages = 3, min_share = 0.5 }\n"
BOTH = HOST_LINES + "lines = { min_chars = 10 }\n"


PAGES = {
    **{f"http://cats.example/{number}": f"Home | Cats | Contact\r\n\r\n{own(number)}\r\n\r\n© 202{number} Cats é" for number in range(4)},
    "http://cats.example/none": "Home  cats  contact\n© 1999 cats e",
    "http://dogs.example/1": f"Home | Cats | Contact\n{own(10)}",
    "http://dogs.example/2": f"{own(11)}\nHome | Cats | Contact\n",
    "http://dogs.example/copy": f"{own(11)}\nHome | Cats | Contact",
}


def test_documents_are_what_is_left_and_fates_say_what_became_of_the_rest(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + BOTH), tmp_path, dict(list(PAGES.items())[:3]), dict(list(PAGES.items())[3:]))
    dogs = sorted(["http://dogs.example/1", "http://dogs.example/2"], key=lambda url: -len(PAGES[url]))
    assert made.by_url("documents", "text") == {
        **{f"http://cats.example/{number}": own(number) for number in range(4)},
        dogs[0]: PAGES[dogs[0]],
        dogs[1]: PAGES[dogs[1]].replace("Home | Cats | Contact\n", ""),
    }
    fates = {row["doc_id"]: (row["kept"], row["step"], row["rule"], row["duplicate_of"]) for row in made.rows("fates")}
    assert fates == {
        **dict.fromkeys(PAGES, (True, None, None, None)),
        "http://cats.example/none": (False, "host_lines", "host_lines.empty", None),
        "http://dogs.example/copy": (False, "exact", "exact.duplicate", "http://dogs.example/2"),
    }
    counts = {"records": 8, "kept": 6, "dropped": 2, "duplicates": 1}
    assert made.built.manifest.counts == counts | {"cut_lines": len(made.rows("cuts")), "emptied": 1}
    assert [finding for finding in check.corpus(store, made.built.path, made.given) if not finding.holds] == []


def test_documents_are_their_texts_without_the_cuts(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + BOTH), tmp_path, PAGES)
    left, cuts = texts_without_cuts(made, PAGES), made.rows("cuts")
    assert {cut["rule"] for cut in cuts} == {"host_lines.repeated", "lines.repeated"}
    documents = made.by_url("documents", "text")
    assert len(documents) == 6
    assert store.table(f"{made.built.path}/documents/part-00000.parquet").schema == schema.DOCUMENTS
    assert {url: left[url] for url in documents} == documents
    assert left["http://cats.example/none"] == ""
    table = store.table(f"{made.built.path}/cuts/part-00000.parquet")
    table.validate(full=True)
    assert table.schema == schema.CUTS
    menu = {cut["doc_id"]: cut["pages"] for cut in cuts if PAGES[cut["doc_id"]].encode()[cut["start"] :].lower().startswith(b"home")}
    assert {menu[url] for url in menu if "cats" in url} == {5}
    assert len({cut["line"] for cut in cuts}) == 2  # the menu is one line on both hosts


def test_the_catalog_shows_the_cuts(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD + BOTH), tmp_path, PAGES)
    ask = (
        'select url, decode(encode(text)[start + 1:"end"]) as line from cuts join texts using (corpus, doc_id) join records using (doc_id)'
    )
    with catalog.connect(store) as connection:
        lines = connection.sql(ask).to_arrow_table().to_pylist()
    assert len(lines) == len(made.rows("cuts"))
    assert [row["line"] for row in lines if row["url"] == "http://cats.example/3"] == [
        "Home | Cats | Contact\r\n\r\n",
        "\r\n\r\n© 2023 Cats é",
    ]


def test_duplicates_are_judged_by_what_is_left(load: Load, store: Store, tmp_path: Path) -> None:
    pages = {f"http://h.example/{number}": f"menu of the host\n{own(number)}" for number in range(3)}
    pages["http://other.example/"] = own(0)
    for settings, rule in (("", "near.duplicate"), (HOST_LINES, "exact.duplicate")):
        made = Made(store, load(HEAD + settings), tmp_path, pages)
        assert set(made.by_url("fates", "rule").values()) == {None, rule}


def test_what_breaks_a_bound_is_no_page(load: Load, store: Store, tmp_path: Path) -> None:
    pages = {f"http://h.example/{number}": f"menu\n{own(number)}" for number in range(2)} | {"http://h.example/short": "menu"}
    assert Made(store, load(HEAD + HOST_LINES), tmp_path, pages).rows("cuts") == []


def random_pages() -> dict[str, str]:
    random.seed(0)
    common = [own(number)[:40] for number in range(12)]
    return {
        f"http://h{number % 4}.example/{number % 50}?{number % 55}": "\n".join(
            [*random.sample(common, random.randint(1, 9)), own(number % 26)]
        )
        for number in range(60)
    }


def test_recipes_without_cuts_are_as_they_were(load: Load, store: Store, tmp_path: Path) -> None:
    made = Made(store, load(HEAD), tmp_path, PAGES)
    assert made.built.manifest.paths("cuts") == []
    assert set(made.built.manifest.counts) == {"records", "kept", "dropped", "duplicates"}
    spec = corpus.spec(load(HEAD), [])
    assert "lines" not in spec
    assert set(spec["dedup"]) == {"exact", "near", "prefer_sources", "prefer", "max_duplicate_share", "allow_loss"}


def test_the_fingerprint_knows_the_settings_and_the_version(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [load(HEAD + more) for more in ("", HOST_LINES, BOTH, BOTH.replace("10", "11"), "[dedup]\nlines = {}\n")]
    specs = [corpus.spec(recipe, []) for recipe in recipes]
    assert all(one != other for number, one in enumerate(specs) for other in specs[:number])
    monkeypatch.setattr(corpus.lines, "VERSION", 99)
    assert [corpus.spec(recipe, []) != spec for recipe, spec in zip(recipes, specs, strict=True)] == [False, True, True, True, True]


def test_a_source_that_cutting_all_but_empties_stops_the_run(load: Load, store: Store, tmp_path: Path) -> None:
    one, other = "these are five words here", "and these are some more"
    pages = {f"http://h.example/{number}": text for number, text in enumerate([one, other, f"{one}\n{other}", own(0)])}
    recipe = HEAD + "[dedup]\nnear = false\nlines = { min_chars = 1, keep_first = false }\nmax_duplicate_share = 0.7\n"
    with pytest.raises(TooMuchLostError, match="3 of 4 documents are duplicates or little but repeated text, more than"):
        Made(store, load(recipe), tmp_path, pages)
    assert Made(store, load(recipe.replace("0.7", "0.75")), tmp_path, pages).built.manifest.counts["emptied"] == 3


@pytest.mark.parametrize(
    "setting", ["host_lines = true", "host_lines = { min_pages = 1 }", "lines = { min_share = 1.5 }", "lines = { max = 1 }"]
)
def test_settings_that_make_no_sense_are_refused(load: Load, setting: str) -> None:
    with pytest.raises(RecipeError, match=r"dedup\.(host_)?lines"):
        load(HEAD + f"[dedup]\n{setting}\n")
