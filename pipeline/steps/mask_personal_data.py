"""Puts a placeholder where a text has personal data, and leaves every other byte as it is.

What counts as personal data is told in `pipeline/personal_data/`. Where a placeholder lays something bare that its
neighbour hid, that is masked too, so that a masked text has nothing left to mask.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.kernels.moved_words import move_rows
from pipeline.kernels.phrases import replaced
from pipeline.personal_data import KINDS, Match, counts, find
from pipeline.personal_data.spans import PLACEHOLDER
from pipeline.step import Bound, StepConfig, StepResult, matching

VERSION = 1
USES = ("google-re2",)

_MOST_ROUNDS = 8  # one that masks and one that finds nothing are the rule, for any but texts that were made against it

Placeholder = Annotated[str, matching(PLACEHOLDER, "a name in angle or square brackets")] | Literal[False]


class Config(StepConfig):
    email: Placeholder = "<email>"  # false: such data stays
    ip_address: Placeholder = "<ip-address>"
    iban: Placeholder = "<iban>"
    card: Placeholder = "<card>"
    phone: Placeholder = "<phone>"


SIGNALS = {
    "email": (pa.int64(), "e-mail addresses masked"),
    "ip_address": (pa.int64(), "public IPv4 and IPv6 addresses masked"),
    "iban": (pa.int64(), "international bank account numbers masked"),
    "card": (pa.int64(), "payment card numbers masked"),
    "phone": (pa.int64(), "phone numbers masked"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """The masked texts; nothing fails."""
    placeholders = {kind: text.encode() for kind in KINDS if (text := getattr(config, kind)) is not False}
    text = batch["text"]
    new, masked = _masked(text, placeholders)
    changed = masked.sum(axis=1) > 0
    if changed.any():
        move_rows(text, new, changed)
    return StepResult(text=new, signals={kind: pa.array(masked[:, place]) for place, kind in enumerate(KINDS)})


def _masked(texts: pa.Array, placeholders: dict[str, bytes]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The texts, and how many of each of `KINDS` are masked in each."""
    done = np.zeros((len(texts), len(KINDS)), np.int64)
    rows, going = np.arange(len(texts)), texts
    for _ in range(_MOST_ROUNDS):
        found = {row: wanted for row, matches in find(going).items() if (wanted := [m for m in matches if m.kind in placeholders])}
        if not found:
            break
        done[rows] += counts(found, len(going))
        rows = rows[list(found)]
        going = pa.array([_replaced(going[row].as_py().encode(), matches, placeholders) for row, matches in found.items()], texts.type)
        texts = replaced(texts, np.isin(np.arange(len(texts)), rows), going)
    return texts, done


def _replaced(text: bytes, matches: list[Match], placeholders: dict[str, bytes]) -> str:
    parts, end = [], 0
    for match in matches:
        parts += [text[end : match.start], placeholders[match.kind]]
        end = match.end
    return b"".join([*parts, text[end:]]).decode()
