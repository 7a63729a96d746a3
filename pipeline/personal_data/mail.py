"""E-mail addresses (RFC 5321, and RFC 6531 for those that are not ASCII), as people write them: no quoted names, no comments."""

from __future__ import annotations

from collections.abc import Iterator

import re2

from pipeline.personal_data.spans import Span, before, stands_alone

_LONGEST_NAME, _LONGEST_HOST, _LONGEST_LABEL = 64, 253, 63  # bytes, RFC 5321 section 4.5.3.1 and RFC 1035 section 2.3.4

# Scripts with letter case may mix. Others may not mix with them: where no spaces are written, a sentence goes on beside an address.
_CASED = r"\p{Latin}\p{Greek}\p{Cyrillic}"
_OTHERS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Arabic}\p{Hebrew}\p{Devanagari}\p{Thai}"
_NAME = rf"(?:[0-9_{_CASED}][0-9_{_CASED}\pM.%+'&~-]*|[{_OTHERS}][{_OTHERS}\pM._-]*)"
_LABEL = rf"(?:[0-9{_CASED}][0-9{_CASED}\pM-]*|[{_OTHERS}][{_OTHERS}\pM-]*)"
_TOP = rf"(?:xn--[A-Za-z0-9-]+|[A-Za-z]+|[\p{{Greek}}\p{{Cyrillic}}]+|[{_OTHERS}][{_OTHERS}\pM]+)"
_ADDRESS = re2.compile(rf"({_NAME})@((?:{_LABEL}\.)+({_TOP}))")

_NOT_BEFORE = re2.compile(r"(?:@|//[^/\s]*)\z")  # a handle of a federated network; a URL's user and password
_NOT_AFTER = re2.compile(rf"\A(?:[0-9_@{_CASED}]|[.-][0-9{_CASED}])")
_FILE_SUFFIXES = frozenset(
    b"bmp css eot gif gz htm html ico jar jpeg jpg js json less mjs pdf php png scss svg tar tiff ttf txt webp woff xml yaml yml".split()
)
_SERVICES = frozenset([b"git", b"hg", b"svn"])  # accounts of a service: `git@host.org:project`


def emails(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The e-mail addresses in a window."""
    for match in _ADDRESS.finditer(text[start:end]):
        span = Span(start + match.start(), start + match.end())
        if _is_address(match[1], match[2], match[3]) and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER):
            remote = match[1].lower() in _SERVICES and text[span.end : span.end + 1] in (b":", b"/")
            if not remote and not before(text, span.start).endswith(b"://"):
                yield span


def _is_address(name: bytes, host: bytes, top: bytes) -> bool:
    labels = host.split(b".")
    return (
        len(name) <= _LONGEST_NAME
        and len(host) <= _LONGEST_HOST
        and all(len(label) <= _LONGEST_LABEL and not label.endswith(b"-") for label in labels)
        and not name.endswith(b".")
        and b".." not in name
        and len(top) > 1
        and top.lower() not in _FILE_SUFFIXES
    )
