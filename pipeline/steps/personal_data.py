"""How much personal data a text has: e-mail addresses, public IP addresses, IBANs, payment cards and phone numbers.

What counts as each is told in `pipeline/personal_data/`; `mask_personal_data` takes away the very same.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels.rows import share
from pipeline.personal_data import KINDS, counts, find
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("google-re2",)


class Config(StepConfig):
    pass


SIGNALS = {
    "email": (pa.int64(), "e-mail addresses"),
    "ip_address": (pa.int64(), "public IPv4 and IPv6 addresses"),
    "iban": (pa.int64(), "international bank account numbers"),
    "card": (pa.int64(), "payment card numbers"),
    "phone": (pa.int64(), "phone numbers"),
    "total": (pa.int64(), "all of these"),
    "per_1000_chars": (pa.float64(), "all of these for each 1,000 characters"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Measure each text; nothing fails."""
    text = batch["text"]
    found = counts(find(text), len(text))
    total = found.sum(axis=1)
    chars = pc.fill_null(pc.utf8_length(text), 0).to_numpy().astype(np.int64)
    measured = {**dict(zip(KINDS, found.T, strict=True)), "total": total, "per_1000_chars": 1000 * share(total, chars)}
    return StepResult(signals={name: pa.array(values) for name, values in measured.items()})
