"""Reads a language code off the text's first two characters."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.step import File, StepConfig, StepResult

VERSION = 1
USES = ()


class Config(StepConfig):
    list: File | None = None


SIGNALS = {"code": (pa.string(), "first two characters in lower case")}
BOUNDS = {}


def run(batch, config):
    return StepResult(signals={"code": pc.utf8_lower(pc.utf8_slice_codeunits(batch["text"], 0, 2))})
