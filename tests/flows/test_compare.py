"""Two recipes that differ in their data alone: which one makes the better model, on the same text."""

from __future__ import annotations

import json
import pkgutil
import pydoc
import random
import string
import sys
from pathlib import Path

import pytest

from flows import compare, job
from pipeline.recipe import RecipeError
from pipeline.store import Store

RECIPE = """
name = "{name}"

[[source]]
name = "pydoc"
format = "jsonl"
files = ["pages.jsonl"]
id_key = "id"
{steps}
[dedup]
exact = false

[split]
validation = 0.15
test = 0.1

[tokenizer]
vocabulary = 512

[order]
sequence_tokens = 64
seed = {order_seed}

[model]
layers = {layers}
width = {width}
heads = 2
kv_heads = 1
feed_forward = {feed_forward}

[train]
sequence_tokens = 64
sequences_per_step = 8
steps = {steps_taken}
warmup_steps = 5
checkpoint_every_steps = 100
"""
CURATED = """
[[step]]
use = "gopher_quality"
keep.words = { min = 20 }
keep.mean_word_chars = false
keep.alphabetic_ratio = false
"""
TINY = {"layers": 1, "width": 32, "feed_forward": 64, "steps_taken": 6}
SMALL = {"layers": 2, "width": 96, "feed_forward": 256, "steps_taken": 250}


def pages(count: int, junk: int) -> list[dict[str, str]]:
    """Documentation, and planted junk: runs of letters without a single stop word."""
    texts: list[str] = []
    for module in sorted(name for _, name, _ in pkgutil.iter_modules() if name in sys.stdlib_module_names and name[0] != "_"):
        if module not in (
            "antigravity",
            "this",
            "imp",
            "idlelib",
            "cgi",
            "cgitb",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "nis",
            "nntplib",
        ):
            text = pydoc.plain(pydoc.render_doc(module))
            texts += [text[start : start + 1500] for start in range(0, len(text) - 1500, 1500)][:40]
        if len(texts) >= count:
            break
    drawn = random.Random(3)
    letters = string.ascii_lowercase
    texts = texts[:count]
    texts += [" ".join("".join(drawn.choices(letters, k=drawn.randint(2, 9))) for _ in range(220)) for _ in range(junk)]
    return [{"id": str(number), "text": text} for number, text in enumerate(texts)]


def recipes(folder: Path, count: int, junk: int, size: dict[str, int]) -> None:
    rows = pages(count, junk)
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, steps, order_seed in (("raw", "", 0), ("curated", CURATED, 0), ("again", CURATED, 0), ("reordered", CURATED, 40)):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=name, steps=steps, order_seed=order_seed, **size))


def compared(folder: Path, a: str, b: str, seeds: int) -> compare.Comparison:
    made = [job.make(str(folder / f"{name}.toml"), str(folder / "root"), (), 2) for name in (a, b)]
    return compare.of(made[0], made[1], seeds)


def test_recipes_compare_on_text_that_both_hold_out_and_runs_are_ordinary_ones(tmp_path: Path) -> None:
    recipes(tmp_path, 120, 30, TINY)
    found = compared(tmp_path, "curated", "again", 1)
    assert found.overall.value == 0
    assert "No difference" in compare.verdict(found.overall, found.names)
    assert found.tokens[0] == found.tokens[1] > 0
    store = Store(tmp_path / "root")
    held_out = 0
    for part in Path(tmp_path, "root/corpora/curated").rglob("documents/*.parquet"):
        splits = store.table(str(part.relative_to(store.base)), ["split"])["split"].to_pylist()
        held_out += sum(split != "train" for split in splits)
    assert found.documents == held_out > 5
    runs = {name: sorted(store.folders(f"runs/{name}")) for name in ("curated", "again")}
    assert compared(tmp_path, "curated", "again", 1) == found
    assert {name: sorted(store.folders(f"runs/{name}")) for name in runs} == runs
    assert store.current("runs/curated") is None


def test_recipes_that_train_differently_are_not_compared(tmp_path: Path) -> None:
    recipes(tmp_path, 4, 0, TINY)
    text = (tmp_path / "again.toml").read_text()
    (tmp_path / "again.toml").write_text(text.replace("width = 32", "width = 64"))
    with pytest.raises(RecipeError, match=r"model\.width: expected 32, as in .*curated\.toml"):
        compared(tmp_path, "curated", "again", 1)
    (tmp_path / "again.toml").write_text(text.replace("steps = 6\n", ""))
    with pytest.raises(RecipeError, match=r"train\.steps: expected a number"):
        compared(tmp_path, "again", "again", 1)


@pytest.mark.verify
def test_junk_in_train_is_found_to_cost_and_another_order_is_not(tmp_path: Path) -> None:
    recipes(tmp_path, 1200, 800, SMALL)
    found = compared(tmp_path, "raw", "curated", 3)
    print(found.overall, found.overall.error, found.bits, compare.verdict(found.overall, found.names))
    assert found.overall.value < -3 * found.overall.error
    assert 0 < found.overall.error < 0.05
    assert compare.verdict(found.overall, found.names).startswith("curated predicts better than raw")
    none = compared(tmp_path, "curated", "reordered", 3)
    print(none.overall, none.overall.error, none.bits, compare.verdict(none.overall, none.names))
    assert 0 < abs(none.overall.value) <= 3 * none.overall.error
    assert abs(none.overall.value) < abs(found.overall.value) / 3
