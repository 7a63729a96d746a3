"""The tokenizer of a corpus, as a version on disk."""

from __future__ import annotations

import json

from pipeline.step import versions
from pipeline.store import Built, Store, Version
from pipeline.tokenizer.config import END_OF_TEXT, SETTINGS, TOKENIZER, TokenizerConfig
from pipeline.tokenizer.encoder import transformers
from pipeline.tokenizer.report import REPORT_FILE, UNUSED_FILE, report
from pipeline.tokenizer.sample import draw
from pipeline.tokenizer.taken import take
from pipeline.tokenizer.training import train

VERSION = 2
USES = ("tokenizers",)


def build(store: Store, name: str, corpus: str, config: TokenizerConfig) -> Built:
    """The tokenizer trained on a corpus version, or taken from elsewhere, at `tokenizers/<name>/<fingerprint>`.

    A folder that `transformers.AutoTokenizer.from_pretrained` opens, `report.parquet`, and the names of the entries that the
    sample never uses. `ValueError` where there is no finished corpus at `corpus`, where it has no document to train on, or where a
    text does not survive a round trip through what was trained on it.
    """
    manifest = store.manifest(corpus)
    if manifest is None:
        raise ValueError(f"{store.uri(corpus)}: a finished corpus was expected here")
    spec = {
        "kind": "tokenizer",
        "version": VERSION,
        "uses": versions(USES),
        "corpus": manifest.fingerprint,
        "config": config.model_dump(mode="json", by_alias=True),
    }

    def write(version: Version) -> dict[str, int]:
        taken = take(config) if config.from_ is not None else None
        samples = draw(store, corpus, manifest, config)
        if not samples["train"]:
            raise ValueError(f"{store.uri(corpus)}: documents in the split 'train' were expected, to train a tokenizer on")
        encoder, beginning = taken or (train([document.text for document in samples["train"]], config), END_OF_TEXT)
        found = report(encoder, samples, lossless=taken is None)
        version.write(TOKENIZER, encoder.tokenizer.to_str(pretty=True).encode())
        version.write(SETTINGS, _json(transformers(beginning)))
        version.table(REPORT_FILE, found.samples)
        version.write(UNUSED_FILE, _json(found.unused))
        return {
            "vocabulary": encoder.vocabulary,
            "unused_entries": len(found.unused),
            "documents": len(samples["train"]),
            "bytes": sum(len(document.text.encode()) for document in samples["train"]),
            "round_trip_failures": sum(found.samples["round_trip_failures"].to_pylist()),
        }

    return store.build(f"tokenizers/{name}", spec, write)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
