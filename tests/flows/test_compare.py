"""Two recipes that differ in their data alone: which one makes the better model, on the same text."""

from __future__ import annotations

import json
import pydoc
import random
import string
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from flows import compare, job, stages
from pipeline import order, schema
from pipeline.store import Store, Version
from pipeline.typed import RecipeError
from training.evaluation import paired

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
MEASURED = """
[[step]]
use = "repair"
"""
CURATED = """
[[step]]
use = "gopher_quality"
keep.words = { min = 20 }
keep.mean_word_chars = false
keep.alphabetic_ratio = false
"""
FEW = ("textwrap", "shlex", "argparse", "heapq")
MANY = ("argparse", "inspect", "ssl", "socket", "typing", "subprocess", "asyncio", "os", "logging", "email.message", "datetime", "decimal")
MANY += ("pathlib", "threading", "unittest", "zipfile", "tarfile", "smtplib", "http.client", "urllib.request", "xml.dom.minidom", "json")
TINY = {"layers": 1, "width": 32, "feed_forward": 64, "steps_taken": 6}
SMALL = {"layers": 2, "width": 96, "feed_forward": 256, "steps_taken": 150}


def prose(module: str) -> str:
    return pydoc.plain(pydoc.render_doc(module))


def pages(modules: tuple[str, ...], junk: int) -> list[dict[str, str]]:
    """Documentation, and planted junk: runs of letters without a single stop word."""
    cut = [text[start : start + 1500] for text in map(prose, modules) for start in range(0, len(text) - 1500, 1500)]
    drawn = random.Random(3)

    def word() -> str:
        return "".join(drawn.choices(string.ascii_lowercase, k=drawn.randint(2, 9)))

    texts = [*cut, *(" ".join(word() for _ in range(220)) for _ in range(junk))]
    return [{"id": str(number), "text": text} for number, text in enumerate(texts)]


def recipes(folder: Path, modules: tuple[str, ...], junk: int, size: dict[str, int]) -> None:
    rows = pages(modules, junk)
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, steps, order_seed in (("raw", MEASURED, 0), ("curated", CURATED, 0), ("again", CURATED, 0), ("reordered", CURATED, 40)):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=name, steps=steps, order_seed=order_seed, **size))


def compared(folder: Path, a: str, b: str, seeds: int) -> compare.Comparison:
    made = [job.make(str(folder / f"{name}.toml"), str(folder / "root"), (), 2) for name in (a, b)]
    return compare.of(made[0], made[1], seeds)


def test_the_same_recipe_twice_does_not_differ_and_its_runs_are_ordinary_ones(tmp_path: Path) -> None:
    recipes(tmp_path, FEW, 20, TINY)
    found = compared(tmp_path, "curated", "curated", 1)
    assert found.overall.value == 0
    assert "One seed tells no difference" in compare.verdict(found.overall, found.names)
    store = Store(tmp_path / "root")
    parts = Path(tmp_path, "root/corpora/curated").rglob("documents/*.parquet")
    splits = [split for part in parts for split in store.table(str(part.relative_to(store.base)), ["split"])["split"].to_pylist()]
    assert found.documents == len(splits) - splits.count("train") > 5
    (run,) = store.folders("runs/curated")
    assert store.current("runs/curated") is None
    made = job.make(str(tmp_path / "curated.toml"), str(tmp_path / "root"), (), 1)
    (stage,) = stages.pretrain(made)
    assert (stage.made, stage.path) == (False, f"runs/curated/{run}")


