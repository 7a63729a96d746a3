from __future__ import annotations

import gzip
import json
import lzma
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn import functional
from training_world import SEQUENCE_TOKENS, World

from training import baselines, export, mapped
from training.evaluate import DOCUMENT_SCORES, SCORES, bits_per_byte, document_nats, evaluate, scores, windows
from training.generate import generate
from training.settings import EvaluateConfig
from training.train import train


@pytest.fixture(scope="module")
def run(world: World) -> str:
    return train(world.train_job("evaluated")).path


@pytest.fixture(scope="module")
def result(world: World, run: str) -> str:
    return evaluate(world.evaluate_job("evaluated", run)).path


def held_out(world: World, split: str) -> mapped.Tokens:
    return mapped.open_tokens(world.store, world.tokens, split, world.store.folder("cache"))


def test_bits_per_byte_by_hand() -> None:
    # Two documents, of 3 tokens in 8 bytes and 1 token in 4: each token known with probability 1/4 costs 2 bits.
    nats = np.array([3, 1]) * math.log(4)
    assert bits_per_byte(nats.sum(), np.float64(12)) == pytest.approx(8 / 12)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 16, 17, 30])
def test_windows_are_disjoint_and_leave_no_target_out(length: int) -> None:
    lengths = np.array([length, 5, 3, length])
    pieces = windows(lengths, 8)
    predicted = {(i, target) for i, count in enumerate(lengths) for target in range(1, count)}
    found = [
        (document, start + offset + 1)
        for document, start, size in zip(pieces.document, pieces.start, pieces.length, strict=True)
        for offset in range(size)
        if start + offset + 1 < lengths[document]
    ]
    assert Counter(found) == Counter(predicted)
    for row in range(pieces.sequences):
        own = slice(pieces.first[row], pieces.first[row + 1])
        ends = pieces.position[own] + pieces.length[own]
        assert ends[-1] <= 8
        assert pieces.position[own].tolist() == [0, *ends[:-1]]


def test_a_document_costs_what_its_windows_cost_alone(world: World, run: str) -> None:
    model, tokens = export.read(world.store, run).eval(), held_out(world, "validation")
    nats, targets = document_nats(model, tokens, SEQUENCE_TOKENS, 4, torch.float32)
    for i in range(len(tokens.ids)):
        own = torch.from_numpy(tokens.values[tokens.bounds[i] : tokens.bounds[i + 1]].astype(np.int64))
        expected = 0.0
        for start in range(0, len(own) - 1, SEQUENCE_TOKENS):
            read = own[start : start + SEQUENCE_TOKENS][None]
            wanted = own[start + 1 : start + SEQUENCE_TOKENS + 1]
            with torch.no_grad():
                logits = model.logits(read)[0, : len(wanted)]
            expected += functional.cross_entropy(logits, wanted, reduction="sum").item()
        assert nats[i] == pytest.approx(expected, rel=1e-4)
        assert targets[i] == len(own) - 1


def test_the_unigram_model_is_a_count(world: World) -> None:
    train_tokens, tokens = held_out(world, "train"), held_out(world, "test")
    manifest = world.store.manifest(world.tokens)
    assert manifest is not None
    vocabulary = manifest.counts["vocabulary"]
    counts = Counter(token for token in train_tokens.values.tolist() if token != train_tokens.beginning)
    total = sum(counts.values()) + vocabulary - 1
    found = baselines.unigram_nats(baselines.unigram(train_tokens, vocabulary), tokens)
    for i in range(len(tokens.ids)):
        own = tokens.values[tokens.bounds[i] + 1 : tokens.bounds[i + 1]].tolist()
        assert found[i] == pytest.approx(-sum(math.log((counts[token] + 1) / total) for token in own))


def test_compressors_are_the_usual_ones() -> None:
    texts = [b"a" * 1000, b"the quick brown fox " * 20]
    together = baselines.Concatenated()
    for text in texts:
        assert baselines.compressed(text) == {"gzip": len(gzip.compress(text, 9)), "xz": len(lzma.compress(text))}
        together.add(text)
    assert together.sizes() == {"gzip": len(gzip.compress(b"".join(texts), 9)), "xz": len(lzma.compress(b"".join(texts)))}


