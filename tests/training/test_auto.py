from __future__ import annotations

import itertools
import tomllib

import pytest
from training_world import TINY

from training.auto import budget, choose, toml
from training.flops import flops_per_token, peak, utilisation
from training.settings import ModelConfig, TrainConfig


@pytest.mark.parametrize("flops", [3e15, 1e17, 1e19, 1e21])
def test_a_budget_is_spent_on_about_twenty_tokens_a_weight(flops: float) -> None:
    chosen = choose(flops)
    assert 0.95 * flops < chosen.flops <= flops
    assert chosen.tokens == chosen.train.steps * chosen.train.sequences_per_step * chosen.train.sequence_tokens
    assert 19 < chosen.tokens / (chosen.model.layer_weights + chosen.model.width * 32768) < 50


def test_the_ladders_own_model_gets_the_ladders_batch_and_rate() -> None:
    chosen = choose(3.2e18)
    weights = chosen.model.layer_weights + chosen.model.width * 32768
    batch = chosen.train.sequences_per_step * chosen.train.sequence_tokens
    assert batch == pytest.approx(160 * 2048 * (weights / 108e6) ** (2 / 3), rel=0.01)
    assert chosen.train.learning_rate == pytest.approx(0.0047 / 2 * (weights / 108e6) ** (-1 / 3), rel=0.01)


def test_more_buys_a_deeper_model_more_tokens_and_a_lower_rate() -> None:
    plans = [choose(flops) for flops in (1e16, 1e18, 1e20)]
    for less, more in itertools.pairwise(plans):
        assert (more.model.layers, more.tokens) > (less.model.layers, less.tokens)
        assert more.train.learning_rate < less.train.learning_rate


def test_too_small_a_budget_names_what_is_needed() -> None:
    with pytest.raises(ValueError, match=r"flops: at least 2.* were expected"):
        choose(1e9)


def test_minutes_are_a_budget_at_a_speed() -> None:
    assert budget(1e17, None, None) == 1e17
    assert budget(None, 10, 1e12) == 6e14
    for wrong in ((None, None, None), (1e17, 10, 1e12), (None, 10, None)):
        with pytest.raises(ValueError, match="minutes together with flops_per_s"):
            budget(*wrong)


def test_what_is_chosen_is_a_recipes_sections() -> None:
    chosen = choose(1e15, 4096, 256)
    sections = tomllib.loads(toml(chosen))
    assert ModelConfig.model_validate(sections["model"]) == chosen.model
    assert TrainConfig.model_validate(sections["train"]) == chosen.train
    assert sections["order"] == {"sequence_tokens": 256}


def test_operations_are_counted_as_published() -> None:
    matrices = 2 * (2 * 32 * 8 * (4 + 2) + 3 * 32 * 64) + 32 * 128
    assert flops_per_token(TINY, 128, 48) == 6 * matrices + 12 * 2 * 4 * 8 * 48


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("NVIDIA RTX A1000", None),
    ],
)
def test_the_peak_is_that_of_the_very_device(name: str, expected: float | None) -> None:
    assert peak(name) == expected


def test_utilisation_is_a_share_of_the_peak() -> None:
    assert utilisation(1000.0, 5_000, 1e7) == 0.5
