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

from pipeline.schema import doc_ids
from pipeline.store import Store, Version
from training import export, mapped
from training.evaluate import evaluate
from training.evaluation import compressors, frequencies
from training.evaluation.documents import DOCUMENT_SCORES, signals
from training.evaluation.figures import SCORES, bits_per_byte, scores
from training.evaluation.windows import document_nats, windows
from training.generate import generate
from training.settings import EvaluateConfig
from training.train import train

SCORED = (None, "source", "language", "length", "quality", "novelty")


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


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 10, 16, 17, 30])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_windows_count_each_target_once(length: int, stride: int) -> None:
    lengths = np.array([length, 5, 3, length])
    pieces, counted = windows(lengths, 8, stride)
    predicted = {(i, target) for i, count in enumerate(lengths) for target in range(1, count)}
    found = [
        (document, start + offset + 1)
        for document, start, size, before in zip(pieces.document, pieces.start, pieces.length, counted, strict=True)
        for offset in range(before, size)
        if start + offset + 1 < lengths[document]
    ]
    assert Counter(found) == Counter(predicted)
    for row in range(pieces.sequences):
        own = slice(pieces.first[row], pieces.first[row + 1])
        ends = pieces.position[own] + pieces.length[own]
        assert ends[-1] <= 8
        assert pieces.position[own].tolist() == [0, *ends[:-1]]


