"""The charset of bytes, and their text.

The first that fits of: byte order mark, the HTTP header, the page's own `<meta>`, UTF-8, a guess by uchardet, and what
browsers take for a page that does not say. Labels mean what they mean to browsers (WHATWG Encoding Standard), so `latin1` is
Windows-1252. A charset fits where its decoder replaces nothing, or at most one for ten of the characters beyond ASCII that it
leaves whole: one broken byte does not make a page another language's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import cchardet
from resiliparse.parse.encoding import map_encoding_to_html5

USES = ("faust-cchardet", "resiliparse")

_MARKS = {  # the longer before the shorter that they begin with
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_META = re.compile(rb"<meta[^>]{1,400}?charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([\w:.-]{1,40})", re.IGNORECASE | re.ASCII)
META_BYTES = 4096  # of a page, in which its own declaration is looked for
WHOLE_FOR_DAMAGED = 10
MAX_DAMAGED_SHARE = 0.05  # of the characters of a text that fits nothing, but is UTF-8 for the rest


def has_mark(content: bytes) -> bool:
    """Whether the bytes begin with a byte order mark."""
    return content.startswith(tuple(_MARKS))


def decode(content: bytes, declared: str | None) -> tuple[str, str, str] | None:
    """Text, charset, and what told it: `bom`, `header`, `meta`, `utf-8`, `guess`, `browsers` or `damaged`; None where nothing fits.

    U+FFFD stands for what is not valid. The text has no lone surrogates.
    """
    for mark, charset in _MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(charset, "replace"), charset, "bom"
    for charset, origin in _likely(content, declared):
        text = content.decode(charset, "replace")
        if _fits(text):
            return text, charset, origin
    text = content.decode("windows-1252", "replace")
    if "\ufffd" not in text:
        return text, "windows-1252", "browsers"
    text = content.decode("utf-8", "replace")
    return (text, "utf-8", "damaged") if text.count("\ufffd") <= MAX_DAMAGED_SHARE * len(text) else None


def of_table(head: bytes) -> str:
    """The charset of a file by its first bytes: UTF-8, or else uchardet's guess, or what browsers take for bytes that do not say."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return _standard(cchardet.detect(head)["encoding"]) or "windows-1252"
    return "utf-8"


def _likely(content: bytes, declared: str | None) -> Iterator[tuple[str, str]]:
    """Charsets to try and what told them, the likeliest first; the guess is made only when it is asked for."""
    if header := _standard(declared):
        yield header, "header"
    found = _META.search(content, 0, META_BYTES)
    if meta := _standard(found[1].decode("ascii") if found else None):
        # A declaration that can be read byte by byte stands in no 16-bit encoding.
        yield "utf-8" if meta.startswith("utf-16") else meta, "meta"
    yield "utf-8", "utf-8"
    if guess := _standard(cchardet.detect(content)["encoding"]):
        yield guess, "guess"


def _standard(label: str | None) -> str | None:
    return map_encoding_to_html5(label.strip().strip("\"'"), fallback_utf8=False) if label else None


def _fits(text: str) -> bool:
    damaged = text.count("\ufffd")
    return not damaged or WHOLE_FOR_DAMAGED * damaged <= len(text) - damaged - len(text.encode("ascii", "ignore"))
