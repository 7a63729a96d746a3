"""A model's nats of each document of any documents: `python -m training.measure JOB.json` (a `training.settings.MeasureJob`).

Unlike an evaluation it needs no token set of these documents, which are encoded as they are read, and sets nothing beside
the model. The windows are disjoint. The result lies at `measured/<name>/<fingerprint>`: `documents.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline import tokenizer
from pipeline.schema import DOC_ID
from pipeline.store import Built, Store, Version
from training import entry, export, mapped
from training.evaluation.windows import document_nats
from training.runtime import PRECISIONS, settle
from training.settings import MeasureJob, measure_spec, version

BATCH_DOCUMENTS = 256

MEASURED = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),  # counted targets
        pa.field("bytes", pa.int64(), nullable=False),  # UTF-8 bytes of the text
        pa.field("nats", pa.float64(), nullable=False),
    ]
)


def measure(job: MeasureJob) -> Built:
    """Measure, unless it has been done. `ValueError` where a version is missing."""
    store = Store(job.root)
    settle(job.threads, deterministic=True)
    return store.build(f"measured/{job.name}", measure_spec(store, job), lambda made: _write(made, job))


def _write(made: Version, job: MeasureJob) -> dict[str, int]:
    count = 0
    with made.parquet("documents.parquet", MEASURED) as rows:
        for table in _measured(made.store, job):
            rows.write(table)
            count += table.num_rows
    return {"documents": count}


def _measured(store: Store, job: MeasureJob) -> Iterator[pa.Table]:
    encoder = tokenizer.load(store, job.tokenizer)
    model = export.read(store, job.run).to(job.device).eval()
    trained = version(store, job.run).spec["train"]
    window, precision = trained["sequence_tokens"], PRECISIONS[trained["precision"]]
    for part in version(store, job.documents).paths("documents"):
        for batch in store.batches(f"{job.documents}/{part}", ["doc_id", "source", "text"], rows=BATCH_DOCUMENTS):
            texts = batch["text"].to_pylist()
            tokens = _tokens(encoder, texts, batch["doc_id"])
            nats, targets = document_nats(model, tokens, window, window, job.windows_per_pass, precision)
            sizes = [len(text.encode()) for text in texts]
            yield pa.table([batch["doc_id"], batch["source"], pa.array(targets), pa.array(sizes), pa.array(nats)], schema=MEASURED)


def _tokens(encoder: tokenizer.Encoder, texts: list[str], ids: pa.ExtensionArray) -> mapped.Tokens:
    rows = tokenizer.encode(encoder, texts)
    bounds = np.cumsum([0, *(len(row) for row in rows)])
    return mapped.Tokens(np.concatenate(rows), bounds, np.array(ids.storage.to_pylist(), "V16"), encoder.beginning)


if __name__ == "__main__":
    entry.run(MeasureJob, measure)
