"""Faster ways to the same tokens: what encodes, and what it falls back to where it cannot express a tokenizer.

`tokenizers` is the definition. `tiktoken` is the default. `gigatoken` remembers every word that it has met; it is an extra.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.tokenizer.encoder import Encode, Encoder
from pipeline.tokenizer.engines import ranked, remembering
from pipeline.tokenizer.engines.layout import InexpressibleError

EngineName = Literal["tiktoken", "tokenizers", "gigatoken"]
DEFAULT: EngineName = "tiktoken"

# Every script and every kind of break that the patterns know: an engine that reads a pattern otherwise shows it here.
PROBE = (
    "It's 1234567 o'clock, DON'T\u2019s! e\u0301te\u0308 Straße ΑΒΓδε Привет, мир. ١٢٣ ½ ⅷ",
    " \t\n\r\n  \u00a0\u2003x\u0085y\u2028z\u3000。你好,世界！ 日本語テスト ไทย สวัสดี हिन्दी தமிழ் 한국어 עברית العربية 👩🏽‍💻🇩🇪",  # noqa: RUF001
    "<|endoftext|> </s>[PAD] http://a.example/b?c=d&e=%20 /* x */ == += \\n ___ ///\n//\n\n",
    "",
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """What encodes, and what it is called."""

    name: EngineName
    encode: Encode


_MAKERS: dict[EngineName, Callable[[Encoder], Encode]] = {"gigatoken": remembering.make, "tiktoken": ranked.make}


def engine(encoder: Encoder, wanted: EngineName = DEFAULT) -> Engine:
    """The engine of that name, or the next slower one that gives the tokenizer's own tokens: a line in the log then says why."""
    names: list[EngineName] = list(_MAKERS)
    for name in names[names.index(wanted) :] if wanted in _MAKERS else []:
        try:
            return Engine(name, _proven(encoder, _MAKERS[name](encoder)))
        except InexpressibleError as error:
            _LOG.warning("the engine %s cannot stand in for this tokenizer, a slower one is used: %s", name, error)
    return Engine("tokenizers", encoder.pieces)


def _proven(encoder: Encoder, encode: Encode) -> Encode:
    if not all(map(np.array_equal, encode(PROBE), encoder.pieces(PROBE))):
        raise InexpressibleError("it gives other tokens for a probe")
    return encode
