"""Byte ranges of a text, and what stands beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import re2

NEAR_BYTES = 32  # what is looked at before a match
_NEXT_BYTES = 32
# What a placeholder must look like: what was no match because of its neighbour is none beside the neighbour's placeholder.
PLACEHOLDER = r"(?:<[A-Za-z_-]{1,24}>|\[[A-Za-z_-]{1,24}\])"
_MASKED_BEFORE = re2.compile(PLACEHOLDER + r"[-.:/]\z")
_MASKED_AFTER = re2.compile(r"\A[-.:/]" + PLACEHOLDER)

# What Unicode's rule for grapheme clusters (UAX 29, GB9) joins to the character before it, and (GB9b) to the one after.
_JOINED = re2.compile(r"\A[\pM\x{200C}\x{200D}\x{1F3FB}-\x{1F3FF}\x{FF9E}\x{FF9F}\x{E0020}-\x{E007F}\x{1160}-\x{11FF}]")
_JOINING = re2.compile(r"[\x{600}-\x{605}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{D4E}\x{110BD}\x{110CD}\x{111C2}\x{111C3}]\z")


class Span(NamedTuple):
    """Bytes `start` to `end` of a text."""

    start: int
    end: int


def before(text: bytes, start: int) -> bytes:
    """The bytes next before a place; the first may be the end of a character."""
    return text[max(0, start - NEAR_BYTES) : start]


def after(text: bytes, end: int) -> bytes:
    """The bytes next after a place; the last may be the start of a character."""
    return text[end : end + _NEXT_BYTES]


def stands_alone(text: bytes, span: Span, not_before: Any, not_after: Any) -> bool:
    """Whether neither neighbour is of a pattern that it must not be of, masked, or of one grapheme with the span."""
    left, right = before(text, span.start), after(text, span.end)
    joined = (right[:1] >= b"\x80" and _JOINED.search(right)) or (left[-1:] >= b"\x80" and _JOINING.search(left))
    masked = (left[-2:-1] in (b">", b"]") and _MASKED_BEFORE.search(left)) or (right[1:2] in (b"<", b"[") and _MASKED_AFTER.search(right))
    return not joined and not masked and not not_before.search(left) and not not_after.search(right)
