"""One optimizer step over a batch of sequences."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from training.data import Batch, by_document
from training.model import IGNORED, Decoder, cross_entropy, initialise
from training.settings import ModelConfig, TrainConfig

PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Learner(NamedTuple):
    """A model and what moves it. `forward` is the model, compiled or as it is."""

    model: Decoder
    forward: Callable[[Tensor, Tensor, torch.dtype], Tensor]
    optimizer: Optimizer
    config: TrainConfig


class Taken(NamedTuple):
    """What a step tells of itself. `present` are the documents, as rows of the tokens, that had a target in it."""

    loss: float  # nats a target
    gradient_norm: float  # before clipping
    targets: int
    present: npt.NDArray[Any]
    losses: npt.NDArray[Any]  # mean nats a target of each document
    counts: npt.NDArray[Any]  # its targets


def settle(threads: int | None, *, deterministic: bool) -> None:
    """Set torch's threads, and whether the same input must give the same bits."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it, and filling costs


def start(shape: ModelConfig, vocabulary: int, config: TrainConfig, device: str) -> Learner:
    """A learner that has learnt nothing yet; `vocabulary` is the padded one."""
    model = Decoder(shape, vocabulary)
    initialise(model, config.seed)
    torch.manual_seed(config.seed)
    model.to(device)
    forward = torch.compile(model) if config.compile else model
    return Learner(model, forward, adamw(model, config), config)


def adamw(model: Decoder, config: TrainConfig) -> Optimizer:
    """Fused AdamW (Loshchilov and Hutter 2019). Only matrices decay: no norm, and no embedding, whose rows are seldom used."""
    named = list(model.named_parameters())
    decayed = {name for name, weight in named if weight.dim() == 2 and "embed_tokens" not in name}
    groups = [
        {"params": [weight for name, weight in named if name in decayed], "weight_decay": config.weight_decay},
        {"params": [weight for name, weight in named if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True)


def take_step(learner: Learner, passes: list[Batch], rate: float) -> Taken:
    """Move the weights once.

    The loss is the nats of all targets over their number, however they are spread over passes. `FloatingPointError`
    where it or its gradient is no number: the weights are then as they were.
    """
    model, forward, optimizer, config = learner
    device = model.head.device
    targets = sum(int((batch.targets != IGNORED).sum()) for batch in passes)
    parts = []
    for batch in passes:
        tokens, wanted, documents = (torch.from_numpy(array).to(device) for array in batch[:3])
        hidden = forward(tokens, documents, PRECISIONS[config.precision])
        total, nats = cross_entropy(hidden, model.head, wanted, config.loss_chunk_tokens)
        (total / targets).backward()
        parts.append((batch.present, *by_document(nats.cpu().numpy(), batch)))
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm))
    present, nats_of, counts = _joined(parts)
    loss = float(nats_of.sum()) / targets
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(f"a finite loss and gradient were expected, not a loss of {loss} and a gradient norm of {norm}")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Taken(loss, norm, targets, present, nats_of / counts, counts)


def _joined(parts: Sequence[tuple[npt.NDArray[Any], ...]]) -> tuple[npt.NDArray[Any], ...]:
    """Documents with their nats and targets over several passes, without those that had no target."""
    documents, nats, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    present, index = np.unique(documents, return_inverse=True)
    counts_of = np.bincount(index, counts).astype(np.int64)
    some = counts_of > 0
    return present[some], np.bincount(index, nats)[some], counts_of[some]
