"""Breaks the contract of steps in the way that it is told to."""

from __future__ import annotations

import pyarrow as pa

from pipeline.step import RowError, StepConfig, StepResult

VERSION = 1
USES = ()


class Config(StepConfig):
    how: str


SIGNALS = {"one": (pa.int64(), "always 1")}
BOUNDS = {}


def run(batch, config):
    rows = batch.num_rows
    one = pa.array([1] * rows, pa.int64())
    return {
        "short": StepResult(signals={"one": one.slice(1)}),
        "missing signal": StepResult(),
        "extra signal": StepResult(signals={"one": one, "two": one}),
        "wrong type": StepResult(signals={"one": one.cast(pa.float64())}),
        "undeclared column": StepResult(signals={"one": one}, columns={"colour": one}),
        "short text": StepResult(signals={"one": one}, text=pa.array(["x"] * (rows - 1))),
        "error out of range": StepResult(signals={"one": one}, errors={rows: RowError("late", "")}),
        "null text": StepResult(signals={"one": one}, text=pa.nulls(rows, pa.string())),
    }[config.how]
