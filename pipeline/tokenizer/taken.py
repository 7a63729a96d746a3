"""A tokenizer that is there already, taken as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from pipeline.tokenizer.config import SETTINGS, TOKENIZER, TokenizerConfig, files
from pipeline.tokenizer.encoder import Encoder, begin_with

_NAMES = ("bos_token", "eos_token")  # what may begin a document, by transformers' settings


def take(config: TokenizerConfig) -> tuple[Encoder, str]:
    """The tokenizer that `from` names, and the entry that begins its documents.

    That is `beginning`, or else what its settings call its beginning, or its end, of text. It becomes special: it is
    never found in a text. `ValueError` where there is no such entry, or where the file is no tokenizer.
    """
    if config.from_ is None:
        raise ValueError("a tokenizer to take was expected in `from`")
    found = files(config.from_)
    place = found[TOKENIZER]
    try:
        tokenizer = Tokenizer.from_str(place.read_text("utf-8"))
    except Exception as error:  # noqa: BLE001  # the library raises nothing narrower
        raise ValueError(f"{place}: expected a tokenizer.json as `tokenizers` writes it ({error})") from None
    settings = _settings(found[SETTINGS]) if SETTINGS in found else {}
    beginning = config.beginning or next((name for key in _NAMES if (name := _content(settings.get(key)))), None)
    if beginning is None:
        raise ValueError(f"{config.from_}: expected a bos_token or eos_token in {SETTINGS}, or `beginning` beside `from`")
    if tokenizer.token_to_id(beginning) is None:
        raise ValueError(f"{config.from_}: expected the entry {beginning!r}, which is to begin a document")
    tokenizer.add_special_tokens([AddedToken(beginning, special=True)])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return begin_with(tokenizer, beginning), beginning


def _settings(place: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(place.read_text("utf-8")))
    except (ValueError, TypeError):
        raise ValueError(f"{place}: expected a JSON object in UTF-8") from None


def _content(token: object) -> str | None:
    """The text of a token, which transformers writes as itself or as an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None
