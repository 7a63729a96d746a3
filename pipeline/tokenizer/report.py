"""How well a tokenizer fits: by split, source and language of a sample."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import TOKENIZER_REPORT, show
from pipeline.tokenizer.encoder import Encoder, Tokens, encode
from pipeline.tokenizer.engines import engine
from pipeline.tokenizer.sample import Document

REPORT_FILE, UNUSED_FILE = "report.parquet", "unused_entries.json"
BATCH_DOCUMENTS = 64


@dataclass(frozen=True)
class Report:
    """`samples` is a `schema.TOKENIZER_REPORT`: a row a split, source and language. `unused` names what the train sample never uses."""

    samples: pa.Table
    unused: list[str]


def report(encoder: Encoder, samples: dict[str, list[Document]], lossless: bool = True) -> Report:
    """Measure a tokenizer over samples. Tokens are counted without the beginning-of-text one.

    Where `lossless`, `ValueError` names the first document that does not decode to its own text; else such documents are counted.
    """
    used = np.zeros(encoder.vocabulary, bool)
    used[encoder.beginning] = True
    rows = []
    for split, documents in samples.items():
        groups: dict[tuple[str, str], list[Document]] = defaultdict(list)
        for document in documents:
            groups[document.source, document.language].append(document)
        for (source, language), own in sorted(groups.items()):
            row: dict[str, Any] = {"split": split, "source": source, "language": language, "documents": len(own)}
            rows.append(row | _measured(encoder, own, used if split == "train" else None, lossless))
    unused = [encoder.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(~used)]
    return Report(pa.Table.from_pylist(rows, TOKENIZER_REPORT), [entry for entry in unused if entry is not None])


def _measured(encoder: Encoder, documents: list[Document], used: Tokens | None, lossless: bool) -> dict[str, Any]:
    fast = engine(encoder).encode
    size = words = tokens = failures = 0
    for first in range(0, len(documents), BATCH_DOCUMENTS):
        some = documents[first : first + BATCH_DOCUMENTS]
        texts = [document.text for document in some]
        size += sum(len(text.encode()) for text in texts)
        words += pc.sum(pc.count_substring_regex(pa.array(texts), r"\S+")).as_py()
        found = [ids[1:] for ids in encode(encoder, texts, fast)]
        tokens += sum(map(len, found))
        lost = _lost(encoder, some, found)
        if lost and lossless:
            raise ValueError(f"document {show(lost[0].doc_id)} was expected to decode to its own text, and does not")
        failures += len(lost)
        if used is not None:
            used[np.concatenate(found)] = True
    per_token = {f"{name}_per_token": round(count / tokens, 4) if tokens else None for name, count in (("bytes", size), ("words", words))}
    return {"bytes": size, "words": words, "tokens": tokens, "round_trip_failures": failures, **per_token}


def _lost(encoder: Encoder, documents: list[Document], found: list[Tokens]) -> list[Document]:
    """The documents that do not decode to their own text."""
    back = encoder.tokenizer.decode_batch([tokens.tolist() for tokens in found], skip_special_tokens=False)
    return [document for document, text in zip(documents, back, strict=True) if text != document.text]
