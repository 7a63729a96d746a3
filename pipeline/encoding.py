"""From bytes to text: which encoding a page is in.

The first that fits of: byte order mark, the HTTP header's charset, the page's own `<meta>`, UTF-8, a guess by uchardet.
Labels mean what the WHATWG Encoding standard says. An encoding fits where decoding spoils nothing, or at most one for
every ten of the characters beyond ASCII that it leaves whole.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator

import cchardet
from resiliparse.parse.encoding import map_encoding_to_html5

_MARKS = {BOM_UTF8: "utf-8", BOM_UTF16_LE: "utf-16-le", BOM_UTF16_BE: "utf-16-be"}
_HEAD_BYTES = 4096
_META = re.compile(rb"<meta[^>]{1,400}?charset\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE | re.ASCII)


def has_mark(content: bytes) -> bool:
    """Whether the bytes begin with a byte order mark."""
    return content.startswith(tuple(_MARKS))


def _standard(label: str) -> str | None:
    return map_encoding_to_html5(label.strip().strip("\"'"), fallback_utf8=False)


def _names(content: bytes, header: str | None) -> Iterator[str]:
    """Encodings to try, the likeliest first; the guess is made only when it is asked for."""
    if header and (declared := _standard(header)):
        yield declared
    meta = _META.search(content, 0, _HEAD_BYTES)
    if meta and (claimed := _standard(meta[1].decode("ascii"))):
        # A claim that could be read as ASCII stands in no 16-bit encoding.
        yield "utf-8" if claimed.startswith("utf-16") else claimed
    yield "utf-8"
    if guess := cchardet.detect(content)["encoding"]:
        yield _standard(guess) or guess


def _fits(text: str) -> bool:
    spoilt = text.count("\ufffd")
    return not spoilt or 10 * spoilt <= len(text) - spoilt - len(text.encode("ascii", "ignore"))


def decode(content: bytes, header: str | None) -> tuple[str, str] | None:
    """The text and the name of its encoding, or None where none fits. `header` is the charset of the HTTP header."""
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace"), name
    tried = set()
    for name in _names(content, header):
        if name in tried:
            continue
        tried.add(name)
        try:
            text = content.decode(name, "replace")
        except LookupError:  # uchardet knows encodings that Python does not
            continue
        if _fits(text):
            return text, name
    return None
