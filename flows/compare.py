"""Whether what one recipe does differently makes a better model: both train the same model on as many tokens, seed by seed.

A seed is that of the initial weights and of the order of the data. Both are then measured on common text: the documents held
out in both corpora, as they are in the first one's. A document is held out by a hash of its `doc_id`, so it is in both unless
one of them dropped it, and what the first recipe cuts from a text, neither is asked for. All runs are ordinary ones: those that
are there already are not trained again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows import process, stages
from flows.job import Job
from pipeline import order, schema
from pipeline.each import Each, one_by_one
from pipeline.store import Store, Version
from pipeline.typed import RecipeError
from training import settings
from training.evaluation import paired
from training.evaluation.paired import Array, Difference
from training.schedule import schedule

HELD_OUT = ("validation", "test")
MIN_DOCUMENTS = 2  # in common: one has no spread


@dataclass(frozen=True)
class Side:
    """A recipe and what it has made."""

    job: Job
    corpus: str
    tokens: str


@dataclass(frozen=True)
class Comparison:
    """What came of it; the first of two values is of A, and a difference is B's less A's."""

    names: tuple[str, str]
    documents: int
    bytes: int
    bits: tuple[Array, Array]  # per byte, by seed
    tokens: tuple[int, int]  # trained on by each model
    overall: Difference
    by_source: dict[str, Difference]


def of(a: Job, b: Job, seeds: int, each: Each = one_by_one) -> Comparison:
    """Make both corpora, train the models, and compare them.

    `RecipeError` where the recipes train differently; `ValueError` where hardly a document is held out in both.
    """
    _expect_alike(a, b)
    sides = [_made(job, each) for job in (a, b)]
    shared = common(a.store, sides[0].corpus, sides[1].corpus)
    measured = [[_measured(side, shared, seed) for side in sides] for seed in range(seeds)]
    tables = [[table for table, _ in row] for row in measured]
    nats = [np.stack([row[side]["nats"].to_numpy() for row in tables]) for side in (0, 1)]
    size, sources = tables[0][0]["bytes"].to_numpy(), np.array(tables[0][0]["source"].to_pylist(), object)
    parts = {source: sources == source for source in sorted(set(sources))}
    return Comparison(
        names=(a.recipe.name, b.recipe.name),
        documents=len(size),
        bytes=int(size.sum()),
        bits=(paired.bits_per_byte(nats[0], size), paired.bits_per_byte(nats[1], size)),
        tokens=(measured[0][0][1], measured[0][1][1]),
        overall=paired.difference(nats[0], nats[1], size),
        by_source={source: paired.difference(nats[0][:, own], nats[1][:, own], size[own]) for source, own in parts.items()},
    )


def _expect_alike(a: Job, b: Job) -> None:
    """But for their seeds, from which each goes on counting."""
    for name in ("tokenizer", "order", "model", "train"):
        ours, theirs = ({**recipe.sections, "tokenizer": recipe.tokenizer, "order": recipe.order}[name] for recipe in (a.recipe, b.recipe))
        for key, value in ours.model_dump().items():
            if key != "seed" and theirs.model_dump()[key] != value:
                raise RecipeError(str(b.path), f"{name}.{key}", f"expected {value!r}, as in {a.path}: the two are to differ in data alone")
    if a.recipe.section(settings.TrainConfig).steps is None:
        raise RecipeError(str(a.path), "train.steps", "expected a number: the same for both, whatever their corpora hold")


def _made(job: Job, each: Each) -> Side:
    stages.crawl(job)
    *_, corpus = stages.curate(job, each)
    tokens = next(stage for stage in stages.tokenize(job, each) if stage.name == "tokens")
    return Side(job, corpus.path, tokens.path)


def common(store: Store, a: str, b: str) -> str:
    """A version with the documents that are held out in both corpora, as they are in the first."""
    theirs = pa.chunked_array([batch["doc_id"].storage for batch in _held_out(store, b)], schema.DOC_ID.storage_type)
    spec = {"kind": "common", "version": 1, "texts": settings.version(store, a).fingerprint, "with": settings.version(store, b).fingerprint}

    def write(made: Version) -> dict[str, int]:
        with made.parquet("documents/part-00000.parquet", schema.DOCUMENTS) as rows:
            for batch in _held_out(store, a):
                rows.write(batch.filter(pc.is_in(batch["doc_id"].storage, value_set=theirs)).cast(schema.DOCUMENTS))
        if rows.count < MIN_DOCUMENTS:
            problem = f"at least {MIN_DOCUMENTS} documents, of sources of the same name, were expected that {store.uri(b)} holds out too"
            raise ValueError(f"{store.uri(a)}: {problem}")
        return {"documents": rows.count}

    return store.build(f"common/{a.split('/')[1]}-{b.split('/')[1]}", spec, write).path


def _held_out(store: Store, corpus: str) -> Iterator[pa.RecordBatch]:
    for part in settings.version(store, corpus).paths("documents"):
        for batch in store.batches(f"{corpus}/{part}", schema.DOCUMENTS.names):
            yield batch.filter(pc.is_in(batch["split"], value_set=pa.array(HELD_OUT)))


def _measured(side: Side, documents: str, seed: int) -> tuple[pa.Table, int]:
    """What a model of a seed makes of the common documents, and how many tokens it was trained on."""
    job, store = side.job, side.job.store
    firsts = {"train": job.recipe.section(settings.TrainConfig).seed, "order": job.recipe.order.seed}
    own = replace(job, overrides=(*job.overrides, *(f"{table}.seed={first + seed}" for table, first in firsts.items())))
    run = stages.trained(replace(own, overrides=(*own.overrides, f"train.epochs={epochs(own, side.tokens)}")), side.tokens)
    task = settings.MeasureJob(
        root=job.root,
        name=job.recipe.name,
        run=run.path,
        tokenizer=f"tokenizers/{job.recipe.name}/{settings.version(store, side.tokens).spec['tokenizer']}",
        documents=documents,
        device=process.device(),
    )
    place = settings.measure_place(store, task)
    if store.manifest(place) is None:
        process.measure(store, task)
    return store.table(f"{place}/documents.parquet"), run.counts["tokens"]


def epochs(job: Job, tokens: str) -> int:
    """As many as the recipe says, or more where its corpus is too small for its steps."""
    train = job.recipe.section(settings.TrainConfig)
    sequences: list[int] = []
    while len(sequences) < train.epochs or _steps(sequences, train) < (train.steps or 0):
        sequences.append(order.build(job.store, tokens, job.recipe.order, len(sequences), job.recipe.mixture).manifest.counts["sequences"])
    return len(sequences)


def _steps(sequences: list[int], train: settings.TrainConfig) -> int:
    return schedule(sequences, train.model_copy(update={"epochs": len(sequences), "steps": None})).steps


def verdict(found: Difference, names: Sequence[str]) -> str:
    """What a difference says, in a sentence."""
    error = found.error
    if not found.tells:
        return f"One seed tells no difference from chance: {found.value:+.4f} ± {error:.4f} bits per byte of these two models alone."
    if abs(found.value) <= found.bound:
        return f"No difference is found: {found.value:+.4f} ± {error:.4f} bits per byte, where chance alone makes up to {found.bound:.4f}."
    better, worse = (names[1], names[0]) if found.value < 0 else (names[0], names[1])
    many = f", {abs(found.value) / error:.1f} standard errors" if error else ""
    return f"{better} predicts better than {worse}: by {abs(found.value):.4f} ± {error:.4f} bits per byte{many}."