def test_the_bootstrap_finds_the_spread_of_documents() -> None:
    count = 400
    random = np.random.default_rng(5)
    nats = random.normal(100.0, 10.0, count)
    columns = {"split": ["test"] * count, "source": ["s"] * count, "tokens": [50] * count, "bytes": [100] * count, "nats": nats}
    columns |= {"unigram_nats": nats, "gzip_bytes": [40] * count, "xz_bytes": [50] * count}
    rows = scores(pa.table(columns), {("test", None): {"gzip": 4000}}, EvaluateConfig(bootstrap_resamples=400))
    found = {(row["name"], row["metric"]): row for row in rows}
    loss = found["model", "loss"]
    assert loss["value"] == pytest.approx(nats.mean() / 50)
    assert loss["error"] == pytest.approx(nats.std() / 50 / math.sqrt(count), rel=0.15)
    assert found["gzip", "bits_per_byte"]["error"] == 0
    assert found["gzip_concatenated", "bits_per_byte"]["value"] == pytest.approx(8 * 4000 / (100 * count))


def test_the_scores_follow_from_the_documents(world: World, result: str) -> None:
    table = world.store.table(f"{result}/scores.parquet")
    documents = world.store.table(f"{result}/documents.parquet")
    assert table.schema == SCORES
    assert documents.schema == DOCUMENT_SCORES
    rows = {(row["name"], row["split"], row["source"], row["metric"]): row for row in table.to_pylist()}
    for split, source in ((None, None), ("test", None), (None, "odd"), ("validation", "even")):
        own = [row for row in documents.to_pylist() if split in (None, row["split"]) and source in (None, row["source"])]
        size = sum(row["bytes"] for row in own)
        nats = sum(row["nats"] for row in own)
        assert rows["model", split, source, "bits_per_byte"]["value"] == pytest.approx(nats / math.log(2) / size)
        assert rows["model", split, source, "bits_per_byte"]["documents"] == len(own)
        loss = nats / sum(row["tokens"] for row in own)
        assert rows["model", split, source, "perplexity"]["value"] == pytest.approx(math.exp(loss))
        alone, together = (rows[name, split, source, "bits_per_byte"]["value"] for name in ("gzip", "gzip_concatenated"))
        assert alone == pytest.approx(8 * sum(row["gzip_bytes"] for row in own) / size)
        assert together < alone or len(own) == 1


def test_samples_continue_held_out_documents(world: World, run: str, result: str) -> None:
    samples = json.loads(world.store.read(f"{result}/samples.json"))
    assert len(samples) == 2
    texts = {str(row["doc_id"]): row for row in world.store.table(f"{world.corpus}/documents/part-00000.parquet").to_pylist()}
    for sample in samples:
        assert texts[sample["doc_id"]]["split"] in ("validation", "test")
        assert texts[sample["doc_id"]]["text"].startswith(sample["prompt"])
    first = samples[0]
    folder = world.store.path(f"{run}/model")
    again = generate(folder, first["prompt"], max_tokens=8, temperature=first["temperature"], top_k=first["top_k"], seed=first["seed"])
    assert again == first["completion"]


def test_generation_is_seeded_and_a_long_prompt_is_no_error(world: World, run: str) -> None:
    folder = world.store.path(f"{run}/model")
    drawn = [generate(folder, "the " * 100, max_tokens=12, temperature=1.5, top_k=0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert generate(folder, "", max_tokens=3, temperature=0)


def test_an_evaluation_is_done_once(world: World, run: str, result: str) -> None:
    built = evaluate(world.evaluate_job("evaluated", run))
    assert (built.path, built.made) == (result, False)


def test_a_corpus_without_the_held_out_texts_is_an_error(world: World, run: str) -> None:
    empty = world.store.build("corpora/empty", {"empty": True}, lambda made: {}).path
    job = world.evaluate_job("textless", run).model_copy(update={"corpus": empty})
    with pytest.raises(ValueError, match=r"the text of document .* was expected"):
        evaluate(job)
    assert not Path(world.store.path("evaluations/textless")).exists()
