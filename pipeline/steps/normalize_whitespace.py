"""White space in one spelling, invisible characters taken out; what is written again is the same.

In this order:

- Control characters go, and of the invisible ones soft hyphens, zero-width spaces, word joiners and byte order marks. The joiner
  and non-joiner stay, which Persian, Indic scripts and emoji are spelled with, and so do marks of direction.
- Whatever `str.splitlines` takes for the end of a line becomes a line feed: also NEL, form feeds, U+2028.
- White space (`str.isspace`) at a line's end goes, and within a line becomes one space; at its start it stays, by a setting.
- Of more than `max_blank_lines` in a row, the rest go.
- Composed form (Unicode NFC), by a setting; not of a text with more than 30 marks in a row, which is not in the Stream-Safe
  Format of UAX #15.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.kernels.phrases import replaced
from pipeline.kernels.whitespace import Count, clean, look
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES: tuple[str, ...] = ()


class Config(StepConfig):
    keep_indentation: bool = True  # leave white space at a line's start, as code wants it
    max_blank_lines: Annotated[int, Field(ge=0)] = 1  # in a row
    compose: bool = True


_COUNTED = {
    "line_ends": (Count.LINE_ENDS, "ends of lines that were no line feed"),
    "blank_lines": (Count.BLANK_LINES, "blank lines taken out"),
    "edge_spaces": (Count.EDGE_SPACES, "characters of white space taken off the edges of lines"),
    "space_runs": (Count.SPACE_RUNS, "runs of white space within lines that became one space"),
    "invisible_chars": (Count.INVISIBLE, "soft hyphens, zero-width spaces, word joiners and byte order marks taken out"),
    "control_chars": (Count.CONTROL, "control characters taken out"),
}

SIGNALS = {
    **{name: (pa.int64(), meaning) for name, (_, meaning) in _COUNTED.items()},
    "composed": (pa.bool_(), "whether composing changed the text"),
}

BOUNDS: dict[str, Bound] = {}


def _composed(text: pa.Array, rows: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """The texts with these rows in composed form, and which of all that changed."""
    given = [text[row].as_py() for row in rows]
    composed = [unicodedata.normalize("NFC", each) for each in given]
    changed = np.zeros(len(text), bool)
    changed[rows] = [new != old for new, old in zip(composed, given, strict=True)]
    mask = np.zeros(len(text), bool)
    mask[rows] = True
    return replaced(text, mask, pa.array(composed, text.type)), pa.array(changed)


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """The texts so spelled; nothing fails."""
    text = batch["text"]
    found = look(text, config.keep_indentation, config.max_blank_lines)
    counts = np.zeros((len(text), len(Count)), np.int64)
    if found.changes.any():
        cleaned, counts[found.changes] = clean(text.filter(pa.array(found.changes)), config.keep_indentation, config.max_blank_lines)
        text = replaced(text, found.changes, cleaned)
    text, composed = _composed(text, np.flatnonzero(found.uncomposed & config.compose))
    signals = {name: pa.array(counts[:, column]) for name, (column, _) in _COUNTED.items()}
    return StepResult(text=text, signals={**signals, "composed": composed})
