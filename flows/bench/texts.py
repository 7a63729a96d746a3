"""Real texts to time steps with."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pyarrow.compute as pc

from pipeline import shard
from pipeline import step as steps
from pipeline.ingest import inputs
from pipeline.recipe import Source, StepUse
from pipeline.store import Store


def extracted(folder: Path, most_bytes: float = math.inf, language: str | None = None) -> list[str]:
    """Texts of the pages in the WARC files there, extracted by our step: so many bytes, to the end of a file, or all.

    Of one language, where that is named.
    """
    uses = tuple(StepUse(name, name, steps.find(name).Config()) for name in ("extract", "language"))
    source = Source(name="bench", files=(str(folder / "*.warc.gz"),))
    with tempfile.TemporaryDirectory() as root:
        store = Store(root)
        found: list[str] = []
        for given in inputs.find(store, source, folder):
            path = shard.process(store, shard.Shard(source, (given,), uses)).path
            found += _texts(store, path, language)
            if sum(map(len, found)) >= most_bytes:
                break
    return found


def _texts(store: Store, path: str, language: str | None) -> list[str]:
    texts = store.table(f"{path}/texts/part-00000.parquet", ["doc_id", "text"])
    signals = store.table(f"{path}/signals/part-00000.parquet", ["doc_id", "language_code"])
    joined = texts.join(signals, "doc_id").sort_by("text")
    chosen = joined if language is None else joined.filter(pc.equal(joined["language_code"], language))
    found: list[str] = chosen["text"].to_pylist()
    return found
