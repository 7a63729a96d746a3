from __future__ import annotations

import pytest

from training.schedule import Place, learning_rate, places
from training.settings import TrainConfig

CONFIG = TrainConfig(sequences_per_step=4, epochs=2, learning_rate=1.0, warmup_steps=9, decay_share=0.25, final_share=0.1)


def test_no_step_crosses_an_epochs_end_and_no_sequence_is_left_out() -> None:
    plan = places([6, 4], CONFIG)
    assert plan == [Place(0, 0, 4), Place(0, 4, 2), Place(1, 0, 4)]
    assert places([6, 4], CONFIG.model_copy(update={"steps": 2})) == plan[:2]


def test_more_steps_than_there_are_sequences_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="steps: at most 3 were expected, all that 2 epochs have, not 4"):
        places([6, 4], CONFIG.model_copy(update={"steps": 4}))
    with pytest.raises(ValueError, match="one for each of 2 epochs"):
        places([6], CONFIG)


def test_the_rate_warms_up_stays_and_decays() -> None:
    rates = [learning_rate(step, 100, CONFIG) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[8] == pytest.approx(0.9)
    assert rates[9:76] == [1.0] * 67
    assert rates[76] == pytest.approx(0.1 + 0.9 * 24 / 25)
    assert rates[99] == pytest.approx(0.1 + 0.9 / 25)


def test_cosine_falls_along_half_a_wave() -> None:
    config = CONFIG.model_copy(update={"schedule": "cosine", "warmup_steps": 0})
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert (rates[0], rates[50]) == (pytest.approx(1.0), pytest.approx(0.55))
    assert rates == sorted(rates, reverse=True)
    assert rates[99] < 0.102
