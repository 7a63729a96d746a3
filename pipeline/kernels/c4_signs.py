"""What the line rules of C4 look for within a line: citations, curly brackets and phrases, in one pass."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from pipeline.kernels import kernel
from pipeline.kernels.phrases import lower, phrase_at, phrases
from pipeline.kernels.strings import Bytes, Counts


class Count(IntEnum):
    """The columns of what is counted. Blank lines are dropped or kept like others, and never counted."""

    KEPT = 0
    LONG_WORD = 1
    UNTERMINATED = 2
    FEW_WORDS = 3
    SCRIPT = 4
    POLICY = 5
    PLACEHOLDER = 6  # lines with a placeholder text, of those that no rule before has dropped
    CURLY_BRACKET = 7  # the same
    CITATIONS = 8


_CURLY_BRACKET, _CITATIONS = int(Count.CURLY_BRACKET), int(Count.CITATIONS)

# From frequent to rare in English.
_LETTERS = b" etaoinshrdlcumwfgypbvkxqjz"

_OPENING, _CURLY = 1, 2  # what a byte may be
_SIGNS = _OPENING | _CURLY
_ANCHORS = (4, 8, 16, 32, 64, 128)  # the same: the second byte of a phrase's anchor, phrases taking turns


class Signs(NamedTuple):
    """Phrases in the order of their anchors, which are their two rarest bytes that stand together."""

    offsets: Counts  # phrase `i` is `data[offsets[i] : offsets[i + 1]]`
    data: Bytes
    rules: Counts  # of each phrase, the column of `Count`
    anchors: Counts  # of each phrase, where the second byte of its anchor stands
    of_byte: Counts  # (257,): the phrases of which that is byte b are those from `of_byte[b]` to `of_byte[b + 1]`
    before: Bytes  # (256,): what the byte behind a byte may be
    classes: Bytes  # (256,): what a byte may be


def _anchor(phrase: bytes) -> int:
    ranks = [_LETTERS.find(byte) % len(_LETTERS) for byte in phrase]
    return max(range(1, len(phrase)), key=lambda place: ranks[place - 1] + ranks[place])


def _either_case(byte: int) -> list[int]:
    return [byte, ord(chr(byte).upper()) if byte < 0x80 else byte]


def signs(groups: list[tuple[int, tuple[str, ...]]]) -> Signs:
    """What `seen_in` looks for: phrases of two bytes or more, by the column of `Count` that each group belongs to."""
    every = [(_anchor(phrase.lower().encode()), phrase.lower(), rule) for rule, group in groups for phrase in group]
    every.sort(key=lambda each: (each[1].encode()[each[0]], each[1:]))
    rarest = np.array([phrase.encode()[anchor] for anchor, phrase, _ in every], np.int64)
    before, classes = np.full(256, _SIGNS, np.uint8), np.zeros(256, np.uint8)
    classes[ord("[")] |= _OPENING
    classes[ord("{")] |= _CURLY
    for number, (anchor, phrase, _) in enumerate(every):
        first, second = phrase.encode()[anchor - 1 : anchor + 1]
        before[_either_case(first)] |= _ANCHORS[number % len(_ANCHORS)]
        classes[_either_case(second)] |= _ANCHORS[number % len(_ANCHORS)]
    return Signs(
        *phrases([phrase for _, phrase, _ in every]),
        np.array([rule for _, _, rule in every], np.int64),
        np.array([anchor for anchor, _, _ in every], np.int64),
        np.searchsorted(rarest, np.arange(257)).astype(np.int64),
        before,
        classes,
    )


@kernel
def seen_in(
    data: Bytes, start: int, end: int, offsets: Counts, wanted: Bytes, rules: Counts, anchors: Counts, of_byte: Counts,
    before: Bytes, classes: Bytes,
) -> int:  # fmt: skip
    """A bit for each column of `Count` whose phrases or signs stand in the line."""
    seen, expected, line = 0, np.uint8(_SIGNS), data[start:end]
    for i in range(len(line)):
        kind = expected & classes[line[i]]
        expected = before[line[i]]
        if not kind:
            continue
        if kind & _OPENING:
            seen |= 1 << _CITATIONS
        if kind & _CURLY:
            seen |= 1 << _CURLY_BRACKET
        if kind > _SIGNS:
            byte = int(lower(line[i]))
            for phrase in range(of_byte[byte], of_byte[byte + 1]):
                at = i - anchors[phrase]
                if at >= 0 and phrase_at(line, at, len(line), offsets, wanted, phrase):
                    seen |= 1 << rules[phrase]
    return seen
