"""Texts in pieces that every engine can take, in groups of bounded size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

BLANK_CHARS = 1_000_000  # the engines' regular expressions give up on longer runs of white space
GROUP_CHARS = 1_000_000  # encoded at once: an engine holds hundreds of bytes for each token


def pieces(text: str) -> list[str]:
    """The text, cut where a run of white space is too long for the engines."""
    if len(text) <= BLANK_CHARS:
        return [text]
    runs = re.finditer(rf"\s{{{BLANK_CHARS}}}|\s++", text)
    cuts = [0, *(run.end() for run in runs if run.end() - run.start() == BLANK_CHARS), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """The pieces of the texts with their rows, about `GROUP_CHARS` at a time."""
    group: list[tuple[int, str]] = []
    chars = 0
    for row, text in enumerate(texts):
        for piece in pieces(text):
            group.append((row, piece))
            chars += len(piece)
            if chars >= GROUP_CHARS:
                yield group
                group, chars = [], 0
    yield group
