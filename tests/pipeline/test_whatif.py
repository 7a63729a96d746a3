"""What another bound would keep is what a run with that bound keeps."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import as_input, json_lines

from pipeline import corpus, shard, whatif
from pipeline.recipe import Recipe
from pipeline.store import Store

pytestmark = pytest.mark.usefixtures("toy_steps")
Load = Callable[..., Recipe]

HEAD = """
[[source]]
name = "books"
format = "jsonl"
files = ["books.jsonl"]
[[source]]
name = "web"
format = "jsonl"
files = ["web.jsonl"]
[[step]]
use = "toy_code"
as = "language"
[limits]
max_error_share = 1
[dedup]
max_duplicate_share = 1
[order]
sequence_tokens = 8
"""
DEDUPLICATION = ("exact", "near", "split")


def text(rng: random.Random) -> str:
    words = [rng.choice("abcdefgh") * rng.randint(1, 9) for _ in range(rng.randint(0, 12))]
    return " ".join([rng.choice(["en", "de", "fr"]), *words, *(["FAIL"] if rng.random() < 0.05 else [])])


def step(rng: random.Random, name: str) -> str:
    """A step with random bounds, on values that occur (a share of 3/7 among them)."""
    bounds = {
        "count": f"{{ min = {rng.randint(0, 6)}, max = {rng.randint(6, 14)}, by_language = {{ de = {{ min = {rng.randint(0, 6)} }} }} }}",
        "longest": f"{{ max = {rng.randint(3, 9)}, null = {rng.choice(['true', 'false'])} }}",
        "share": f"{{ min = {rng.randint(0, 7) / 7!r} }}",
    }
    kept = [f"keep.{signal} = {bound}" for signal, bound in bounds.items() if rng.random() < 0.7]
    gate = ["gate = true"] if rng.random() < 0.5 else []
    return "\n".join(["[[step]]", 'use = "toy_words"', f'as = "{name}"', f"least_chars = {rng.randint(1, 4)}", *kept, *gate]) + "\n"


def fates(store: Store, recipe: Recipe, folder: Path) -> tuple[str, dict[Any, dict[str, Any]]]:
    """Where the corpus lies, and its fates by doc_id."""
    shards = [shard.Shard(source, (as_input(folder / f"{source.name}.jsonl"),), recipe.steps) for source in recipe.sources]
    made = corpus.build(store, recipe, [shard.process(store, each).manifest.fingerprint for each in shards])
    rows = [row for path in made.manifest.paths("fates") for row in store.table(f"{made.path}/{path}").to_pylist()]
    return made.path, {row["doc_id"]: row for row in rows}


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_a_run_with_that_bound_keeps(load: Load, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    texts = {name: [text(rng) for _ in range(60)] for name in ("books", "web")}
    for name, lines in texts.items():
        (tmp_path / f"{name}.jsonl").write_bytes(json_lines([{"text": line} for line in lines]))
    body = HEAD + step(rng, "first") + step(rng, "second")
    store, recipe = Store(tmp_path / "root"), load(body)
    place, before = fates(store, recipe, tmp_path)
    limits = ["count.min", "count.max", "longest.max", "longest.min", "share.min", "share.max"]
    name = f"{rng.choice(['first', 'second'])}.{rng.choice(limits)}"
    asked = whatif.rule(name, whatif.steps_of(store, store.manifest(place)))
    limit = rng.choice([rng.randint(0, 14), rng.randint(0, 7) / 7])
    outlook = whatif.sweep(store, place, asked, [limit]).to_pylist()
    try:
        _, after = fates(store, load(body, f"{name}={limit!r}", name="other.toml"), tmp_path)
    except ValueError as error:
        assert "expected min <= max" in str(error)  # noqa: PT017  # such a bound keeps nothing
        return
    kept, unknown = Counter(), Counter()
    looked_at = [use.name for use in recipe.steps]
    looked_at = tuple(f"{step}." for step in looked_at[: looked_at.index(asked.step) + 1])
    for doc_id, row in after.items():
        if before[doc_id]["gated_by"] == asked.step:  # what later steps find is not known beforehand
            unknown[row["source"]] += row["gated_by"] != asked.step and not any(rule.startswith(looked_at) for rule in row["broken"])
        else:
            kept[row["source"]] += row["kept"] or row["step"] in DEDUPLICATION
    assert Counter({source: sum(r["documents"] for r in outlook if r["source"] == source) for source in texts}) == kept
    assert Counter({source: sum(r["unknown"] for r in outlook if r["source"] == source) for source in texts}) == unknown


def test_bytes_are_those_of_the_texts(load: Load, tmp_path: Path) -> None:
    lines = ["en one two three", "de eins zwei drei äöü", "en one"]
    (tmp_path / "books.jsonl").write_bytes(json_lines([{"text": line} for line in lines]))
    (tmp_path / "web.jsonl").write_bytes(b"")
    store = Store(tmp_path / "root")
    place, _ = fates(store, load(HEAD + '[[step]]\nuse = "toy_words"\n'), tmp_path)
    asked = whatif.rule("toy_words.count.min", whatif.steps_of(store, store.manifest(place)))
    found = {
        (row["limit"], row["language"]): (row["documents"], row["bytes"]) for row in whatif.sweep(store, place, asked, [2, 5]).to_pylist()
    }
    assert found[2, "en"] == (2, len(lines[0]) + len(lines[2]))
    assert found[2, "de"] == (1, len(lines[1].encode()))
    assert found[5, "en"] == (0, 0)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("words", "expected a rule such as gopher_quality.words.min, not 'words'"),
        ("first.count.in", "expected a rule such as"),
        ("third.count.min", "no step 'third' in this corpus; there are language, first"),
        ("first.letters.min", "no number 'letters' that first measures; there are count, longest, share"),
        ("language.code.min", "no number 'code' that language measures"),
    ],
)
def test_a_rule_that_is_none_is_told_in_one_line(load: Load, name: str, problem: str) -> None:
    recipe = load(HEAD + '[[step]]\nuse = "toy_words"\nas = "first"\n')
    with pytest.raises(LookupError) as raised:
        whatif.rule(name, recipe.steps)
    assert problem in str(raised.value)
