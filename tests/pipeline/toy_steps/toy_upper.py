"""Makes the text upper case."""

from __future__ import annotations

import pyarrow.compute as pc

from pipeline.step import StepConfig, StepResult

VERSION = 1
USES = ()


class Config(StepConfig):
    pass


SIGNALS = {}
BOUNDS = {}


def run(batch, config):
    return StepResult(text=pc.utf8_upper(batch["text"]))
