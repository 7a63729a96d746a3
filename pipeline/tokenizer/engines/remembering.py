"""Encoding by gigatoken, which remembers the tokens of every word that it has met.

What it remembers has no bound (0.10.0), so it is begun anew after so much text: that frees what the old one held. It finds the
names of special tokens in texts; so it is told of none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.tokenizer.encoder import Encode, Encoder, Tokens
from pipeline.tokenizer.engines.layout import InexpressibleError, layout

RENEW_BYTES = 256_000_000  # of text, after which all that is remembered is dropped


def make(encoder: Encoder) -> Encode:
    """`InexpressibleError` where gigatoken is not installed or does not know the pattern."""
    try:
        from gigatoken import gigatoken_rs  # noqa: PLC0415  # an extra
    except ImportError:
        raise InexpressibleError("gigatoken is not installed: it is the extra `gigatoken`") from None
    layout(encoder)
    plain = json.loads(encoder.tokenizer.to_str()) | {"added_tokens": [], "post_processor": None}
    try:
        return _Remembering(gigatoken_rs, json.dumps(plain), encoder).encode
    except (ValueError, RuntimeError) as error:
        raise InexpressibleError(str(error).splitlines()[0][:100]) from None


class _Remembering:
    """What gigatoken has met, up to `RENEW_BYTES`."""

    def __init__(self, library: Any, tokenizer: str, encoder: Encoder) -> None:
        self._library, self._tokenizer, self._width = library, tokenizer, encoder.width
        self._renew()

    def _renew(self) -> None:
        self._met = 0
        self._coding = self._library.load_hf_json(self._tokenizer)

    def encode(self, pieces: Sequence[str]) -> list[Tokens]:
        """The tokens of each piece, on this thread alone."""
        if self._met > RENEW_BYTES:
            self._renew()
        read = [piece.encode() for piece in pieces]
        self._met += sum(map(len, read))
        found = self._coding.encode_batch(read, parallel=False).layout
        tokens = found.content.data.astype(self._width)
        return np.split(tokens[: found.offsets.data[-1]], found.offsets.data[1:-1]) if read else []
