"""Puts a placeholder where a text has personal data, and leaves every other byte as it is.

What counts as personal data is told in `pipeline/personal_data/`. A masked text has nothing left to mask: where a
placeholder lays something bare that its neighbour hid, that is masked too.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.personal_data import KINDS, Match, counts, find
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("google-re2",)

# Without digits and signs of addresses, so that no placeholder is, or completes, what is masked.
Placeholder = Annotated[str, Field(pattern=r"^[^0-9A-Za-z@:.+][^0-9@:.+]*[^0-9A-Za-z@:.+]$")] | Literal[False]


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
    text, masked = _masked(batch["text"], placeholders)
    return StepResult(text=text, signals={kind: pa.array(masked[:, place]) for place, kind in enumerate(KINDS)})


def _masked(texts: pa.Array, placeholders: dict[str, bytes]) -> tuple[pa.Array, np.ndarray]:
    every = find(texts)
    found = {row: wanted for row, matches in every.items() if (wanted := [match for match in matches if match.kind in placeholders])}
    done = counts(found, len(texts))
    if not found:
        return texts, done
    rows = np.fromiter(found, np.int64)
    changed = pa.array([_replaced(texts[row].as_py().encode(), found[row], placeholders) for row in found], texts.type)
    again, more = _masked(changed, placeholders)
    done[rows] += more
    return pc.replace_with_mask(texts, pa.array(np.isin(np.arange(len(texts)), rows)), again), done


def _replaced(text: bytes, matches: list[Match], placeholders: dict[str, bytes]) -> str:
    parts, end = [], 0
    for match in matches:
        parts += [text[end : match.start], placeholders[match.kind]]
        end = match.end
    return b"".join([*parts, text[end:]]).decode()
