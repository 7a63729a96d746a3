"""Counts words, and fails on a text that says FAIL."""

from __future__ import annotations

import pyarrow as pa

from pipeline.step import Bound, RowError, StepConfig, StepResult

VERSION = 1
USES = ("pyarrow",)


class Config(StepConfig):
    least_chars: int = 1


SIGNALS = {
    "count": (pa.int64(), "words of at least `least_chars` characters"),
    "longest": (pa.int64(), "characters of the longest word; null where there is none"),
    "share": (pa.float64(), "share of words that count"),
}
COLUMNS = {"title": (pa.string(), "the first word")}
BOUNDS = {"count": Bound(min=3)}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    texts = batch["text"].to_pylist()
    failed = {row: RowError("said_so", text) for row, text in enumerate(texts) if "FAIL" in text}
    words = [None if row in failed else text.split() for row, text in enumerate(texts)]
    counted = [each and [word for word in each if len(word) >= config.least_chars] for each in words]
    return StepResult(
        signals={
            "count": pa.array([None if each is None else len(each) for each in counted], pa.int64()),
            "longest": pa.array([max(map(len, each)) if each else None for each in words], pa.int64()),
            "share": pa.array(
                [len(some or []) / len(each) if each else None for some, each in zip(counted, words, strict=True)], pa.float64()
            ),
        },
        columns={"title": pa.array([each[0] if each else None for each in words], pa.string())},
        errors=failed,
    )
