"""A file that nobody has vouched for: one line says what is amiss, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from trained import classifier_file, perplexity_file

from pipeline.models import classifier, perplexity
from pipeline.models.kept import model

Arrays = dict[str, Any]
LOADERS: dict[str, tuple[Callable[[], Path], Callable[[Path], Any]]] = {
    "classifier": (classifier_file, classifier.load),
    "perplexity": (perplexity_file, perplexity.load),
}


def _changed(kind: str, path: Path, arrays: Arrays | None = None, facts: dict[str, Any] | None = None) -> None:
    """A copy of a good model with something changed; an array that is None is left out."""
    with safe_open(LOADERS[kind][0](), framework="numpy") as opened:
        held = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
        said = json.loads(opened.metadata()["corpusmill"])
    held = {name: array for name, array in {**held, **(arrays or {})}.items() if array is not None}
    save_file(held, path, metadata={"corpusmill": json.dumps({**said, **(facts or {})})})


def _refused(kind: str, path: Path, expectation: str) -> None:
    with pytest.raises(ValueError, match=expectation) as caught:
        LOADERS[kind][1](path)
    said = str(caught.value)
    assert said.startswith(f"{path}: expected ")
    assert "\n" not in said


@pytest.mark.parametrize("kind", LOADERS)
def test_a_copy_is_as_good(kind: str, tmp_path: Path) -> None:
    _changed(kind, tmp_path / "copy")
    LOADERS[kind][1](tmp_path / "copy")


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("cut", [0, 7, 8, 100, 0.5, -1])
def test_a_file_that_is_cut_short_is_refused(kind: str, cut: float, tmp_path: Path) -> None:
    data = LOADERS[kind][0]().read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(data[: int(cut if cut >= 1 or cut <= 0 else cut * len(data))])
    _refused(kind, path, "in the safetensors format")


@pytest.mark.parametrize("kind", LOADERS)
def test_what_is_no_model_at_all_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b'{"text": "not a model"}\n' * 100)
    _refused(kind, path, "in the safetensors format")
    path.write_bytes(b"\xff" * 7 + b"\x7f" + b"{}")
    _refused(kind, path, "in the safetensors format")
    save_file({"weights": np.zeros(4, np.float32)}, path)
    _refused(kind, path, "what is said of such a model")


def test_a_model_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    _refused("classifier", perplexity_file(), "kind: Input should be 'classifier'")
    _refused("perplexity", classifier_file(), "kind: Input should be 'perplexity'")


@pytest.mark.parametrize(
    ("kind", "facts", "expectation"),
    [
        ("classifier", {"version": 2}, "version: Input should be 1"),
        ("classifier", {"more": 1}, "more: Extra inputs"),
        ("perplexity", {"version": 2}, "version: Input should be 1"),
        ("perplexity", {"words": 9}, "words: Input should be less"),
        ("perplexity", {"words": 4}, "entries for the beginning of a sequence, at order 4"),
        ("perplexity", {"head_max": 1e9}, "head_max <= middle_max"),
        ("perplexity", {"head_max": "much"}, "head_max: Input should be a valid number"),
    ],
)
def test_facts_that_cannot_be_are_refused(kind: str, facts: dict[str, Any], expectation: str, tmp_path: Path) -> None:
    _changed(kind, tmp_path / "bad", facts=facts)
    _refused(kind, tmp_path / "bad", expectation)


_NAN = np.full(2**10, np.nan, np.float32)


@pytest.mark.parametrize(
    ("kind", "arrays", "expectation"),
    [
        ("classifier", {"weights": None}, "the arrays weights, bias, not bias"),
        ("classifier", {"more": np.zeros(1)}, "the arrays weights, bias, not bias, more, weights"),
        ("classifier", {"weights": _NAN}, "finite numbers in 'weights'"),
        ("classifier", {"bias": np.array([np.inf])}, "finite numbers in 'bias'"),
        ("classifier", {"weights": np.zeros(1000, np.float32)}, "a power of two of weights"),
        ("classifier", {"weights": np.zeros(0, np.float32)}, "a power of two of weights"),
        ("classifier", {"weights": np.zeros(1024)}, "'weights' as float32 in 1 dimensions, not float64 in 1"),
        ("classifier", {"weights": np.zeros((32, 32), np.float32)}, "'weights' as float32 in 1 dimensions, not float32 in 2"),
        ("classifier", {"bias": np.zeros(2)}, "one bias, not 2"),
        ("perplexity", {"word_logs": None}, "the arrays word_keys, spelling_keys, word_logs, spelling_logs, not"),
        ("perplexity", {"word_keys": np.arange(1, 9, dtype=np.uint64)}, "an entry of two numbers for each"),
        ("perplexity", {"spelling_keys": np.arange(1, 9, dtype=np.int64)}, "'spelling_keys' as uint64 in 1 dimensions, not int64"),
        ("perplexity", {"word_logs": np.full((3, 2), np.nan, np.float32)}, "finite numbers in 'word_logs'"),
    ],
)
def test_arrays_that_cannot_be_are_refused(kind: str, arrays: Arrays, expectation: str, tmp_path: Path) -> None:
    _changed(kind, tmp_path / "bad", arrays=arrays)
    _refused(kind, tmp_path / "bad", expectation)


def test_numbers_that_numpy_has_not_are_refused(tmp_path: Path) -> None:
    data = classifier_file().read_bytes().replace(b'"F32"', b'"I32"').replace(b'"F64"', b'"I64"')
    (tmp_path / "bad").write_bytes(data)
    _refused("classifier", tmp_path / "bad", "'weights' as float32")
    (tmp_path / "bad").write_bytes(classifier_file().read_bytes().replace(b'"F64","shape":[1]', b'"BF16","shape":[4]'))
    _refused("classifier", tmp_path / "bad", "expected")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "model"
    _changed("classifier", path)
    first = model(classifier.load, str(path))
    assert model(classifier.load, str(path)) is first
    _changed("classifier", path, {"weights": np.zeros(2048, np.float32)})
    assert len(model(classifier.load, str(path)).weights) == 2048
