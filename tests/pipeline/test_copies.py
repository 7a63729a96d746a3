"""Copies by a page's address, by the bytes that came in and by text: which goes, for which, and by what name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import as_input, json_lines

from pipeline import check, corpus, schema, shard
from pipeline.recipe import Recipe
from pipeline.store import Store
from pipeline.typed import RecipeError

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]
Fates = dict[str, tuple[str | None, str | None, float | None, str | None]]

HEAD = """
name = "{name}"
[[source]]
name = "{name}"
format = "jsonl"
files = ["{name}.jsonl"]
id_key = "id"
date_key = "date"
{more}
[split]
validation = 0
test = 0
[dedup]
allow_loss = ["{name}"]
"""


def words(*numbers: int) -> str:
    return " ".join(f"word{number}" for number in numbers)


def row(key: str, text: str, url: str | None = None, day: int | None = None) -> dict[str, Any]:
    return {"id": key, "text": text, "url": url, "date": day and f"2026-01-{day:02d}"}


def fates(load: Load, store: Store, folder: Path, dedup: str, *rows: dict[str, Any], name: str = "web", more: str = "") -> Fates:
    """By id: the rule, the twin, how similar it is, and its corpus."""
    recipe = load(HEAD.format(name=name, more=more) + dedup)
    path = folder / f"{name}.jsonl"
    path.write_bytes(json_lines(list(rows)))
    given = [(recipe.sources[0], as_input(path))]
    made = corpus.build(
        store, recipe, [shard.process(store, shard.Shard(*given[0][:1], (given[0][1],), recipe.steps)).manifest.fingerprint]
    )
    assert [finding for finding in check.corpus(store, made.path, given) if not finding.holds] == []
    names = {schema.doc_id(source, str(number).encode()): str(number) for source in ("old", "web") for number in "abcdefgh"}
    found = [each for file in made.manifest.paths("fates") for each in store.table(f"{made.path}/{file}").to_pylist()]
    return {
        names[each["doc_id"].bytes]: (
            each["rule"], each["duplicate_of"] and names[each["duplicate_of"].bytes], each["similarity"], each["twin_corpus"]
        )
        for each in found
    }  # fmt: skip


KEPT = (None, None, None, None)
EDITIONS = (
    row("a", words(1, 2, 3), "http://h.example/1#top", 1),
    row("b", words(4, 5, 6), "http://h.example/1", 3),
    row("c", words(7, 8, 9, 10), "http://H.example/1", 2),
    row("d", words(7, 8, 9, 11), "http://h.example/2", 2),
    row("e", words(1, 2)),
    row("f", words(1, 3)),
)


def test_of_a_pages_editions_the_newest_is_kept(load: Load, store: Store, tmp_path: Path) -> None:
    found = fates(load, store, tmp_path, "exact = { by = ['url'] }", *EDITIONS)
    assert found == {**dict.fromkeys("bdef", KEPT), **dict.fromkeys("ac", ("exact.url", "b", None, None))}


def test_of_a_pages_editions_the_preferred_one_is_kept_where_asked(load: Load, store: Store, tmp_path: Path) -> None:
    found = fates(load, store, tmp_path, "exact = { by = ['url'], url_keeps = 'preferred' }", *EDITIONS)
    assert found == {**dict.fromkeys("cdef", KEPT), **dict.fromkeys("ab", ("exact.url", "c", None, None))}


def test_editions_of_unknown_time_come_after_the_others(load: Load, store: Store, tmp_path: Path) -> None:
    rows = row("a", words(1, 2, 3, 4), "http://h.example/"), row("b", words(4, 5, 6), "http://h.example/", 3)
    assert fates(load, store, tmp_path, "exact = { by = ['url'] }", *rows)["a"][:2] == ("exact.url", "b")


def test_a_page_is_known_by_the_address_that_it_gives_as_its_own(load: Load, store: Store, tmp_path: Path) -> None:
    page = '<link rel="canonical" href="/p"><body><p>{0}</p></body>'
    more = 'html_key = "text"\n[[step]]\nuse = "extract"\n'
    rows = [
        row(key, page.format(words(*range(9 * place, 9 * place + 9))), f"http://h.example/{key}", place + 1)
        for place, key in enumerate("ab")
    ]
    found = fates(load, store, tmp_path, "exact = { by = ['url'] }", *rows, more=more)
    assert found == {"a": ("exact.url", "b", None, None), "b": KEPT}


SPACED = (row("a", "one two three"), row("b", "one  two three"), row("c", "one two three"), row("d", "one two four"))


def test_bytes_are_compared_as_they_came_in(load: Load, store: Store, tmp_path: Path) -> None:
    found = fates(load, store, tmp_path, "near = false\nexact = { by = ['bytes'] }", *SPACED)
    first, second = sorted("ac", key=lambda key: schema.doc_id("web", key.encode()))
    assert found == {**dict.fromkeys(first + "bd", KEPT), second: ("exact.bytes", first, 1.0, None)}


def test_each_copy_says_in_what_it_is_one(load: Load, store: Store, tmp_path: Path) -> None:
    editions = row("e", "five words that are new", "http://h.example/", 1), row("f", "six words that are newer", "http://h.example/", 2)
    by_all = fates(load, store, tmp_path, "near = false\nexact = { by = ['text', 'url', 'bytes'] }", *SPACED, *editions)
    # The text with two spaces is the longest. What is the bytes of a copy of it is a copy of it, by text.
    assert by_all == {
        **dict.fromkeys("bdf", KEPT),
        **dict.fromkeys("ac", ("exact.duplicate", "b", 1.0, None)),
        "e": ("exact.url", "f", None, None),
    }


def test_an_edition_of_a_page_whose_newest_was_dropped_names_what_is_kept_for_that(load: Load, store: Store, tmp_path: Path) -> None:
    long = words(*range(100))
    rows = (
        row("a", "an edition of old", "http://h.example/", 1),
        row("b", long, "http://h.example/", 2),
        row("c", f"{long} {words(200)}", "http://other.example/"),
        row("d", long.replace(" ", "  ", 1), "http://third.example/"),
    )
    found = fates(load, store, tmp_path, "exact = { by = ['url', 'text'] }", *rows)
    similarity = found["b"][2]
    assert similarity is not None
    assert 0.95 < similarity < 1
    assert found == {
        "a": ("exact.url", "c", None, None),
        "b": ("near.duplicate", "c", similarity, None),
        "c": KEPT,
        "d": ("near.duplicate", "c", similarity, None),
    }


def test_what_an_earlier_corpus_has_of_an_address_or_of_bytes_is_not_taken_again(load: Load, store: Store, tmp_path: Path) -> None:
    by = "near = false\nexact = { by = ['url', 'bytes'] }\n"
    old = row("a", words(1, 2, 3), "http://h.example/1", 1), row("b", words(5, 6, 7), "http://h.example/2", 1)
    fates(load, store, tmp_path, by, *old, name="old")
    new = row("c", words(8, 9, 10), "http://h.example/1#new", 9), row("d", words(5, 6, 7), "http://h.example/3"), row("e", words(5, 6))
    assert fates(load, store, tmp_path, by + "against = ['old']", *new) == {
        "c": ("exact.url", "a", None, "old"),  # an older corpus keeps what it has
        "d": ("exact.bytes", "b", 1.0, "old"),
        "e": KEPT,
    }


def test_a_corpus_that_was_not_compared_by_address_says_so(load: Load, store: Store, tmp_path: Path) -> None:
    fates(load, store, tmp_path, "exact = { by = ['text'] }", EDITIONS[0], name="old")
    with pytest.raises(ValueError, match="against") as raised:
        fates(load, store, tmp_path, "against = ['old']\nexact = { by = ['text', 'url', 'bytes'] }", EDITIONS[1])
    assert str(raised.value) == (
        "dedup.against: 'old': expected a corpus with the same dedup.exact; it keeps nothing to compare by url and bytes"
    )


@pytest.mark.parametrize(("prefer", "kept"), [("highest toy_words_share", "c"), ("lowest toy_words_share", "b"), ("longest", "a")])
def test_the_copy_with_the_best_signal_is_kept(load: Load, store: Store, tmp_path: Path, prefer: str, kept: str) -> None:
    """Near-copies; the share is of words of at least five letters: 0.97, 0.96, 0.98."""
    base = words(*range(100))
    rows = row("a", f"{base} one two six"), row("b", f"{base} one two six ten".replace("word7 ", "")), row("c", f"{base} one two")
    more = '[[step]]\nuse = "toy_words"\nleast_chars = 5\n'
    found = fates(load, store, tmp_path, f'prefer = "{prefer}"\n', *rows, more=more)
    assert {key for key, each in found.items() if each == KEPT} == {kept}
    assert {each[:2] for key, each in found.items() if key != kept} == {("near.duplicate", kept)}


@pytest.mark.parametrize(
    ("dedup", "problem"),
    [
        ("prefer = 'best'", "prefer: expected longest, oldest, newest, or a signal by its column: `highest …`"),
        (
            "prefer = 'highest other_count'",
            "prefer: no step measures a number 'other_count'; expected one of toy_words_count,",
        ),
        ("exact = { by = [] }", "exact.by: tuple should have at least 1 item"),
        ("exact = { by = ['title'] }", "exact.by.0: input should be 'url', 'bytes' or 'text', not 'title'"),
    ],
)
def test_settings_that_make_no_sense_are_said_in_one_line(load: Load, dedup: str, problem: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load(HEAD.format(name="web", more='[[step]]\nuse = "toy_words"\n') + dedup)
    assert str(raised.value).startswith(f"recipe.toml: dedup.{problem}")
