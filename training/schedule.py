"""What each step gets: its sequences, and its learning rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.settings import TrainConfig


@dataclass(frozen=True)
class Place:
    """Where sequences are: `count` from `first` on in the packing plan of an epoch."""

    epoch: int
    first: int
    count: int


class Stretch(NamedTuple):
    """Steps of `size` sequences each, the last one of what is left, over those of an epoch from `first` up to `end`."""

    step: int  # the first
    read: int  # sequences read before it
    epoch: int
    first: int
    end: int
    size: int


class Schedule(NamedTuple):
    """What every step reads, in as few stretches as there are epochs, skipped ranges and stages of the ramp, not step by step."""

    stretches: tuple[Stretch, ...]
    steps: int

    @property
    def largest(self) -> int:
        """The sequences of the largest step."""
        return max(min(stretch.size, stretch.end - stretch.first) for stretch in self.stretches)


def schedule(sequences: Sequence[int], config: TrainConfig) -> Schedule:
    """The steps over epochs whose plans have so many sequences. No step crosses an epoch's end or a skipped range.

    `ValueError` where there are not as many epochs as the configuration says, or fewer steps in them.
    """
    if len(sequences) != config.epochs:
        raise ValueError(f"orders: one for each of {config.epochs} epochs was expected, not {len(sequences)}")
    stretches, step, read = [], 0, 0
    ramp = list(config.ramp)
    for epoch, start, end in _ranges(sequences, config):
        first = start
        while first < end:
            steps, size = ramp[0] if ramp else (math.inf, config.sequences_per_step)
            taken = min(steps, math.ceil((end - first) / size))
            stop = min(end, first + int(taken) * size)
            stretches.append(Stretch(step, read, epoch, first, stop, size))
            step, read, first = step + int(taken), read + stop - first, stop
            if ramp:
                ramp[0] = (int(steps - taken), size)
                if not ramp[0][0]:
                    del ramp[0]
    if config.steps is not None and config.steps > step:
        raise ValueError(f"train.steps: at most {step} were expected, all that train.epochs = {config.epochs} has, not {config.steps}")
    return Schedule(tuple(stretches), config.steps or step)


def _ranges(sequences: Sequence[int], config: TrainConfig) -> Iterator[tuple[int, int, int]]:
    """Epoch, first sequence and end of what is not skipped, in order."""
    for epoch, count in enumerate(sequences):
        first = 0
        for _, start, end in sorted(skipped for skipped in config.skip if skipped[0] == epoch):
            yield epoch, first, min(start, count)
            first = max(first, end)
        yield epoch, first, count


def place(plan: Schedule, step: int) -> Place:
    """What a step reads, whatever its number at the same cost."""
    stretch = _stretch(plan, step)
    first = stretch.first + (step - stretch.step) * stretch.size
    return Place(stretch.epoch, first, min(stretch.size, stretch.end - first))


def sequences_of(plan: Schedule, step: int, rank: int, world: int) -> Place:
    """What one of `world` processes reads of a step: they share it out end to end, so that together they read the same."""
    whole = place(plan, step)
    begin, end = rank * whole.count // world, (rank + 1) * whole.count // world
    return Place(whole.epoch, whole.first + begin, end - begin)


def consumed(plan: Schedule, step: int) -> int:
    """The sequences read before a step: the cursor of a checkpoint."""
    stretch = _stretch(plan, step)
    return stretch.read + min((step - stretch.step) * stretch.size, stretch.end - stretch.first)


def _stretch(plan: Schedule, step: int) -> Stretch:
    return plan.stretches[bisect_right(plan.stretches, step, key=lambda stretch: stretch.step) - 1]


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """The rate of a step, counted from 0.

    A linear warm-up; then `wsd` stays, and falls linearly over the last `decay_share` of all steps (Hu et al. 2024), while
    `cosine` falls along half a wave. Both end at `final_share`.
    """
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "wsd":
        left = min(1.0, (steps - step) / max(1, round(config.decay_share * steps)))
    else:
        past = max(0, step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        left = (1 + math.cos(math.pi * past)) / 2
    return config.learning_rate * warm * (config.final_share + (1 - config.final_share) * left)
