"""A token set of so many tokens, planned and loaded in a process of its own: `billion.py make|plan|load ROOT TOKENS`.

The last line of its output is JSON: wall and CPU seconds, the peak of anonymous memory in bytes, and what was counted.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import order, schema
from pipeline.mixture import MixtureConfig
from pipeline.order import OrderConfig
from pipeline.store import Spec, Store, Version, fingerprint
from training import data, mapped

SEQUENCE_TOKENS = 2048
PART_DOCUMENTS, ROW_GROUP_DOCUMENTS = 100_000, 4096
MIXTURES = {"once": MixtureConfig(), "mixed": MixtureConfig(weights={"books": 0.5, "web": 0.5}, tokens=700_000_000)}
STEP_SEQUENCES = 64


def make(store: Store, tokens: int) -> None:
    """Documents of about 500 tokens, an eighth of them books."""
    shape, rng, made = schema.tokens(pa.uint16()), np.random.default_rng(0), 0
    # Few distinct tokens, so that what lies on disk is small.
    noise = rng.integers(1, 2**15, 2**22, np.uint16)

    def write(version: Version) -> dict[str, int]:
        nonlocal made
        for part in range(10**6):
            if made >= tokens:
                break
            lengths = np.minimum(rng.lognormal(5.7, 1.0, PART_DOCUMENTS), 20_000).astype(np.int64) + 1
            offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
            values = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.resize(noise, offsets[-1])), type=shape.field("tokens").type)
            ids = schema.doc_ids([rng.bytes(16) for _ in range(PART_DOCUMENTS)])
            sources = pa.array(np.where(rng.random(PART_DOCUMENTS) < 0.125, "books", "web"))
            table = pa.table([ids, sources, pa.array(lengths * 4), values], schema=shape)
            with version.parquet(f"train/part-{part:05}.parquet", shape) as rows:
                for first in range(0, PART_DOCUMENTS, ROW_GROUP_DOCUMENTS):
                    rows.write(table.slice(first, ROW_GROUP_DOCUMENTS))
            made += int(offsets[-1])
        return {}

    store.build("tokens/large", {"tokens": tokens}, write)


def plan(store: Store, mixture: str) -> dict[str, object]:
    """A packing plan of it."""
    tokens = f"tokens/large/{store.folders('tokens/large')[0]}"
    return dict(order.build(store, tokens, OrderConfig(sequence_tokens=SEQUENCE_TOKENS), 0, MIXTURES[mixture]).manifest.counts)


def load(store: Store, mixture: str) -> dict[str, object]:
    """Map it, open it again, and read the first 200 million tokens of the plan in the steps of a training."""
    path, cache = f"tokens/large/{store.folders('tokens/large')[0]}", store.folder("cache")
    spec = order.spec(path.rpartition("/")[2], OrderConfig(sequence_tokens=SEQUENCE_TOKENS), 0, MIXTURES[mixture])
    began = time.perf_counter()
    tokens, pieces = _open(store, path, cache, spec)
    mapped_s, began = time.perf_counter() - began, time.perf_counter()
    tokens, pieces = _open(store, path, cache, spec)
    opened_s = time.perf_counter() - began
    data.batch(tokens, pieces, 0, 1, SEQUENCE_TOKENS, endings=True)  # compiled
    began, read = time.process_time(), 0
    while read < 200_000_000:
        first = read // SEQUENCE_TOKENS % (pieces.sequences - STEP_SEQUENCES)
        read += data.batch(tokens, pieces, first, STEP_SEQUENCES, SEQUENCE_TOKENS, endings=True).tokens.size
    return {"mapped_s": mapped_s, "opened_s": opened_s, "tokens_a_second": read / (time.process_time() - began)}


def _open(store: Store, path: str, cache: Path, spec: Spec) -> tuple[mapped.Tokens, mapped.Pieces]:
    tokens = mapped.open_tokens(store, path, "train", cache)
    return tokens, mapped.open_order(store, f"order/{fingerprint(spec)}", tokens, SEQUENCE_TOKENS, cache)


@contextmanager
def watched() -> Iterator[list[int]]:
    """The peak of this process's anonymous memory, which maps of files are no part of."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            status = Path("/proc/self/status").read_text()
            peak[0] = max(peak[0], int(status.partition("RssAnon:")[2].split()[0]) * 1024)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def main() -> None:
    what, root, rest = sys.argv[1:]
    store = Store(root)
    if what == "make":
        make(store, int(rest))
        return
    with watched() as peak:
        wall, cpu = time.perf_counter(), time.process_time()
        found = plan(store, rest) if what == "plan" else load(store, rest)
        found |= {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({**found, "peak_bytes": peak[0]}))


if __name__ == "__main__":
    main()
