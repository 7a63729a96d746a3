"""Encoding by tiktoken: an entry's rank is the place of its merge, and the pair of lowest rank is merged first.

tiktoken merges any two neighbours whose bytes are an entry, `tokenizers` only the two that the entry was made of. Over entries that
were learned in the order of their ranks the two agree; of a tokenizer from elsewhere, that is looked at where it can be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tiktoken

from pipeline.tokenizer.encoder import Encode, Encoder, Tokens
from pipeline.tokenizer.engines.layout import InexpressibleError, Layout, byte_alphabet, layout


def make(encoder: Encoder) -> Encode:
    """`InexpressibleError` where merging by rank would give other tokens."""
    found = layout(encoder)
    entries = _entries(found)
    _agreeing(encoder, found, entries)
    bytes_of = byte_alphabet()
    ranks = {bytes(bytes_of[sign] for sign in entry): rank for rank, entry in enumerate(entries)}
    # The name is never found in a text: which special tokens there are is not for tiktoken to know.
    special = {"<|never|>": len(entries)}
    try:
        coding = tiktoken.Encoding("corpusmill", pat_str=found.pattern, mergeable_ranks=ranks, special_tokens=special)
    except ValueError as error:
        raise InexpressibleError(f"its pattern is none for tiktoken ({error})") from None
    numbers = np.array([found.vocabulary[entry] for entry in entries], encoder.width)

    def tokens(piece: str) -> Tokens:
        try:
            return numbers[coding.encode_to_numpy(piece, disallowed_special=())]
        except ValueError:  # tens of thousands of blanks in a row: its regular expressions run out of stack
            return encoder.pieces([piece])[0]

    def encode(pieces: Sequence[str]) -> list[Tokens]:
        return [tokens(piece) for piece in pieces]

    return encode


def _entries(found: Layout) -> list[str]:
    """The entries in order of rank: bytes, then what each merge makes."""
    merged = list(dict.fromkeys(left + right for left, right in found.merges))
    if any(entry not in found.vocabulary for entry in merged):
        raise InexpressibleError("a merge makes what is no entry")
    return [*byte_alphabet(), *merged]


def _agreeing(encoder: Encoder, found: Layout, entries: list[str]) -> None:
    """A piece that is an entry is that entry to tiktoken at once: so must its merges make it, and nothing else may be an entry."""
    if found.whole_first:
        if len(entries) != len(found.vocabulary):
            raise InexpressibleError("it has an entry that no merge makes")
    elif any(len(encoder.tokenizer.model.tokenize(entry)) != 1 for entry in entries):
        raise InexpressibleError("it has an entry that its merges do not make")
