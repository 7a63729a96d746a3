"""Encoding by gigatoken, which remembers the tokens of every word that it has met.

What it remembers has no bound (0.10.0), so it is begun anew after so much text: that frees what the old one held. It finds the
names of special tokens in texts; so it is told of none. Its tables of letters are of a newer Unicode than those of tokenizers; so
what has a sign that was not assigned in Python's, which are older, is left to tokenizers.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import groupby
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
        self._library, self._tokenizer, self._width, self._reference = library, tokenizer, encoder.width, encoder.pieces
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
        rows = np.split(tokens[: found.offsets.data[-1]], found.offsets.data[1:-1]) if read else []
        for number, piece in enumerate(pieces):
            if not piece.isascii() and _unassigned().search(piece):
                rows[number] = self._reference([piece])[0]
        return rows


@cache
def _unassigned() -> re.Pattern[str]:
    """The signs that are none yet (category Cn) in the version of Unicode that Python has."""
    ranges = []
    for none, signs in groupby(range(sys.maxunicode + 1), lambda sign: unicodedata.category(chr(sign)) == "Cn"):
        if none:
            run = list(signs)
            ranges.append(f"\\U{run[0]:08x}-\\U{run[-1]:08x}")
    return re.compile(f"[{''.join(ranges)}]")
