"""What twenty other bounds would keep of a million documents, beside deciding anew with each of them."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa

from flows.bench.result import Result
from pipeline import decide, schema, whatif
from pipeline.recipe import StepUse
from pipeline.shard import signals_schema
from pipeline.step import find
from pipeline.store import Store, Version

SHARDS, ROWS, LIMITS = 10, 100_000, 20
RULE = "gopher_quality.words.min"
USES = tuple(
    StepUse(name, name, find(name).Config(), dict(find(name).BOUNDS)) for name in ("language", "gopher_quality", "gopher_repetition")
)


def beside_deciding() -> Result:
    """One sweep over generated signals, against the fates of all documents made with one bound after the other."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        place = _corpus(store)
        corpus = store.manifest(place)
        if corpus is None:
            raise RuntimeError(f"{place}: the generated corpus is not there")
        limits = [float(limit) for limit in np.linspace(10, 200, LIMITS)]
        began = time.perf_counter()
        whatif.sweep(store, place, whatif.rule(RULE, whatif.steps_of(store, corpus)), limits)
        swept = time.perf_counter()
        for limit in limits:
            for shard in corpus.spec["shards"]:
                _decide(store, f"shards/{shard}", limit)
        decided = time.perf_counter()
    ours_s, theirs_s = swept - began, decided - swept
    note = f"{SHARDS * ROWS:,} documents, {LIMITS} bounds; the peer decides anew for each, and deduplicates nothing"
    return Result("whatif", "s", round(ours_s, 2), round(theirs_s, 2), "decide", round(theirs_s / ours_s, 1), note)


def _corpus(store: Store) -> str:
    """A corpus of generated signals, about as many on each side of a bound."""
    draw = np.random.default_rng(0)
    shards = [_shard(store, number, draw) for number in range(SHARDS)]
    bounds = [
        [use.name, [[signal, bound.model_dump(mode="json", by_alias=True, exclude_unset=True)] for signal, bound in use.bounds.items()]]
        for use in USES
    ]
    return store.build("corpora/generated", {"shards": shards, "bounds": bounds}, lambda _: {}).path


def _shard(store: Store, number: int, draw: np.random.Generator) -> str:
    ids = schema.doc_ids([draw.bytes(16) for _ in range(ROWS)])
    known = {
        "doc_id": ids,
        "text_bytes": pa.array(draw.integers(100, 10_000, ROWS)),
        "language_code": pa.array(draw.choice(["en", "de"], ROWS)),
    }
    wanted = signals_schema(USES)
    columns = [known.get(field.name, _drawn(field, draw)) for field in wanted]

    def write(version: Version) -> dict[str, int]:
        version.table("records/part-00000.parquet", pa.table({"doc_id": ids, "source": pa.array(draw.choice(["a", "b"], ROWS))}))
        version.table("signals/part-00000.parquet", pa.table(columns, schema=wanted))
        return {"records": ROWS, "damaged": 0}

    steps = [{"name": use.name, "use": use.use, "gate": None} for use in USES]
    return store.build("shards", {"number": number, "steps": steps}, write).manifest.fingerprint


def _drawn(field: pa.Field, draw: np.random.Generator) -> pa.Array:
    if pa.types.is_integer(field.type):
        return pa.array(draw.integers(0, 300, ROWS), field.type)
    if pa.types.is_floating(field.type):
        return pa.array(0.3 * draw.random(ROWS), field.type)
    return pa.nulls(ROWS, field.type)


def _decide(store: Store, place: str, limit: float) -> None:
    records = store.table(f"{place}/records/part-00000.parquet", ["doc_id", "source"])
    step, signal, kind = RULE.split(".")
    uses = tuple(
        replace(use, bounds={**use.bounds, signal: use.bounds[signal].model_copy(update={kind: limit})}) if use.name == step else use
        for use in USES
    )
    decide.decide(records, store.table(f"{place}/signals/part-00000.parquet"), uses)
