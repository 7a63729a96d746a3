"""The decoder together with its loss, and how several processes hold it.

One module, so that whatever shares weights out gathers them for both.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from training.attention import body_for, see
from training.data import Array
from training.loss import Measure, cross_entropy, measure
from training.model import Decoder
from training.ranks import Ranks
from training.runtime import PRECISIONS
from training.settings import TrainConfig

SHAPES = 256  # of batches that are compiled, each by itself


class Objective(nn.Module):
    """What training makes smaller. Compiled where the configuration says so and the machine can."""

    def __init__(self, decoder: Decoder, config: TrainConfig, device: str) -> None:
        super().__init__()
        self.decoder, self._config = decoder, config
        self._precision = PRECISIONS[config.precision]
        self._body = body_for(device, self._precision) if config.attention == "auto" else config.attention
        self._measure: Measure = measure
        if config.compile and _has_compiler():
            torch._dynamo.config.recompile_limit = SHAPES  # beyond it shapes would run otherwise than before a resume
            decoder.compile(dynamic=False)
            self._measure = torch.compile(measure, dynamic=False)

    def forward(self, tokens: Tensor, documents: Array | Tensor | None, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The summed nats of all counted targets, and those of each target (B, T).

        `documents` may be an array of the host, where they are packed; FSDP would move a tensor to the device before. None: one a row.
        """
        config = self._config
        masked = config.masks and documents is not None
        seen = see(torch.as_tensor(documents) if masked else None, self._body, self._precision, tokens.device)
        hidden = self.decoder(tokens, seen, self._precision)
        return cross_entropy(hidden, self.decoder.head, targets, config.loss_chunk_tokens, config.z_loss, self._measure)


def _has_compiler() -> bool:
    """Whether there is the C++ compiler that torch.compile needs; says so where there is not."""
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) or ("CXX" not in os.environ and shutil.which("clang++")):
        return True
    print(f"no C++ compiler {wanted} on this machine: training goes on without torch.compile", file=sys.stderr, flush=True)
    return False


def spread(objective: Objective, config: TrainConfig, ranks: Ranks) -> nn.Module:
    """The objective, on every rank: with all weights, or by `fsdp` with a share of the rows of each.

    Gradients are averages over ranks (DistributedDataParallel, Li et al. 2020; FSDP2, Zhao et al. 2023).
    """
    if ranks.world == 1:
        return objective
    if config.strategy == "ddp":
        return _settled(DistributedDataParallel(objective), ranks.device)
    mesh = init_device_mesh(ranks.device, (ranks.world,))
    for layer in objective.decoder.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


def _settled(replicated: DistributedDataParallel, device: str) -> DistributedDataParallel:
    """With its buffers as they will stay.

    After its first backward pass it lays gradients out by when each was ready, and sums of another layout have other bits: so the
    first step after a resume must not be that pass.
    """
    nothing = torch.zeros((1, 2), dtype=torch.int64, device=device)
    with torch.compiler.set_stance("force_eager"):
        replicated(nothing, None, nothing)[0].backward()
    replicated.zero_grad()
    return replicated


@contextmanager
def synchronised(module: nn.Module, *, last: bool) -> Iterator[None]:
    """Within it, a backward pass adds gradients up over ranks only if it is the last of its step."""
    if isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
        return
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    yield
