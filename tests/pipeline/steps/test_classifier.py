"""A classifier that is trained on data made here tells other data of that kind, and says how surely."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from nasty import CHINESE, text_batch
from trained import classifier_file, farm, mislabelled, sea

from pipeline.models import file
from pipeline.models.classifier import Report, TrainConfig, load, train
from pipeline.models.judgement import judge
from pipeline.models.texts import draw, parts
from pipeline.steps import classifier
from pipeline.steps.classifier import Config

CASES: dict[str, tuple[str, str]] = {}

_NOISE = 0.04  # of the labels


def measure(texts: Sequence[str | None], model: Path | None = None) -> list[float | None]:
    """The score of each text."""
    scores: list[float | None] = (
        classifier.run(text_batch(list(texts)), Config(model=str(model or classifier_file()))).signals["score"].to_pylist()
    )
    return scores


def _trained(path: Path, positive: list[str], negative: list[str]) -> Report:
    facts, arrays, report = train(draw(positive, 10), draw(negative, 10), TrainConfig(buckets=2**14))
    file.write(path, facts, arrays)
    return report


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    path = tmp_path_factory.mktemp("noisy") / "model.safetensors"
    return path, _trained(path, *mislabelled(_NOISE, 4000))


def test_the_held_out_area_is_near_what_the_noise_in_the_labels_leaves(noisy: tuple[Path, Report]) -> None:
    judged = noisy[1].judgement
    most = (1 - _NOISE) ** 2 + _NOISE * (1 - _NOISE)
    assert 0.92 < judged.auc < most + 0.01
    assert judged.auc_low < judged.auc < judged.auc_high
    # The second tenth of the texts, which nothing else has seen.
    held_out = [(parts(draw(texts, 10).ids, (0.1, 0.1)) == 1).sum() for texts in mislabelled(_NOISE, 4000)]
    assert [judged.positive, judged.negative] == held_out
    assert judged.accuracy > 0.9
    assert judged.at_half.f1 > 0.9


def test_the_reported_area_is_that_of_new_texts(noisy: tuple[Path, Report]) -> None:
    positive, negative = sea(2000, 11), farm(2000, 12)
    told = np.array(measure(positive + negative, noisy[0]))
    fresh = judge(told, np.arange(4000) < 2000, 0.5)
    assert fresh.auc > 0.98  # these labels are right
    # A share of wrong labels takes this much of an area.
    expected = fresh.auc * ((1 - _NOISE) ** 2 - _NOISE**2) + _NOISE
    assert noisy[1].judgement.auc_low - 0.01 < expected < noisy[1].judgement.auc_high + 0.01


def test_scores_are_probabilities(noisy: tuple[Path, Report], tmp_path: Path) -> None:
    assert noisy[1].judgement.calibration_error < 0.04
    clean = _trained(tmp_path / "clean", sea(4000), farm(4000)).judgement
    assert clean.calibration_error < 0.03


def test_where_there_is_nothing_to_learn_nothing_is_claimed(tmp_path: Path) -> None:
    texts = random.Random(8).sample(sea(2000, 21) + farm(2000, 22), 4000)
    judged = _trained(tmp_path / "random", texts[:2000], texts[2000:]).judgement
    assert judged.auc_low < 0.5 < judged.auc_high
    assert judged.calibration_error < 0.1
    assert judged.accuracy < 0.6


def test_other_orders_of_the_same_texts_give_the_same_file(tmp_path: Path) -> None:
    positive, negative = sea(300), farm(300)
    first = _trained(tmp_path / "a", positive, negative)
    again = _trained(tmp_path / "b", positive[::-1] + positive[:50], random.Random(1).sample(negative, 300))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert first == again


def test_kinds_are_told_apart_by_pairs_of_words_as_well(tmp_path: Path) -> None:
    chance = random.Random(5)

    def texts(pairs: list[str]) -> list[str]:
        return [" and ".join(chance.choices(pairs, k=12)) for _ in range(600)]

    report = _trained(tmp_path / "pairs", texts(["red hat", "blue coat", "old tree"]), texts(["red coat", "blue tree", "old hat"]))
    assert report.judgement.auc > 0.95


def test_a_text_without_words_has_no_score() -> None:
    empty, marks, null, one = measure(["", "... !?", None, "harbour"])
    assert (empty, marks, null) == (None, None, None)
    assert one is not None
    assert one > 0.5


def test_case_and_punctuation_do_not_count() -> None:
    plain, other = measure(["the harbour and the boat", "The HARBOUR -- and, the: boat!"])
    assert plain == other


def test_scripts_without_spaces_have_words(tmp_path: Path) -> None:
    chance = random.Random(6)
    kinds = (["".join(chance.choices(signs, k=40)) for _ in range(300)] for signs in (CHINESE[:25], CHINESE[20:]))
    assert _trained(tmp_path / "zh", *kinds).judgement.auc > 0.95


@pytest.mark.parametrize(
    ("positive", "negative", "named"),
    [(300, 3, "negative"), (3, 300, "positive"), (4, 4, "about 100 of each")],
)
def test_too_few_texts_of_a_kind_are_an_error(positive: int, negative: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        train(draw(sea(positive), 1), draw(farm(negative), 1), TrainConfig())


def test_buckets_are_a_power_of_two() -> None:
    assert TrainConfig(buckets=2**10).buckets == 1024
    with pytest.raises(ValueError, match="power of two"):
        TrainConfig(buckets=1000)


def test_a_bad_model_is_told_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no model")
    with pytest.raises(ValueError, match="in the safetensors format"):
        Config(model=str(tmp_path / "bad"))
    with pytest.raises(ValueError, match="a file that exists"):
        Config(model=str(tmp_path / "none"))


@pytest.mark.parametrize("unit", ["a", "harbour ", "é", "船", "\u200d", "a."])
def test_time_grows_with_the_text_and_not_faster(unit: str) -> None:
    model = load(classifier_file())

    def seconds(size: int) -> float:
        batch = text_batch([unit * (size // len(unit.encode()))])["text"]
        before = time.process_time()
        classifier.classifier.scores(model, batch)
        return time.process_time() - before

    seconds(1_000)
    assert min(seconds(4_000_000) for _ in range(3)) < 16 * max(min(seconds(500_000) for _ in range(3)), 0.004)