@pytest.mark.parametrize("stride", [SEQUENCE_TOKENS, SEQUENCE_TOKENS // 3])
def test_a_document_costs_what_its_windows_cost_alone(world: World, run: str, stride: int) -> None:
    model, tokens = export.read(world.store, run).eval(), held_out(world, "validation")
    nats, targets = document_nats(model, tokens, SEQUENCE_TOKENS, stride, 4, torch.float32)
    for i in range(len(tokens.ids)):
        own = torch.from_numpy(tokens.values[tokens.bounds[i] : tokens.bounds[i + 1]].astype(np.int64))
        expected = 0.0
        counted, last = 1, max(0, len(own) - 1 - SEQUENCE_TOKENS)
        for start in sorted({*range(0, last, stride), last}):
            read = own[start : start + SEQUENCE_TOKENS][None]
            wanted = own[start + 1 : start + SEQUENCE_TOKENS + 1]
            with torch.no_grad():
                logits = model.logits(read)[0, : len(wanted)]
            fresh = counted - start - 1
            if fresh < len(wanted):
                expected += functional.cross_entropy(logits[fresh:], wanted[fresh:], reduction="sum").item()
                counted = start + 1 + len(wanted)
        assert nats[i] == pytest.approx(expected, rel=1e-4)
        assert targets[i] == len(own) - 1


def test_the_unigram_model_is_a_count(world: World) -> None:
    train_tokens, tokens = held_out(world, "train"), held_out(world, "test")
    manifest = world.store.manifest(world.tokens)
    assert manifest is not None
    vocabulary = manifest.counts["vocabulary"]
    counts = Counter(token for token in train_tokens.values.tolist() if token != train_tokens.beginning)
    total = sum(counts.values()) + vocabulary - 1
    found = frequencies.unigram_nats(frequencies.unigram(train_tokens, vocabulary), tokens)
    for i in range(len(tokens.ids)):
        own = tokens.values[tokens.bounds[i] + 1 : tokens.bounds[i + 1]].tolist()
        assert found[i] == pytest.approx(-sum(math.log((counts[token] + 1) / total) for token in own))


def test_compressors_are_the_usual_ones() -> None:
    texts = [b"a" * 1000, b"the quick brown fox " * 20]
    together = compressors.Concatenated()
    for text in texts:
        assert compressors.compressed(text) == {"gzip": len(gzip.compress(text, 9)), "xz": len(lzma.compress(text))}
        together.add(text)
    assert together.sizes() == {"gzip": len(gzip.compress(b"".join(texts), 9)), "xz": len(lzma.compress(b"".join(texts)))}


def held_out_documents(count: int = 400) -> pa.Table:
    """Documents of all sizes, sources and kinds, whose figures are known."""
    random = np.random.default_rng(5)
    columns: dict[str, object] = {"doc_id": doc_ids([i.to_bytes(16, "big") for i in range(count)]), "split": ["test"] * count}
    columns |= {"source": ["s"] * count, "language": ["en", "de"] * (count // 2), "quality": np.arange(count) * 0.5}
    columns |= {"tokens": [50] * count, "bytes": [2000] * count, "nats": random.normal(100.0, 10.0, count)}
    columns |= {"unigram_nats": [200.0] * count, "five_gram_nats": [90.0] * count, "gzip_bytes": [400] * count, "xz_bytes": [500] * count}
    columns |= {"train_share": [0.05, 0.1, 0.5, None] * (count // 4)}
    return pa.table(columns).cast(DOCUMENT_SCORES)


def test_the_bootstrap_finds_the_spread_of_documents() -> None:
    documents = held_out_documents()
    nats = documents["nats"].to_numpy()
    sizes = {("test", None): {"gzip_concatenated": 4000}}
    rows = scores(documents, sizes, EvaluateConfig(bootstrap_resamples=400)).to_pylist()
    found = {(row["name"], row["metric"]): row for row in rows if row["split"] == "test" and row["breakdown"] is None}
    loss = found["model", "loss"]
    assert loss["value"] == pytest.approx(nats.mean() / 50)
    assert loss["error"] == pytest.approx(nats.std() / 50 / math.sqrt(len(nats)), rel=0.15)
    assert found["gzip", "bits_per_byte"]["error"] == 0
    assert found["gzip_concatenated", "bits_per_byte"]["value"] == pytest.approx(8 * 4000 / (2000 * len(nats)))
    above = found["model", "above_five_gram"]
    assert above["value"] == pytest.approx((nats.mean() - 90) / math.log(2) / 2000)
    assert above["error"] == pytest.approx(nats.std() / math.log(2) / 2000 / math.sqrt(len(nats)), rel=0.15)


def test_every_breakdown_holds_each_document_once() -> None:
    rows = scores(held_out_documents(), {}, EvaluateConfig(bootstrap_resamples=2)).to_pylist()
    rows = [row for row in rows if row["metric"] == "loss" and row["split"] is None]
    parts = {name: {row["part"]: row["documents"] for row in rows if row["breakdown"] == name} for name in SCORED}
    assert parts[None] == {None: 400}
    assert parts["source"] == {"s": 400}
    assert parts["language"] == {"de": 200, "en": 200}
    assert parts["length"] == {"1 to 4 kB": 400}
    assert parts["quality"] == {f"{tenth} of 10": 40 for tenth in range(1, 11)}
    assert parts["novelty"] == {"novel": 100, "known": 200}
    lowest = next(row for row in rows if row["part"] == "1 of 10")
    assert lowest["value"] == pytest.approx(held_out_documents()["nats"].to_numpy()[:40].mean() / 50)


def test_figures_over_few_documents_say_so_and_every_row_says_its_windows() -> None:
    for count, few in ((96, True), (400, False)):
        (row,) = (
            row
            for row in scores(held_out_documents(count), {}, EvaluateConfig(stride_tokens=8, bootstrap_resamples=2)).to_pylist()
            if (row["split"], row["breakdown"], row["metric"]) == (None, None, "loss")
        )
        assert (row["few"], row["windows"]) == (few, "strided")
    every = scores(held_out_documents(4), {}, EvaluateConfig(bootstrap_resamples=2)).to_pylist()
    assert {(row["name"] == "model", row["windows"]) for row in every} == {(True, "disjoint"), (False, "whole")}


def test_the_scores_follow_from_the_documents(world: World, result: str) -> None:
    table = world.store.table(f"{result}/scores.parquet")
    documents = world.store.table(f"{result}/documents.parquet")
    assert table.schema == SCORES
    assert documents.schema == DOCUMENT_SCORES
    rows = {
        (row["name"], row["split"], row["part"], row["metric"]): row for row in table.to_pylist() if row["breakdown"] in (None, "source")
    }
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
    assert rows["xz_primed", None, None, "bits_per_byte"]["value"] < rows["xz_concatenated", None, None, "bits_per_byte"]["value"]


def test_a_quality_signal_that_the_corpus_has_not_is_an_error(world: World, run: str) -> None:
    with pytest.raises(ValueError, match=r"evaluate\.quality_signal: .*, not 'perplexity_words'"):
        evaluate(world.evaluate_job("unsignalled", run, quality_signal="perplexity_words"))


def test_a_stride_longer_than_a_window_is_an_error(world: World, run: str) -> None:
    with pytest.raises(ValueError, match=r"evaluate\.stride_tokens: at most the 48 tokens"):
        evaluate(world.evaluate_job("leaping", run, stride_tokens=49))


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


def test_signals_of_the_corpus_come_to_its_documents(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ids = doc_ids([bytes([i] * 16) for i in range(4)])
    rows = {"doc_id": ids, "language_code": ["en", "de", None, "fr"], "perplexity_score": pa.array([1, 2, 3, 4], pa.int32())}
    shards = []
    for number, names in enumerate((["doc_id", "language_code", "perplexity_score"], ["doc_id", "language_code"])):
        own = pa.table(rows).slice(2 * number, 2).select(names)

        def write(made: Version, own: pa.Table = own) -> dict[str, int]:
            made.table("signals/part-00000.parquet", own)
            return {}

        shards.append(store.build("shards", {"number": number}, write).manifest.fingerprint)
    corpus = store.build("corpora/c", {"shards": shards}, lambda made: {}).path
    asked = pa.array([bytes([i] * 16) for i in (3, 1, 0)], pa.binary(16))
    wanted = {"language_code": pa.string(), "perplexity_score": pa.float64(), "nothing": pa.float64()}
    assert signals(store, corpus, asked, wanted) == {"language_code": ["fr", "de", "en"], "perplexity_score": [None, 2.0, 1.0]}
