"""Encoding by gigatoken, which remembers the tokens of every word that it has met.

What it remembers has no bound (0.10.0), so it is begun anew after so much text: that frees what the old one held. It finds the
names of special tokens in texts; so it is told of none. Its tables of letters are of a newer Unicode than those of tokenizers; so
what has a sign that was not assigned in Python's, which are older, is left to tokenizers.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.kernels import kernel
from pipeline.kernels.strings import Bytes, Counts, decode
from pipeline.tokenizer.encoder import Encode, Encoder, Tokens
from pipeline.tokenizer.engines.layout import InexpressibleError, layout

Flags = npt.NDArray[np.bool_]

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
        for number in np.flatnonzero(_strange(read)).tolist():
            rows[number] = self._reference([pieces[number]])[0]
        return rows


def _strange(pieces: Sequence[bytes]) -> Flags:
    """Which pieces have a sign that is none yet in the version of Unicode that Python has."""
    found = np.zeros(len(pieces), np.bool_)
    ends = np.cumsum([0, *map(len, pieces)])
    _look(np.frombuffer(b"".join(pieces), np.uint8), ends, _unassigned(), found)
    return found


@cache
def _unassigned() -> Flags:
    """By code point, whether its category is Cn."""
    return np.fromiter((unicodedata.category(chr(point)) == "Cn" for point in range(sys.maxunicode + 1)), np.bool_)


@kernel
def _look(data: Bytes, ends: Counts, unassigned: Flags, found: Flags) -> None:
    for row in range(len(found)):
        i = ends[row]
        while i < ends[row + 1] and not found[row]:
            if data[i] < 0x80:
                i += 1
                continue
            point, width = decode(data, i)
            found[row] = unassigned[point]
            i += width
