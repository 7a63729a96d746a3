"""A third corpus against two earlier ones, by its size: from measured shards to the corpus, CPU seconds.

Beside it stands what deduplicating all three together takes, which is what has to be done where older corpora cannot be named.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.bench import generated
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from pipeline import corpus, recipe, shard
from pipeline.ingest import inputs
from pipeline.recipe import Recipe
from pipeline.store import Store

EARLIER, NEW = 200_000, (20_000, 40_000, 80_000)  # documents: in each of two corpora, and in the third
AGAIN = 0.1


def month_three() -> Result:
    """Seconds for the least of the new corpora."""
    with tempfile.TemporaryDirectory() as folder:
        store, work = Store(f"{folder}/root"), Path(folder)
        for seed, (name, documents) in enumerate({"january": EARLIER, "february": EARLIER, "few": 1_000}.items()):
            generated.write(work / f"{name}.parquet", documents, seed)
        for seed, size in enumerate(NEW, 3):
            pq.write_table(_partly_again(size, seed), work / f"march-{size}.parquet")
        _build(store, _recipe(work, "few", ("few",)))  # kernels compiled
        _build(store, _recipe(work, "january", ("january",)))
        _build(store, _recipe(work, "february", ("february",), ("january",)))
        seconds = {size: _build(store, _recipe(work, f"march-{size}", (f"march-{size}",), ("january", "february"))) for size in NEW}
        together = _build(store, _recipe(work, "all", ("january", "february", f"march-{NEW[0]}")))
    least = seconds[NEW[0]]
    growth = "; ".join(f"{size:,}: {took:.1f} s, {took / least:.2f} x for {size / NEW[0]:g} x" for size, took in seconds.items())
    note = f"against 2 x {EARLIER:,}, by CPU time: {growth}"
    return Result("incremental", "s", round(least, 1), round(together, 1), "all anew", round(together / least, 1), note)


def _partly_again(documents: int, seed: int) -> pa.Table:
    """New documents, of which a share of AGAIN is near-copies of January's: a word more each."""
    again = next(generated.blocks(EARLIER, 0)).slice(0, int(AGAIN * documents))
    copies = pa.table([again["id"], pc.binary_join_element_wise(again["text"], "again", " ")], schema=generated.SCHEMA)
    return pa.concat_tables([pa.Table.from_batches(list(generated.blocks(documents - len(copies), seed))), copies])


def _recipe(work: Path, name: str, sources: tuple[str, ...], against: tuple[str, ...] = ()) -> Recipe:
    table: dict[str, Any] = {
        "name": name,
        "source": [{"name": each, "format": "parquet", "files": [f"{each}.parquet"], "id_key": "id"} for each in sources],
        "dedup": {"against": list(against), "prefer_sources": list(sources)},
    }
    return recipe.made(table, f"{name}.toml", work, (), {})


def _build(store: Store, made: Recipe) -> float:
    """Make a corpus; how long it took, from its measured shards on. What is signed already is not signed again."""
    found = {source.name: inputs.find(store, source, made.folder) for source in made.sources}
    shards = [shard.process(store, each).manifest.fingerprint for each in shard.plan(made, found)]
    before = cpu_s()
    corpus.build(store, made, shards)
    return cpu_s() - before
