"""How probably a text is of the kind that a user calls good, told by its words.

The model is the user's own: `corpusmill train-classifier` makes it. What it is, `pipeline.models.classifier` says.
"""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
from pydantic import AfterValidator

from pipeline.models import classifier
from pipeline.models.kept import model
from pipeline.step import Bound, File, StepConfig, StepResult

VERSION = 1
USES: tuple[str, ...] = ()


def _readable(path: str) -> str:
    model(classifier.load, path)
    return path


class Config(StepConfig):
    model: Annotated[File, AfterValidator(_readable)]


SIGNALS = {
    "score": (pa.float64(), "probability of being of the positive kind, 0 to 1; null without words"),
}

BOUNDS: dict[str, Bound] = {}


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Score each text; nothing fails."""
    scores, told = classifier.scores(model(classifier.load, config.model), batch["text"])
    return StepResult(signals={"score": pa.array(scores, mask=~told)})
