"""A corpus is killed, with SIGKILL, in each phase of its making, and begun again: it ends byte for byte as an undisturbed one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import as_input, json_lines
from dedup.planted import like, words
from killing import FORKS, die_at

from pipeline import corpus, recipe, shard
from pipeline.recipe import Recipe
from pipeline.store import Store

Load = Callable[..., Recipe]
TEXT = """
[[source]]
name = "books"
format = "jsonl"
files = ["*.jsonl"]
id_key = "id"
url_key = "page"
[dedup]
exact = { by = ["url", "bytes", "text"] }
[dedup.lines]
min_chars = 5
[dedup.substrings]
min_bytes = 2060
[split]
validation = 0.1
"""
PLACES = [
    ("pipeline.corpus", "cut_repeats", "before", 1),
    ("pipeline.dedup.substrings", "_merge", "after", 1),
    ("pipeline.dedup.substrings", "cut", "before", 2),
    ("pipeline.corpus", "cut_repeats", "after", 1),
    ("pipeline.dedup.signed", "_write", "before", 1),
    ("pipeline.dedup.signed", "_write", "after", 2),
    ("pipeline.store:Version", "commit", "after", 1),
    ("pipeline.dedup.exact", "copies", "after", 1),
    ("pipeline.dedup.exact", "copies", "before", 3),
    ("pipeline.dedup.near", "band", "after", 1),
    ("pipeline.dedup.batches:Spill", "write", "after", 2),
    ("pipeline.dedup.near", "_compare", "before", 1),
    ("pipeline.dedup.near", "_compare", "after", 1),
    ("pipeline.dedup.containment", "held_out", "after", 1),
    ("pipeline.dedup.containment", "_look", "after", 2),
    ("pipeline.corpus", "_write_part", "after", 2),
    ("pipeline.dedup.index", "write", "before", 1),
    ("pipeline.dedup.index", "_write_buckets", "after", 1),
    ("pipeline.dedup.index", "write", "after", 1),
    ("pipeline.store:Store", "point", "before", 1),
]


def _child(root: str, file: str, shards: list[str], place: tuple[str, str, str, int]) -> None:
    die_at(*place)
    corpus.build(Store(root), recipe.load(Path(file)), shards)


def files(root: Path) -> dict[str, bytes]:
    kinds = ("corpora", "signatures")
    return {str(path.relative_to(root)): path.read_bytes() for kind in kinds for path in (root / kind).rglob("*") if path.is_file()}


def made(root: Path, folder: Path, found: Recipe) -> list[str]:
    """Shards of texts that are like each other, in three files."""
    rng, store = np.random.default_rng(0), Store(root)
    grown = [words(rng) for _ in range(10)]
    while len(grown) < 120:
        grown.append(like(grown[rng.integers(len(grown))], rng.uniform(0.6, 1.0), rng))
    names = []
    for part in range(3):
        path = folder / f"{part}.jsonl"
        texts = {number: f"a line of all\n{' '.join(grown[number])}" for number in range(part, 120, 3)}
        rows = [{"id": str(number), "text": text, "page": f"http://h.example/{number % 100}"} for number, text in texts.items()]
        path.write_bytes(json_lines(rows))
        names.append(shard.process(store, shard.Shard(found.sources[0], (as_input(path),), found.steps)).manifest.fingerprint)
    return names


@pytest.mark.verify
@pytest.mark.timeout(600)
def test_killed_in_each_phase_a_corpus_is_what_it_would_have_been(load: Load, tmp_path: Path) -> None:
    found = load(TEXT)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    shards = made(whole, tmp_path, found)
    corpus.build(Store(whole), found, shards)
    made(killed, tmp_path, found)
    for place in PLACES:
        process = FORKS.Process(target=_child, args=(str(killed), str(tmp_path / "recipe.toml"), shards, place))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, place
        assert Store(killed).current("corpora/recipe") is None
    corpus.build(Store(killed), found, shards)
    assert files(killed) == files(whole)
