"""The language model: its two levels are one model of probabilities, and good texts surprise it least."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nasty import CHINESE, PROSE, text_batch
from trained import farm, perplexity_file, sea

from pipeline.models import file
from pipeline.models.ngrams import Ngrams, advance, begin
from pipeline.models.perplexity import Report, TrainConfig, load, measure, train
from pipeline.models.texts import draw
from pipeline.steps import perplexity
from pipeline.steps.perplexity import Config

CASES: dict[str, tuple[str, str]] = {}


def signals(texts: Sequence[str | None], model: Path | None = None, **settings: Any) -> list[dict[str, Any]]:
    """The signals of each text."""
    found = perplexity.run(text_batch(list(texts)), Config(model=str(model or perplexity_file()), **settings)).signals
    lists = {name: array.to_pylist() for name, array in found.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(len(texts))]


def _trained(path: Path, texts: list[str], **settings: Any) -> Report:
    facts, arrays, report = train(draw(texts, 10), TrainConfig(**settings))
    file.write(path, facts, arrays)
    return report


def _bits(text: str) -> float:
    """All bits of a text."""
    found = measure(load(perplexity_file()), pa.array([text]))
    return math.log2(found.perplexity[0]) * int(found.words[0])


def test_what_is_known_and_what_is_spelled_sum_to_1() -> None:
    vocabulary = sorted({word for text in sea(300) for word in [*text[:-1].split(), "."]})
    for context in ("", "the harbour", "the plough of", "zzz"):
        before = _bits(context) if context else 0.0
        told = sum(2 ** (before - _bits(f"{context} {word}".strip())) for word in vocabulary)
        # What is left is for all that can be spelled; the words above take their part of that already.
        spelled = [2 ** -_spelling_bits(word) for word in vocabulary]
        unknown = 2 ** (before - _bits(f"{context} qqqqqq".strip())) / 2 ** -_spelling_bits("qqqqqq")
        assert told + unknown * (1 - sum(spelled)) == pytest.approx(1, abs=1e-5)


def _spelling_bits(word: str) -> float:
    ngrams, total = load(perplexity_file()).spelling, 0.0
    keys, weights = _begun(ngrams)
    for symbol in [*word.encode(), 256]:
        log, known = advance(ngrams.keys, ngrams.logs, keys, weights, np.uint64(symbol))
        total += log - (0 if known else math.log(257))
    return -total / math.log(2)


def _begun(ngrams: Ngrams) -> tuple[Any, Any]:
    keys, weights = np.empty_like(ngrams.start_keys), np.empty_like(ngrams.start_weights)
    begin(ngrams.start_keys, ngrams.start_weights, keys, weights)
    return keys, weights


@pytest.mark.parametrize("beginning", [b"", b"h", b"harbou", b"\xff\x00", b"zzzz"])
def test_behind_any_bytes_the_next_ones_and_the_end_sum_to_1(beginning: bytes) -> None:
    ngrams, total = load(perplexity_file()).spelling, 0.0
    for symbol in range(257):
        keys, weights = _begun(ngrams)
        for byte in beginning:
            advance(ngrams.keys, ngrams.logs, keys, weights, np.uint64(byte))
        log, known = advance(ngrams.keys, ngrams.logs, keys, weights, np.uint64(symbol))
        total += math.exp(log) / (1 if known else 257)
    assert total == pytest.approx(1, abs=1e-5)


def test_the_better_a_text_is_known_the_less_it_surprises() -> None:
    good, other = " ".join(sea(20, seed=31)), " ".join(farm(20, seed=32))
    letters = "".join(random.Random(1).choices("bcdfghjklmnpq     ", k=len(good)))
    found = [each["perplexity"] for each in signals([good, other, PROSE, letters])]
    assert found == sorted(found)
    assert found[0] * 1.2 < found[1]


def test_the_order_of_words_counts(tmp_path: Path) -> None:
    texts = [" ".join(["the red hat lay on an old tree"] * count) + f" {count}." for count in range(2, 200)]
    _trained(tmp_path / "m", texts)
    ordered, shuffled = signals(
        ["the red hat lay on an old tree the red hat", "hat tree the on old red an lay hat the red"], tmp_path / "m"
    )
    assert ordered["perplexity"] * 5 < shuffled["perplexity"]


def test_bits_and_perplexity_say_the_same() -> None:
    (found,) = signals(["the harbour and the boat with a captain at sea"], min_words=1)
    assert found["bits_per_byte"] * len("theharbourandtheboatwithacaptainatsea") == pytest.approx(10 * math.log2(found["perplexity"]))


def test_a_text_that_is_too_short_is_not_told() -> None:
    nine, ten, none, null = signals(["tide " * 9, "tide " * 10, "", None])
    assert set(nine.values()) == set(none.values()) == set(null.values()) == {None}
    assert None not in ten.values()
    assert signals(["tide"], min_words=1)[0]["perplexity"] > 1


def test_good_texts_fall_into_thirds(tmp_path: Path) -> None:
    report = _trained(tmp_path / "m", sea(3000))
    held_out = signals(report.held_out.texts.to_pylist(), tmp_path / "m")
    shares = [sum(each["bucket"] == name for each in held_out) / len(held_out) for name in ("head", "middle", "tail")]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.01)
    fresh = signals(sea(1000, seed=41), tmp_path / "m")
    assert sum(each["bucket"] == "head" for each in fresh) / 1000 == pytest.approx(1 / 3, abs=0.1)
    assert sum(each["bucket"] == "tail" for each in signals(farm(200), tmp_path / "m")) > 150


def test_a_bucket_holds_its_limit(tmp_path: Path) -> None:
    text = sea(1, seed=51)[0]
    value = signals([text])[0]["perplexity"]
    below = float(np.nextafter(value, 0))
    facts, arrays, _ = train(draw(sea(300), 1), TrainConfig())
    for limits, bucket in {(value, value): "head", (below, value): "middle", (below, below): "tail"}.items():
        path = tmp_path / bucket
        file.write(path, facts.model_copy(update=dict(zip(("head_max", "middle_max"), limits, strict=True))), arrays)
        assert signals([text], path)[0]["bucket"] == bucket


def test_other_orders_of_the_same_texts_give_the_same_file(tmp_path: Path) -> None:
    texts = sea(300)
    _trained(tmp_path / "a", texts)
    _trained(tmp_path / "b", random.Random(1).sample(texts, 300) + texts[:40])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("text", ["a" * 1_000_000, CHINESE * 2_000, "\ufffd\U0010ffff" * 10_000])
def test_a_word_without_end_is_no_more_than_very_surprising(text: str) -> None:
    (found,) = signals([text], min_words=1)
    assert found["bucket"] == "tail"
    assert 1 < found["perplexity"] < math.inf
    assert 1 < found["bits_per_byte"] < 40


@pytest.mark.parametrize("texts", [[""], ["..."] * 3, sea(30)])
def test_too_few_texts_are_an_error(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"expected (texts with words|at least 9 held-out texts)"):
        train(draw(texts, 1), TrainConfig())


def test_a_bad_model_is_told_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no model")
    with pytest.raises(ValueError, match="in the safetensors format"):
        Config(model=str(tmp_path / "bad"))


@pytest.mark.parametrize("unit", ["a", "tide ", "x1 ", "船", "é-"])
def test_time_grows_with_the_text_and_not_faster(unit: str) -> None:
    model = load(perplexity_file())

    def seconds(size: int) -> float:
        array = pa.array([unit * (size // len(unit.encode()))])
        before = time.process_time()
        measure(model, array)
        return time.process_time() - before

    seconds(1_000)
    assert min(seconds(2_000_000) for _ in range(2)) < 16 * max(min(seconds(250_000) for _ in range(2)), 0.01)
