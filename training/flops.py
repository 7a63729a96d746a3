"""Operations of training, counted as nanochat counts them, and what devices can do of them at best.

A token costs 6 for every number in the matrices that multiply it (forward, and twice that backward), the embedding apart, which only
looks up; and 12 x heads x head width x tokens of the sequence for attention in every layer, with no discount for causality.
"""

from __future__ import annotations

import re

from training.settings import ModelConfig

# Dense bfloat16 with accumulation in 32 bits, in operations a second, by words of the device's name: the first that are in it hold. From
# NVIDIA's data sheets of these devices (figures "with sparsity" halved), its Ada and Ampere GA102 whitepapers, and AMD's of the MI300X.
PEAKS: tuple[tuple[str, float], ...] = (
    ("B200", 2250e12),
    ("H200 NVL", 835e12),
    ("H200", 989e12),
    ("GH200", 989e12),
    ("H100 NVL", 835e12),
    ("H100 PCIe", 756e12),
    ("H100", 989e12),
    ("H800", 989e12),
    ("A100", 312e12),
    ("A800", 312e12),
    ("L40S", 362e12),
    ("L40", 181e12),
    ("L4", 121e12),
    ("RTX 4090", 165.2e12),
    ("RTX 3090", 71e12),
    ("MI300X", 1307.4e12),
)


def flops_per_token(model: ModelConfig, vocabulary: int, sequence_tokens: int) -> int:
    """Operations that one token of training costs; `vocabulary` is the padded one."""
    matrices = model.layer_weights + model.width * vocabulary
    return 6 * matrices + 12 * model.layers * model.heads * model.head_width * sequence_tokens


def peak(device_name: str) -> float | None:
    """Operations a second that a device of this name can do at best, None where it is not known."""
    return next((value for part, value in PEAKS if re.search(rf"\b{part}\b", device_name, re.IGNORECASE)), None)


def utilisation(tokens_per_s: float, cost: int, peak_flops: float) -> float:
    """The share of a device's peak that goes into the model, where a token costs `cost` operations."""
    return tokens_per_s * cost / peak_flops
