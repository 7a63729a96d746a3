"""Languages told beside langdetect's answers, on manual pages whose language their translators have named.

`pytest -m verify -s` prints the table that stands in `docs/languages.md`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import manpages
import pyarrow as pa
import pytest

from flows.bench.language import langdetect_code, langdetect_factory
from pipeline.steps import language

pytestmark = pytest.mark.verify

LENGTHS = {"full": None, "300": 300, "60": 60}  # characters, from the beginning of a page's prose
LEAST_LANGUAGES, LEAST_TEXTS = 20, 1500
LEAST_SPEED = 20.0  # times langdetect's
NOT_LEARNT = {"sr"}  # by langdetect
SAMPLED = {"full": 4}  # langdetect reads each fourth page only, to be done within minutes

# What detectors call the labels otherwise, the same for all of them: both Norwegians are one, and so are all ways to write Chinese.
SAME = {"nb": "no", "nn": "no", "zh-cn": "zh", "zh-tw": "zh", "yue": "zh", "wuu": "zh"}

Texts = list[tuple[str, str]]  # (label, text)


def cut(pages: list[manpages.Page], chars: int | None) -> Texts:
    """Each page's prose, or so much of its beginning; each text once, and no shorter ones."""
    whole = ((page.language, "\n".join(page.paragraphs)) for page in pages)
    return list(dict.fromkeys((label, text[:chars]) for label, text in whole if chars is None or len(text) >= chars))


def rate(texts: Texts, tell: Callable[[list[str]], list[str | None]]) -> tuple[float, float, float]:
    """The share told rightly, of all labels and of those that langdetect has learnt; texts a second."""
    before = time.process_time()
    codes = tell([text for _, text in texts])
    seconds = time.process_time() - before
    right = [SAME.get(code or "", code) == label for code, (label, _) in zip(codes, texts, strict=True)]
    learnt = [each for each, (label, _) in zip(right, texts, strict=True) if label not in NOT_LEARNT]
    return sum(right) / len(right), sum(learnt) / len(learnt), len(texts) / seconds


def ours(texts: list[str]) -> list[str | None]:
    codes: list[str | None] = language.run(pa.record_batch({"text": texts}), language.Config()).signals["code"].to_pylist()
    return codes


def test_there_are_enough_languages(translated_pages: list[manpages.Page]) -> None:
    assert len({page.language for page in translated_pages}) >= LEAST_LANGUAGES
    assert all(len(cut(translated_pages, chars)) >= LEAST_TEXTS for chars in LENGTHS.values())


@pytest.mark.parametrize("length", LENGTHS)
def test_languages_are_told_as_well_as_by_langdetect_and_much_faster(translated_pages: list[manpages.Page], length: str) -> None:
    texts = cut(translated_pages, LENGTHS[length])[:: SAMPLED.get(length, 1)]
    factory = langdetect_factory()
    ours([text for _, text in texts])  # kernels compiled, models loaded
    all_ours, learnt_ours, speed_ours = rate(texts, ours)
    all_theirs, learnt_theirs, speed_theirs = rate(texts, lambda texts: [langdetect_code(factory, text) for text in texts])
    for name, *row in [("language", all_ours, learnt_ours, speed_ours), ("langdetect", all_theirs, learnt_theirs, speed_theirs)]:
        print(f"| {length} | {len(texts)} | {name} | {row[0]:.4f} | {row[1]:.4f} | {row[2]:,.0f} |")
    assert all_ours >= all_theirs
    assert learnt_ours >= learnt_theirs
    assert speed_ours >= LEAST_SPEED * speed_theirs
