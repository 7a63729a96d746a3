"""Languages of texts beside langdetect, the same texts in the same process: documents a second of CPU time, one core."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
from langdetect import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from flows.bench import peer
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline.steps import language

BYTES, TEXTS, ROUNDS = 8_000_000, 300, 5


def beside_langdetect() -> Result:
    """Our step, second opinions included, and langdetect alone, over texts of all languages taken at equal steps."""
    found = extracted(peer.warcs(), BYTES)
    texts = found[:: max(len(found) // TEXTS, 1)][:TEXTS]
    batch = pa.record_batch({"text": texts})
    config = language.Config()
    factory = langdetect_factory()
    language.run(batch, config)  # kernels compiled, models loaded
    # Before and after the peer: how fast the machine is may change within its minute.
    before = min(_seconds(lambda: language.run(batch, config)) for _ in range(ROUNDS))
    peer_s = _seconds(lambda: [langdetect_code(factory, text) for text in texts])
    after = min(_seconds(lambda: language.run(batch, config)) for _ in range(ROUNDS))
    ours, theirs = 2 * len(texts) / (before + after), len(texts) / peer_s
    note = f"{len(texts)} texts of {sum(len(text.encode()) for text in texts) / len(texts) / 1e3:.1f} kB, by CPU time of one core"
    return Result("language", "documents/s", round(ours), round(theirs), "langdetect", round(ours / theirs, 1), note)


def _seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def langdetect_factory() -> DetectorFactory:
    """What makes langdetect's detectors, seeded."""
    factory = DetectorFactory()
    factory.set_seed(0)
    factory.load_profile(PROFILES_DIRECTORY)
    return factory


def langdetect_code(factory: DetectorFactory, text: str) -> str | None:
    """langdetect's answer; None where it knows none."""
    detector = factory.create()
    detector.append(text)
    try:
        code: str = detector.detect()
    except LangDetectException:  # no letter that any of its profiles knows
        return None
    return code
