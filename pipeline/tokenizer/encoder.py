"""A tokenizer in memory: what begins a document, what transformers is told of it, and encoding by `tokenizers` or a faster engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, processors

from pipeline.store import Store
from pipeline.tokenizer.config import SETTINGS, TOKENIZER
from pipeline.tokenizer.pieces import groups

Tokens = npt.NDArray[Any]
Encode = Callable[[Sequence[str]], list[Tokens]]  # the tokens of each piece of text, none of them special


@dataclass(frozen=True)
class Encoder:
    """A tokenizer in memory. `beginning` is the token that every document starts with."""

    tokenizer: Tokenizer
    beginning: int

    @property
    def vocabulary(self) -> int:
        """Entries, special tokens included."""
        return int(self.tokenizer.get_vocab_size())

    @property
    def width(self) -> np.dtype[Any]:
        """The narrowest of uint16 and uint32 that holds every token."""
        return np.dtype(np.uint16 if self.vocabulary <= 2**16 else np.uint32)

    def pieces(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each piece of text, by `tokenizers`: what every other engine is held to."""
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, self.width) for encoding in found]


def encode(encoder: Encoder, texts: Sequence[str], engine: Encode | None = None) -> list[Tokens]:
    """The tokens of each text, the beginning-of-text one first, as arrays of `encoder.width`. A special token's name in a text is text."""
    parts = [[np.array([encoder.beginning], encoder.width)] for _ in texts]
    for group in groups(texts):
        found = (engine or encoder.pieces)([piece for _, piece in group])
        for (row, _), tokens in zip(group, found, strict=True):
            parts[row].append(tokens)
    return [np.concatenate(part) for part in parts]


def begin_with(tokenizer: Tokenizer, beginning: str) -> Encoder:
    """The encoder whose documents begin with that entry, also where transformers encodes; `ValueError` where there is none."""
    token = tokenizer.token_to_id(beginning)
    if token is None:
        raise ValueError(f"a tokenizer with the entry {beginning!r}, its beginning of text, was expected")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{beginning} $A", pair=f"{beginning} $A $B:1", special_tokens=[(beginning, token)]
    )
    tokenizer.encode_special_tokens = True  # a page about tokenizers must not end its own document
    return Encoder(tokenizer, token)


def transformers(beginning: str) -> dict[str, object]:
    """What transformers needs beside tokenizer.json, and lm-eval: a text begins with the token that also ends the one before it."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": beginning,
        "eos_token": beginning,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
    }


def load(store: Store, path: str) -> Encoder:
    """The tokenizer of a finished version; `ValueError` where there is none."""
    if store.manifest(path) is None:
        raise ValueError(f"{store.uri(path)}: a finished tokenizer was expected here")
    tokenizer = Tokenizer.from_str(store.read(f"{path}/{TOKENIZER}").decode())
    return begin_with(tokenizer, json.loads(store.read(f"{path}/{SETTINGS}"))["bos_token"])
