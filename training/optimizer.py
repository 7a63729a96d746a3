"""What moves the weights: AdamW for all, or Muon for the matrices of the layers and AdamW for the rest.

Every parameter group has `times`, by which the rate of a step is multiplied for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from training.model import Decoder
from training.muon import Muon
from training.settings import TrainConfig


def optimizer_of(model: Decoder, config: TrainConfig) -> Optimizer:
    """The optimizer that `config` names, over all weights of `model`."""
    named = list(model.named_parameters())
    hidden = [weight for name, weight in named if weight.dim() == 2 and ".layers." in name]
    heads = [weight for name, weight in named if name == "lm_head.weight"]
    others = [weight for name, weight in named if weight.dim() == 1 or name.endswith("embed_tokens.weight")]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(_groups([*hidden, *heads], others, config), fused=True)
    muon = Muon(
        hidden,
        _groups(heads, others, config),
        lr=config.muon_learning_rate,
        momentum=config.muon_momentum,
        weight_decay=config.weight_decay,
        scale=config.muon_scale,
    )
    muon.param_groups[0]["times"] = config.muon_learning_rate / config.learning_rate
    return muon


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of a step: AdamW's, and Muon's in proportion."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["times"]


def _groups(decayed: Sequence[Tensor], others: Sequence[Tensor], config: TrainConfig) -> list[dict[str, Any]]:
    """AdamW's groups (Loshchilov and Hutter 2019). Only matrices decay: no norm, and no embedding, whose rows are seldom used."""
    shared = {"lr": config.learning_rate, "betas": (config.beta1, config.beta2), "times": 1.0}
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group | shared for group in groups if group["params"]]
