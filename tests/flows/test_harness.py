"""lm-evaluation-harness on a model folder, offline, and that it finds what we find."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dashboards import query
from flows import harness, harness_tasks, job, line
from flows.harness_tasks import CHOICE_CHARS, CHOICES, CONTEXT_CHARS
from pipeline import schema
from pipeline.store import Store, Version
from training.settings import EvaluateConfig

BEGINNING = "<|endoftext|>"


def corpus(root: Path, texts: list[str]) -> Store:
    """A corpus whose texts are held out, but the first."""
    store = Store(root)
    ids = schema.doc_ids([schema.doc_id("s", str(i).encode()) for i in range(len(texts))])
    splits = ["train", *["test"] * (len(texts) - 1)]
    columns = [ids, pa.array(["s"] * len(texts)), pa.nulls(len(texts), pa.string()), pa.array(splits), pa.array(texts)]
    table = pa.table(columns, schema=schema.DOCUMENTS)

    def write(made: Version) -> dict[str, int]:
        made.table("documents/part-00000.parquet", table)
        return {}

    store.build("corpora/c", {}, write)
    return store


def test_a_cloze_asks_for_what_continues_among_what_does_not(tmp_path: Path) -> None:
    texts = [f"{number} " * 300 for number in range(100, 130)]
    store = corpus(tmp_path / "root", texts)
    place = f"corpora/c/{store.folders('corpora/c')[0]}"
    harness_tasks.write(store, place, BEGINNING, EvaluateConfig(), tmp_path)
    rows = [json.loads(row) for row in (tmp_path / "cloze.jsonl").read_text().splitlines()]
    assert len(rows) == len(texts) - 1
    assert len({row["label"] for row in rows}) == CHOICES
    for row in rows:
        assert row["context"].startswith(BEGINNING)
        text = row["context"].removeprefix(BEGINNING)
        assert len(text) == CONTEXT_CHARS
        assert [choice.split()[1] == text.split()[0] for choice in row["choices"]].count(True) == 1
        assert row["choices"][row["label"]].split()[1] == text.split()[0]
        assert len(set(row["choices"])) == CHOICES
        assert {len(choice) for choice in row["choices"]} == {CHOICE_CHARS}
    held_out = {json.loads(row)["text"] for row in (tmp_path / "rolling.jsonl").read_text().splitlines()}
    assert held_out == set(texts[1:])
    tasks = [json.loads((tmp_path / f"{name}.yaml").read_text()) for name in harness_tasks.TASKS]
    assert [Path(task["dataset_kwargs"]["data_files"]["test"]).exists() for task in tasks] == [True, True]


def test_what_the_harness_says_is_read_by_task_and_metric(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cloze = {"alias": "cloze", "acc,none": 0.5, "acc_stderr,none": 0.1}
    rolling = {"alias": "rolling", "bits_per_byte,none": 2.0, "bits_per_byte_stderr,none": "N/A"}
    store.write("place/results.json", json.dumps({"results": {"cloze": cloze, "rolling": rolling}}).encode())
    assert harness.figures_of(store, "place") == {"cloze": {"acc": (0.5, 0.1)}, "rolling": {"bits_per_byte": (2.0, None)}}


@pytest.mark.verify
@pytest.mark.skipif(not harness.PROGRAM.exists(), reason=f"{harness.PROGRAM}: lm-evaluation-harness is not installed; `make lm-eval` does")
def test_the_harness_finds_the_bits_per_byte_that_we_find(tmp_path: Path, recipe: Path) -> None:
    root, overrides = str(tmp_path / "root"), ("train.precision=float32", "train.steps=40", "train.epochs=2")
    line.run(str(recipe), root, overrides, 1, plain=True)
    made = job.make(str(recipe), root, overrides)
    found = harness.figures_of(made.store, harness.evaluate(made))
    ours = query.run(
        made.store,
        "select value from evaluation_scores where name = 'model' and metric = 'bits_per_byte' and split is null and breakdown is null",
    )
    print(found, ours["value"][0])
    assert found["rolling"]["bits_per_byte"][0] == pytest.approx(ours["value"][0].as_py(), rel=1e-4)
    assert 0 <= found["cloze"]["acc"][0] <= 1
