"""An engine's tokens held to those of `tokenizers`, over documents drawn by hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xxhash import xxh3_64_intdigest

from pipeline.schema import show
from pipeline.tokenizer.encoder import Encoder, Tokens, encode
from pipeline.tokenizer.engines import Engine

CHECKED_IN = 100  # of so many documents, one
_SEED = 0x636865636B  # the draw is none of those that order or split documents


class MismatchError(RuntimeError):
    """An engine gave other tokens than `tokenizers`."""


def checked(encoder: Encoder, engine: Engine, doc_ids: Sequence[bytes], texts: Sequence[str]) -> tuple[list[Tokens], int]:
    """The tokens of documents, and how many of these were encoded a second time, by `tokenizers`; `MismatchError` where one differs."""
    found = encode(encoder, texts, engine.encode)
    if engine.name == "tokenizers":
        return found, 0
    drawn = [row for row, doc_id in enumerate(doc_ids) if xxh3_64_intdigest(doc_id, _SEED) % CHECKED_IN == 0]
    for row, expected in zip(drawn, encode(encoder, [texts[row] for row in drawn]), strict=True):
        if not np.array_equal(found[row], expected):
            raise MismatchError(f"{engine.name} gave other tokens than tokenizers for document {show(doc_ids[row])}")
    return found, len(drawn)
