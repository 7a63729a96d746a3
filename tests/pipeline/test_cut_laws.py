"""What holds of every kind of cut: no order and no number of shards, parts or batches changes what is left."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_line_cuts as of_lines
import test_substring_cuts as of_substrings
from page_corpus import HEAD, Made, texts_without_cuts

from pipeline import corpus
from pipeline.dedup import cutting, substrings
from pipeline.recipe import Recipe
from pipeline.store import Store

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

KINDS = pytest.mark.parametrize(
    ("settings", "pages", "count"),
    [(of_lines.BOTH, of_lines.PAGES, "cut_lines"), (of_substrings.ALL, of_substrings.PAGES, "cut_substrings")],
    ids=["lines", "substrings"],
)


@pytest.mark.parametrize(
    ("settings", "random_pages"),
    [
        (of_lines.BOTH.replace("0.5", "0.3"), of_lines.random_pages),
        ("[dedup]\nhost_lines = { keep_first = true, min_pages = 3, min_share = 0.3 }\nprefer = 'newest'\n", of_lines.random_pages),
        (of_substrings.ALL, of_substrings.random_pages),
        ("[dedup]\nsubstrings = { min_bytes = 60, keep_first = false, drop_share = 0.6 }\nprefer = 'newest'\n", of_substrings.random_pages),
    ],
)
def test_how_rows_lie_in_shards_and_batches_changes_nothing(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, random_pages: Callable[[], dict[str, str]]
) -> None:
    pages, recipe = random_pages(), load(HEAD + settings)

    def outcome(name: str, *parts: dict[str, str]) -> list[Any]:
        (tmp_path / name).mkdir()
        made = Made(Store(tmp_path / name / "root"), recipe, tmp_path / name, *parts)
        left = texts_without_cuts(made, pages)
        documents = made.by_url("documents", "text")
        assert documents == {url: left[url] for url in documents}
        assert all(any(character.isalnum() for character in text) for text in documents.values())
        return [sorted(map(str, made.rows(kind))) for kind in ("documents", "cuts", "fates", "duplicates")]

    whole = outcome("whole", pages)
    assert len(whole[1]) > 60
    keys = random.sample(list(pages), len(pages))
    monkeypatch.setattr(cutting, "_ROWS_AT_ONCE", 5)
    monkeypatch.setattr(substrings, "_ROWS_AT_ONCE", 100)
    assert outcome("parts", *({key: pages[key] for key in keys[first::5]} for first in range(5))) == whole


@KINDS
def test_the_same_shards_in_any_order_are_the_same_bytes(
    load: Load, tmp_path: Path, settings: str, pages: dict[str, str], count: str
) -> None:
    recipe, given = load(HEAD + settings), list(pages.items())

    def files(root: Path, *parts: dict[str, str]) -> dict[str, bytes]:
        made = Made(Store(root), recipe, tmp_path, *parts)
        return {str(path.relative_to(root)): path.read_bytes() for path in (root / made.built.path).rglob("*") if path.is_file()}

    first = files(tmp_path / "a", dict(given[:3]), dict(given[3:]))
    assert sum(name.count("/cuts/") for name in first) == 2
    assert files(tmp_path / "b", dict(given[3:]), dict(given[:3])) == first


@KINDS
def test_nothing_to_cut_from(load: Load, store: Store, tmp_path: Path, settings: str, pages: dict[str, str], count: str) -> None:
    made = Made(store, load(HEAD + settings), tmp_path, {}, {"http://h.example/": "short"})
    assert (made.rows("cuts"), made.rows("documents")) == ([], [])
    assert corpus.build(store, load(HEAD + settings), []).manifest.counts[count] == 0
