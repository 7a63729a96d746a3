"""The rows and settings that the laws run each step with: texts and no settings, unless a step is about something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nasty
import pyarrow as pa
import trained

from pipeline import step
from pipeline.step import StepConfig

LISTS = Path(__file__).parent / "lists"

_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "bad_words": {"lists": {"en": "bad_words_en.txt", "zh": "bad_words_zh.txt"}},
    "contamination": {"benchmarks": {"example": "benchmark_example.txt"}},
    "url_blocklist": {name: f"{name}.txt" for name in ("domains", "hosts", "urls", "hard_words", "subwords", "soft_words")},
}
_BATCHES: Mapping[str, tuple[Callable[[list[Any]], pa.RecordBatch], Mapping[str, Any], Mapping[str, Any]]] = {
    "extract": (nasty.page_batch, nasty.PLAIN_PAGES, nasty.NASTY_PAGES),
    "url_blocklist": (nasty.url_batch, nasty.PLAIN_URLS, nasty.NASTY_URLS),
}
_TEXTS = (nasty.text_batch, nasty.PLAIN, nasty.NASTY)


def config(name: str) -> StepConfig:
    """A step's settings, with lists or a model where it does nothing without."""
    return step.find(name).Config.model_validate({**_SETTINGS.get(name, {}), **trained.settings(name)}, context={"folder": LISTS})


def batch_of(name: str, rows: list[Any]) -> pa.RecordBatch:
    """Records of what a step looks at."""
    return _BATCHES.get(name, _TEXTS)[0](rows)


def plain_batch(name: str) -> pa.RecordBatch:
    """The plain rows for a step."""
    return batch_of(name, list(_BATCHES.get(name, _TEXTS)[1].values()))


def nasty_batch(name: str) -> pa.RecordBatch:
    """The nasty rows for a step."""
    return batch_of(name, list(_BATCHES.get(name, _TEXTS)[2].values()))
