"""What a step changed in a text, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from rich.console import Console

from dashboards.table import visible

MAX_LINES = 40  # shown
MAX_COMPARED_LINES = 2_000  # comparing takes time that grows with their square
CONTEXT_CHARS = 40  # of a long line, on each side of what changed in it
MAX_LINE_CHARS = 300


def show(out: Console, before: str, after: str) -> None:
    """Print the lines that went (-) and those that came (+)."""
    lines = list(changes(before, after))
    for line in lines[:MAX_LINES]:
        style = "red" if line.startswith("-") else "green" if line.startswith("+") else "dim"
        out.print(visible(line), style=style, markup=False, highlight=False, soft_wrap=True)
    if len(lines) > MAX_LINES:
        out.print(f"… and {len(lines) - MAX_LINES:,} more", style="dim")


def changes(before: str, after: str) -> Iterator[str]:
    """Lines that went behind `- `, lines that came behind `+ `; long ones without what stayed the same in them.

    Lines that differ in white space alone are counted, unless that is all there is.
    """
    old, new = before.split("\n"), after.split("\n")
    beyond = max(len(old), len(new)) > MAX_COMPARED_LINES
    old, new = old[:MAX_COMPARED_LINES], new[:MAX_COMPARED_LINES]
    pairs = [
        pair
        for _, start, end, into, until in SequenceMatcher(None, _bare(old), _bare(new)).get_opcodes()
        for pair in zip_longest(old[start:end], new[into:until])
        if pair[0] != pair[1]
    ]
    worded = [pair for pair in pairs if "".join((pair[0] or "").split()) != "".join((pair[1] or "").split())]
    yield from _changed(worded or pairs)
    if worded and len(worded) < len(pairs):
        yield f"… {len(pairs) - len(worded):,} lines differ in white space alone"
    if beyond:
        yield f"… only the first {MAX_COMPARED_LINES:,} lines are compared"


def _bare(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def _changed(pairs: Iterable[tuple[str | None, str | None]]) -> Iterator[str]:
    for gone, come in pairs:
        start = end = 0
        if gone is not None and come is not None:
            start = _shared(gone, come)
            end = _shared(gone[start:][::-1], come[start:][::-1])
        if gone is not None and (gone.strip() or not come):
            yield f"- {_around(gone, start, end)}"
        if come is not None and (come.strip() or not gone):
            yield f"+ {_around(come, start, end)}"


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _around(line: str, start: int, end: int) -> str:
    """A line's part that differs, which `start` characters precede and `end` follow, and some of what stands around it."""
    first, last = max(0, start - CONTEXT_CHARS), min(len(line), len(line) - end + CONTEXT_CHARS)
    return f"{'…' * (first > 0)}{_cut(line[first:last])}{'…' * (last < len(line))}"


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARS else line[: MAX_LINE_CHARS - 1] + "…"
