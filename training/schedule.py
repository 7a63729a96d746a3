"""What each step gets: its sequences, and its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.settings import TrainConfig


@dataclass(frozen=True)
class Place:
    """Where a step's sequences are: `count` from `first` on in the packing plan of an epoch."""

    epoch: int
    first: int
    count: int


def places(sequences: list[int], config: TrainConfig) -> list[Place]:
    """The sequences of every step, given how many each epoch's plan has. No step crosses an epoch's end.

    `ValueError` where there are not as many epochs as the configuration says, or fewer steps in them.
    """
    if len(sequences) != config.epochs:
        raise ValueError(f"orders: one for each of {config.epochs} epochs was expected, not {len(sequences)}")
    size = config.sequences_per_step
    every = [Place(epoch, first, min(size, count - first)) for epoch, count in enumerate(sequences) for first in range(0, count, size)]
    if config.steps is not None and config.steps > len(every):
        raise ValueError(f"steps: at most {len(every)} were expected, all that {config.epochs} epochs have, not {config.steps}")
    return every[: config.steps]


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
