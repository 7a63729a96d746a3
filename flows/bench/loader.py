"""The loader: how fast it fills batches beside the model that reads them, and how long it takes to go on at a far step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa

from flows.bench.result import Result
from pipeline import order, schema
from pipeline.order import OrderConfig
from pipeline.store import Store, Version
from training import data, learner, mapped, runtime
from training.mapped import Pieces, Tokens
from training.schedule import schedule, sequences_of
from training.settings import ModelConfig, TrainConfig

DOCUMENTS, MEDIAN_TOKENS = 100_000, 150
VOCABULARY = 4096
SEQUENCE_TOKENS, STEP_SEQUENCES = 1024, 16
LOADED_TOKENS = 400_000_000
MODEL_STEPS = 3
SHORT_TOKENS = 16  # of sequences so short that there are a million steps
NEAR, FAR, OPENINGS = 10, 1_000_000, 9


def beside_the_model() -> Result:
    """Tokens a second of CPU time, from a warm map, beside a training step of the demo's model, forwards and backwards."""
    with _opened(SEQUENCE_TOKENS) as (_, _, _, tokens, pieces):
        config = TrainConfig(sequence_tokens=SEQUENCE_TOKENS, sequences_per_step=STEP_SEQUENCES)
        ours = _loaded(tokens, pieces, config)
        runtime.settle(1, deterministic=True)
        learning = learner.start(ModelConfig.model_validate({}), VOCABULARY, config, "cpu")
        steps = [data.passes(tokens, pieces, step * STEP_SEQUENCES, STEP_SEQUENCES, config) for step in range(MODEL_STEPS + 1)]
        learner.take_step(learning, steps[0], 1e-3)
        began = time.process_time()
        for step in steps[1:]:
            learner.take_step(learning, step, 1e-3)
        model = MODEL_STEPS * STEP_SEQUENCES * SEQUENCE_TOKENS / (time.process_time() - began)
    note = f"sequences of {SEQUENCE_TOKENS} tokens, best fit, with targets and document numbers; CPU time; a model of 2 million weights"
    return Result("loader", "M tokens/s", round(ours / 1e6, 1), round(model / 1e6, 4), "the model", round(ours / model, 1), note)


def far_beside_near() -> Result:
    """From opening what is mapped to the first batch, at a step far into training and at one near its beginning."""
    with _opened(SHORT_TOKENS) as (store, place, plan, *_):
        config = TrainConfig(sequence_tokens=SHORT_TOKENS, sequences_per_step=1)
        times: dict[int, list[float]] = {NEAR: [], FAR: []}
        for turn in range(2 * OPENINGS):
            for step in (NEAR, FAR) if turn % 2 else (FAR, NEAR):
                began = time.process_time()
                tokens = mapped.open_tokens(store, place, "train", store.folder("cache"))
                pieces = mapped.open_order(store, plan, tokens, SHORT_TOKENS, store.folder("cache"))
                at = sequences_of(schedule([pieces.sequences], config), step, rank=0, world=1)
                data.passes(tokens, pieces, at.first, at.count, config)
                times[step].append(1000 * (time.process_time() - began))
    far, near = median(times[FAR]), median(times[NEAR])
    note = f"to the first batch at step {FAR:,}, and at step {NEAR}; medians of {2 * OPENINGS} in alternation, by CPU time"
    return Result("resume", "ms", round(far, 2), round(near, 2), f"step {NEAR}", round(near / far, 2), note)


def _loaded(tokens: Tokens, pieces: Pieces, config: TrainConfig) -> float:
    """Tokens a second of CPU time."""
    data.passes(tokens, pieces, 0, STEP_SEQUENCES, config)  # compiled
    began, read = time.process_time(), 0
    while read < LOADED_TOKENS:
        first = read // SEQUENCE_TOKENS % (pieces.sequences - STEP_SEQUENCES)
        read += sum(batch.tokens.size for batch in data.passes(tokens, pieces, first, STEP_SEQUENCES, config))
    return read / (time.process_time() - began)


@contextmanager
def _opened(sequence_tokens: int) -> Iterator[tuple[Store, str, str, Tokens, Pieces]]:
    """A token set and its plan, with where they lie, and both mapped."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        place = store.build("tokens/bench", {"documents": DOCUMENTS}, _write).path
        plan = order.build(store, place, OrderConfig(sequence_tokens=sequence_tokens, seed=0), 0).path
        tokens = mapped.open_tokens(store, place, "train", store.folder("cache"))
        yield store, place, plan, tokens, mapped.open_order(store, plan, tokens, sequence_tokens, store.folder("cache"))


def _write(version: Version) -> dict[str, int]:
    shape, draw = schema.tokens(pa.uint16()), np.random.default_rng(0)
    lengths = draw.lognormal(np.log(MEDIAN_TOKENS), 1.0, DOCUMENTS).astype(np.int64) + 1
    offsets = pa.array(np.concatenate([[0], lengths.cumsum()]).astype(np.int32))
    values = pa.array(draw.integers(0, VOCABULARY, lengths.sum(), np.uint16))
    ids = schema.doc_ids([draw.bytes(16) for _ in range(DOCUMENTS)])
    sources = pa.repeat("bench", DOCUMENTS)
    documents = pa.ListArray.from_arrays(offsets, values, type=shape.field("tokens").type)
    version.table("train/part-00000.parquet", pa.table([ids, sources, pa.array(4 * lengths), documents], schema=shape))
    return {}
