"""A model and its training from a budget of operations, by published rules.

Depth: each layer adds 64 to the width, as nanochat's dial does (Karpathy 2025). Tokens: 20 for every number in a matrix, the embedding
apart (Chinchilla, Hoffmann et al. 2022), so the deepest model that the budget then pays for, and tokens until it is spent. Batch and
AdamW's rate: those of OLMo's ladder (Bhagia et al. 2024), in powers of the size. Muon's rate: 0.02 at 2^19 tokens a step, and with
the square root of their number (nanochat).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from training.flops import flops_per_token
from training.settings import LARGE_VOCABULARY, ModelConfig, TrainConfig

TOKENS_A_WEIGHT = 20
LADDER_WEIGHTS = 108e6  # of the model for which the ladder's rules are written
LADDER_BATCH_TOKENS = 160 * 2048
DEPTHS = range(2, 49)


class Chosen(NamedTuple):
    """What a budget is spent on."""

    model: ModelConfig
    train: TrainConfig
    tokens: int
    flops: float


def budget(flops: float | None, minutes: float | None, flops_per_s: float | None) -> float:
    """Operations to spend: as told, or what so many minutes give at a speed that was measured; ValueError where neither is told."""
    if flops is not None and minutes is None:
        return flops
    if flops is None and minutes is not None and flops_per_s is not None:
        return 60 * minutes * flops_per_s
    raise ValueError("budget: either flops, or minutes together with flops_per_s, were expected")


def choose(flops: float, vocabulary: int = LARGE_VOCABULARY, sequence_tokens: int = 1024) -> Chosen:
    """The model, its training, tokens and operations; ValueError where the budget does not pay for the smallest model."""
    affordable = [shape for shape in map(shape_of, DEPTHS) if _cost(shape, vocabulary, sequence_tokens) <= flops]
    if not affordable:
        least = _cost(shape_of(DEPTHS[0]), vocabulary, sequence_tokens)
        raise ValueError(f"flops: at least {least:.2g} were expected, for the smallest model, not {flops:.2g}")
    shape = affordable[-1]
    tokens = flops / flops_per_token(shape, vocabulary, sequence_tokens)
    size = _weights(shape, vocabulary) / LADDER_WEIGHTS
    sequences = max(1, round(LADDER_BATCH_TOKENS * size ** (2 / 3) / sequence_tokens))
    batch_tokens = sequences * sequence_tokens
    steps = max(1, math.floor(tokens / batch_tokens))
    given: dict[str, Any] = {
        "sequence_tokens": sequence_tokens,
        "sequences_per_step": sequences,
        "steps": steps,
        "learning_rate": _rounded(0.0047 / 2 * size ** (-1 / 3)),
        "muon_learning_rate": _rounded(0.02 * math.sqrt(batch_tokens / 2**19)),
        "warmup_steps": min(steps // 10, round(_weights(shape, vocabulary) / batch_tokens)),
        "beta2": 0.95 if batch_tokens >= 2**19 else 0.99,
    }
    spent = steps * batch_tokens
    cost = flops_per_token(shape, vocabulary, sequence_tokens)
    return Chosen(shape, TrainConfig.model_validate(given), spent, float(spent * cost))


def shape_of(depth: int) -> ModelConfig:
    """The shape of so many layers: heads of 128 from a width of 512 on, and before it of 64; tied below it."""
    width = 64 * depth
    head = 128 if width >= 512 and width % 128 == 0 else 64
    feed_forward = math.ceil(width * 8 / 3 / 64) * 64
    heads = width // head
    return ModelConfig(layers=depth, width=width, heads=heads, kv_heads=heads, feed_forward=feed_forward, tied=width < 512)


def toml(chosen: Chosen) -> str:
    """The sections `[model]` and `[train]` of a recipe."""
    shape = chosen.model.model_dump(include={"layers", "width", "heads", "kv_heads", "feed_forward", "tied"})
    train = chosen.train.model_dump(exclude_unset=True)
    sections = {"model": shape, "train": train, "order": {"sequence_tokens": chosen.train.sequence_tokens}}
    lines = [f"# {chosen.tokens:,} tokens, {chosen.flops:.3g} operations"]
    for name, keys in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {str(value).lower() if isinstance(value, bool) else value}" for key, value in keys.items())]
    return "\n".join(lines)


def _weights(shape: ModelConfig, vocabulary: int) -> int:
    return shape.layer_weights + shape.width * vocabulary


def _cost(shape: ModelConfig, vocabulary: int, sequence_tokens: int) -> float:
    return float(TOKENS_A_WEIGHT * _weights(shape, vocabulary) * flops_per_token(shape, vocabulary, sequence_tokens))


def _rounded(rate: float) -> float:
    return float(f"{rate:.3g}")
