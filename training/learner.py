"""One optimizer step over a batch of sequences."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from training.attention import Body, Seen, body_for, see
from training.data import Batch, by_document
from training.loss import Measure, cross_entropy, measure
from training.model import IGNORED, Decoder, initialise
from training.optimizer import optimizer_of, set_rate
from training.settings import ModelConfig, TrainConfig

PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Learner(NamedTuple):
    """A model and what moves it. `forward` is the model and `measured` the loss, both compiled or as they are."""

    model: Decoder
    forward: Callable[[Tensor, Seen, torch.dtype], Tensor]
    measured: Measure
    optimizer: Optimizer
    config: TrainConfig
    body: Body


class Taken(NamedTuple):
    """What a step tells of itself. `present` are the documents, as rows of the tokens, that had a target in it."""

    loss: float  # nats a target
    gradient_norm: float  # before clipping
    targets: int
    present: npt.NDArray[Any]
    losses: npt.NDArray[Any]  # mean nats a target of each document
    counts: npt.NDArray[Any]  # its targets


def settle(threads: int | None, *, deterministic: bool, compiled: Path | None = None) -> None:
    """Set torch's threads, whether the same input must give the same bits, and the folder where compiled code is kept."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    if compiled is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it, and filling costs


def start(shape: ModelConfig, vocabulary: int, config: TrainConfig, device: str) -> Learner:
    """A learner that has learnt nothing yet; `vocabulary` is the padded one."""
    model = Decoder(shape, vocabulary)
    initialise(model, config.seed)
    torch.manual_seed(config.seed)
    model.to(device)
    body = body_for(device, PRECISIONS[config.precision]) if config.attention == "auto" else config.attention
    compiling = config.compile and _has_compiler()
    forward = torch.compile(model, dynamic=False) if compiling else model
    measured = torch.compile(measure, dynamic=False) if compiling else measure
    return Learner(model, forward, measured, optimizer_of(model, config), config, body)


def _has_compiler() -> bool:
    """Whether there is the C++ compiler that torch.compile needs; says so where there is not."""
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) or ("CXX" not in os.environ and shutil.which("clang++")):
        return True
    print(f"no C++ compiler {wanted} on this machine: training goes on without torch.compile", file=sys.stderr, flush=True)
    return False


def take_step(learner: Learner, passes: list[Batch], rate: float) -> Taken:
    """Move the weights once.

    The loss is the nats of all targets over their number, however they are spread over passes. `FloatingPointError`
    where it or its gradient is no number: the weights are then as they were.
    """
    model, optimizer, config = learner.model, learner.optimizer, learner.config
    precision = PRECISIONS[config.precision]
    device = model.head.device
    targets = sum(int((batch.targets != IGNORED).sum()) for batch in passes)
    parts = []
    for batch in passes:
        tokens, wanted, documents = (torch.from_numpy(array).to(device) for array in batch[:3])
        seen = see(documents if config.masks else None, learner.body, precision)
        hidden = learner.forward(tokens, seen, precision)
        total, nats = cross_entropy(hidden, model.head, wanted, config.loss_chunk_tokens, config.z_loss, learner.measured)
        (total / targets).backward()
        parts.append((batch.present, *by_document(nats.cpu().numpy(), batch)))
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm))
    present, nats_of, counts = _joined(parts)
    loss = float(nats_of.sum()) / targets
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(f"a finite loss and gradient were expected, not a loss of {loss} and a gradient norm of {norm}")
    set_rate(optimizer, rate)
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
