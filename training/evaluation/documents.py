"""What is written of every held-out document, and what its corpus measured of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import DOC_ID
from pipeline.store import Store
from training.settings import version

LANGUAGE = "language_code"  # the signal of the step `language`

# A row for every held-out document that was measured.
DOCUMENT_SCORES = pa.schema(
    [
        pa.field("doc_id", DOC_ID, nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("language", pa.string()),  # null where no step told it
        pa.field("quality", pa.float64()),  # the signal `quality_signal`, null where none was named
        pa.field("tokens", pa.int64(), nullable=False),  # counted targets
        pa.field("bytes", pa.int64(), nullable=False),  # UTF-8 bytes of the text
        pa.field("nats", pa.float64(), nullable=False),  # of the model
        pa.field("unigram_nats", pa.float64(), nullable=False),
        pa.field("five_gram_nats", pa.float64(), nullable=False),
        pa.field("gzip_bytes", pa.int64(), nullable=False),  # of the document on its own
        pa.field("xz_bytes", pa.int64(), nullable=False),
        pa.field("train_share", pa.float64()),  # of its different 13-grams of words, those that train has; null where it has no 13 words
    ]
)


def signals(store: Store, corpus: str, ids: pa.Array, wanted: dict[str, pa.DataType]) -> dict[str, list[Any]]:
    """The corpus's signals of documents, each in their order; null where a shard has no such signal.

    `ids` are the storage of `doc_id`s. A signal that no shard has is left out.
    """
    found: dict[str, dict[bytes, Any]] = {}
    for shard in version(store, corpus).spec.get("shards", ()):
        for part in version(store, f"shards/{shard}").paths("signals"):
            path = f"shards/{shard}/{part}"
            have = [name for name in wanted if name in store.columns(path)]
            for batch in store.batches(path, ["doc_id", *have]) if have else ():
                rows = batch.filter(pc.is_in(batch["doc_id"].storage, value_set=ids))
                for name in have:
                    values = rows[name].cast(wanted[name]).to_pylist()
                    found.setdefault(name, {}).update(zip(rows["doc_id"].storage.to_pylist(), values, strict=True))
    return {name: [values.get(doc_id) for doc_id in ids.to_pylist()] for name, values in found.items()}
