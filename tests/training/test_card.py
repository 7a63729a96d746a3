"""The model card says what the manifests say, and a run that has ended stays as it is."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from training_world import World

from pipeline import schema
from pipeline.store import Version
from training import card
from training.evaluate import evaluate
from training.train import train


@pytest.fixture(scope="module")
def run(world: World) -> str:
    return train(world.train_job("carded", steps=3)).path


def test_the_model_folder_holds_a_card_and_where_the_model_came_from(world: World, run: str) -> None:
    text = world.store.read(f"{run}/model/README.md").decode()
    manifest, tokens = world.store.manifest(run), world.store.manifest(world.tokens)
    assert manifest is not None
    assert tokens is not None
    for said in (
        f"{manifest.counts['parameters']:,} parameters",
        f"{manifest.counts['tokens']:,} target tokens in 3 steps",
        f"{tokens.counts['documents_train']:,} documents",
        "| train.learning_rate | 0.004 |",
        "Not measured when training ended",
        "# license: to be filled in",
        manifest.fingerprint,
    ):
        assert said in text
    found = json.loads(world.store.read(f"{run}/model/provenance.json"))
    assert found["run"] == {"fingerprint": manifest.fingerprint, "spec": manifest.spec}
    assert found["tokens"]["fingerprint"] == manifest.spec["tokens"]
    assert found["tokenizer"]["fingerprint"] == manifest.spec["tokenizer"]
    assert found["corpus"]["fingerprint"] == tokens.spec["corpus"]
    assert [order["fingerprint"] for order in found["orders"]] == manifest.spec["orders"]
    assert {"model/README.md", "model/provenance.json"} <= {part.path for part in manifest.files}


def test_the_card_of_an_evaluation_has_the_figures(world: World, run: str) -> None:
    before = world.store.manifest(run)
    place = evaluate(world.evaluate_job("carded", run)).path
    text = world.store.read(f"{place}/README.md").decode()
    rows = world.store.table(f"{place}/scores.parquet").to_pylist()
    overall = {row["name"]: row for row in rows if row["split"] is row["breakdown"] is None and row["metric"] == "bits_per_byte"}
    for name, said in (
        ("model", "the model"),
        ("five_gram", "Kneser-Ney 5-gram of the same tokens, up to five_gram_tokens"),
        ("xz", "xz, each document alone"),
    ):
        assert f"| {said} | {overall[name]['value']:.3f}" in text
    assert "too few documents or bytes to go by" in text
    assert world.store.manifest(run) == before


def test_what_was_kept_and_dropped_is_counted(world: World, run: str) -> None:
    rules = ["quality.words.min", None, None, "near.duplicate", "quality.words.min"]
    fates = pa.table(
        [
            pa.array([None] * 5, field.type) if field.name not in ("doc_id", "source", "kept", "rule", "broken") else column
            for field, column in zip(
                schema.FATES,
                [
                    schema.doc_ids([bytes([i] * 16) for i in range(5)]),
                    pa.array(["a", "a", "b", "b", "b"]),
                    pa.array([rule is None for rule in rules]),
                    None,
                    pa.array(rules),
                    None,
                    None,
                    pa.array([[]] * 5, pa.list_(pa.string())),
                    *[None] * 5,
                ],
                strict=True,
            )
        ],
        schema=schema.FATES,
    )
    store = world.store

    def write(made: Version) -> dict[str, int]:
        made.table("fates/part-00000.parquet", fates)
        return {"documents": 2}

    corpus = store.build("corpora/counted", {"counted": True}, write)
    before = store.manifest(world.tokens)
    assert before is not None
    spec = {**before.spec, "corpus": corpus.manifest.fingerprint}
    tokens = store.build("tokens/counted", spec, lambda made: dict(before.counts)).path
    found = card.data(store, tokens)
    assert found[0] == "5 records came in, 2 were kept."
    assert {"| a | 2 | 1 |", "| b | 3 | 1 |", "| quality.words.min | 2 |", "| near.duplicate | 1 |"} <= set(found)