def test_common_documents_are_held_out_in_both_and_as_in_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    texts = {"a": {1: ("test", "one"), 2: ("train", "two"), 3: ("validation", "three"), 4: ("test", "four")}}
    texts["b"] = {1: ("test", "1"), 2: ("train", "2"), 4: ("validation", "4"), 5: ("test", "5")}
    places = []
    for name, rows in texts.items():
        splits, contents = zip(*rows.values(), strict=True)
        keys = schema.doc_ids([schema.doc_id("s", b"%d" % key) for key in rows])
        columns = [keys, pa.array(["s"] * len(rows)), pa.nulls(len(rows), pa.string()), pa.array(splits), pa.array(contents)]
        table = pa.table(columns, schema=schema.DOCUMENTS)

        def write(made: Version, table: pa.Table = table) -> dict[str, int]:
            made.table("documents/part-00000.parquet", table)
            return {}

        places.append(store.build(f"corpora/{name}", {"name": name}, write).path)
    common = store.table(f"{compare.common(store, *places)}/documents/part-00000.parquet")
    assert common["text"].to_pylist() == ["one", "four"]


def test_one_seed_gets_no_verdict() -> None:
    one = paired.difference(*(rate * np.array([[900.0, 800.0, 850.0]]) for rate in (1.0, 0.5)), np.array([1000, 1000, 1000]))
    assert compare.verdict(one, ("A a", "B b")).startswith("One seed tells no difference from chance: -0.")
    three = paired.difference(*(rate * np.array([[900.0, 800.0, 850.0]] * 3) for rate in (1.0, 0.5)), np.array([1000, 1000, 1000]))
    assert compare.verdict(three, ("A a", "B b")).startswith("B b predicts better than A a")


def test_recipes_that_train_differently_are_not_compared(tmp_path: Path) -> None:
    recipes(tmp_path, FEW[:1], 0, TINY)
    text = (tmp_path / "again.toml").read_text()
    (tmp_path / "again.toml").write_text(text.replace("width = 32", "width = 64"))
    with pytest.raises(RecipeError, match=r"model\.width: expected 32, as in .*curated\.toml"):
        compared(tmp_path, "curated", "again", 1)
    (tmp_path / "again.toml").write_text(text.replace("steps = 6\n", ""))
    with pytest.raises(RecipeError, match=r"train\.steps: expected a number"):
        compared(tmp_path, "again", "again", 1)


@pytest.mark.parametrize("mixture", [(), ("mixture.weights={pydoc=1}", "mixture.tokens=3000")])
def test_the_smaller_corpus_is_read_as_often_as_the_steps_ask(tmp_path: Path, mixture: tuple[str, ...]) -> None:
    recipes(tmp_path, FEW, 0, {**TINY, "steps_taken": 90})
    made = job.make(str(tmp_path / "curated.toml"), str(tmp_path / "root"), mixture, 1)
    stages.curate(made)
    tokens = next(stage.path for stage in stages.tokenize(made) if stage.name == "tokens")
    epochs = compare.epochs(made, tokens)
    steps = [-(-store_sequences(made, tokens, epoch) // 8) for epoch in range(epochs)]
    assert epochs > (10 if mixture else 1)
    assert sum(steps[:-1]) < 90 <= sum(steps)


def store_sequences(made: job.Job, tokens: str, epoch: int) -> int:
    return order.build(made.store, tokens, made.recipe.order, epoch, made.recipe.mixture).manifest.counts["sequences"]


@pytest.mark.verify
def test_junk_in_train_is_found_to_cost_and_another_order_is_not(tmp_path: Path) -> None:
    recipes(tmp_path, MANY, 300, SMALL)
    found = compared(tmp_path, "raw", "curated", 3)
    print(found.documents, found.overall, found.overall.error, found.bits, compare.verdict(found.overall, found.names))
    assert found.overall.value < -3 * found.overall.error
    assert 0 < found.overall.error < 0.05
    assert compare.verdict(found.overall, found.names).startswith("curated predicts better than raw")
    none = compared(tmp_path, "curated", "reordered", 3)
    print(none.documents, none.overall, none.overall.error, none.bits, compare.verdict(none.overall, none.names))
    assert 0 < abs(none.overall.value) <= none.overall.bound
    assert abs(none.overall.value) < abs(found.overall.value) / 2
