"""The charset of bytes, and their text."""

from __future__ import annotations

import codecs
import re

import cchardet
from resiliparse.parse.encoding import map_encoding_to_html5

USES = ("faust-cchardet", "resiliparse")

_BOMS = (  # the longer before the shorter that they begin with
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([a-zA-Z0-9_:.-]{1,40})", re.IGNORECASE)
META_BYTES = 4096  # of a page, in which its own declaration is looked for
BROWSERS = ("windows-1252", "browsers")  # what a browser takes for a page that does not say, whatever a guess makes of few accents
GUESS_BYTES = 65_536  # on which a guess is made
MAX_DAMAGED_SHARE = 0.05  # of a text's characters


def decode(content: bytes, declared: str | None) -> tuple[str, str, str] | None:
    """Text, charset, and what told it: `bom`, `header`, `meta`, `utf-8`, `guess` or `browsers`; `damaged` where a few bytes are not valid
    in it and U+FFFD stands for them. None where nothing fits.

    Labels mean what they mean to browsers (WHATWG Encoding Standard), so `latin1` is Windows-1252.
    """
    for bom, charset in _BOMS:
        if content.startswith(bom):
            text = _strictly(content[len(bom) :], charset)
            if text is not None:
                return text, charset, "bom"
    for label, origin in ((declared, "header"), (_from_meta(content), "meta"), ("utf-8", "utf-8"), (_guessed(content), "guess"), BROWSERS):
        meant = map_encoding_to_html5(label, fallback_utf8=False) if label else None
        text = _strictly(content, meant) if meant else None
        if text is not None and meant is not None:
            return text, meant, origin
    text = content.decode("utf-8", "replace")
    return (text, "utf-8", "damaged") if text.count("\ufffd") <= MAX_DAMAGED_SHARE * len(text) else None


def _strictly(content: bytes, charset: str) -> str | None:
    try:
        text = content.decode(charset)
        text.encode()  # a codec such as UTF-7 can make lone surrogates, which no text has
    except (UnicodeError, LookupError):
        return None
    return text


def _from_meta(content: bytes) -> str | None:
    found = _META.search(content, 0, META_BYTES)
    return found[1].decode("ascii") if found else None


def _guessed(content: bytes) -> str | None:
    return cchardet.detect(content[:GUESS_BYTES])["encoding"]
