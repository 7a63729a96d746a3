from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain

import pytest

from training.schedule import Place, Schedule, consumed, learning_rate, place, schedule, sequences_of
from training.settings import TrainConfig

CONFIG = TrainConfig(sequences_per_step=4, epochs=2, learning_rate=1.0, warmup_steps=9, decay_share=0.25, final_share=0.1)


LONG = TrainConfig(sequences_per_step=7, epochs=3, ramp=((3, 2), (200, 4)), skip=((1, 100, 180), (1, 120, 150), (2, 0, 10)))


def reading(plan: Schedule, step: int, world: int = 1) -> list[tuple[int, int]]:
    """The sequences of a step, as epoch and number, in the order of the ranks."""
    shares = [sequences_of(plan, step, rank, world) for rank in range(world)]
    return [(share.epoch, share.first + i) for share in shares for i in range(share.count)]


def test_no_step_crosses_an_epochs_end_and_no_sequence_is_left_out() -> None:
    plan = schedule([6, 4], CONFIG)
    assert [place(plan, step) for step in range(plan.steps)] == [Place(0, 0, 4), Place(0, 4, 2), Place(1, 0, 4)]
    assert schedule([6, 4], CONFIG.model_copy(update={"steps": 2})).steps == 2


def test_every_sequence_that_is_not_skipped_is_read_once_in_order_whatever_the_batches() -> None:
    counts = [1000, 200, 50]
    kept = [(0, i) for i in range(1000)] + [(1, i) for i in range(200) if not 100 <= i < 180] + [(2, i) for i in range(10, 50)]
    for change in ({}, {"ramp": ()}, {"sequences_per_step": 64}, {"sequences_per_step": 1, "ramp": ((1, 300),)}):
        plan = schedule(counts, LONG.model_copy(update=change))
        read = [reading(plan, step) for step in range(plan.steps)]
        assert list(chain(*read)) == kept
        assert [consumed(plan, step) for step in range(plan.steps)] == [sum(map(len, read[:step])) for step in range(plan.steps)]
        assert consumed(plan, plan.steps) == len(kept)


def test_a_ramp_is_so_many_steps_of_so_many_sequences() -> None:
    plan = schedule([1000, 200, 50], LONG)
    assert [place(plan, step).count for step in (0, 2, 3, 202, 203)] == [2, 2, 4, 4, 7]


def test_world_sizes_and_a_change_between_them_give_the_same_sequences_a_step() -> None:
    plan = schedule([1000, 200, 50], LONG)
    alone = [reading(plan, step) for step in range(plan.steps)]
    for world in (2, 4):
        assert [reading(plan, step, world) for step in range(plan.steps)] == alone
    worlds = [4 if step < 150 else 1 if step < 170 else 2 for step in range(plan.steps)]  # changes within epoch 0
    assert [reading(plan, step, world) for step, world in enumerate(worlds)] == alone


def test_the_place_of_a_far_step_costs_no_more_than_that_of_a_near_one() -> None:
    plan = schedule([5_000_000, 5_000_000], TrainConfig(sequences_per_step=8, epochs=2))
    assert len(plan.stretches) == 2
    assert place(plan, 1_000_000) == Place(1, 3_000_000, 8)
    lines = [_lines_run(lambda step=step: (sequences_of(plan, step, 0, 1), consumed(plan, step))) for step in (10, 1_000_000)]
    assert max(lines) < 60


def _lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python a call runs."""
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_more_steps_than_there_are_sequences_for_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"train.steps: at most 3 were expected, all that train.epochs = 2 has, not 4"):
        schedule([6, 4], CONFIG.model_copy(update={"steps": 4}))
    with pytest.raises(ValueError, match="one for each of 2 epochs"):
        schedule([6], CONFIG)


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
