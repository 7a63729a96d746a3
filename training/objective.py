"""The decoder together with its loss, and how several processes hold it.

One module, so that whatever shares weights out gathers them for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from training.model import Decoder, cross_entropy
from training.ranks import Ranks
from training.settings import TrainConfig

PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Objective(nn.Module):
    """What training makes smaller."""

    def __init__(self, decoder: Decoder, config: TrainConfig) -> None:
        super().__init__()
        self.decoder = decoder
        self._precision, self._chunk_tokens = PRECISIONS[config.precision], config.loss_chunk_tokens

    def forward(self, tokens: Tensor, documents: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The summed nats of all counted targets, and those of each target (B, T)."""
        hidden = self.decoder(tokens, documents, self._precision)
        return cross_entropy(hidden, self.decoder.head, targets, self._chunk_tokens)


def spread(objective: Objective, config: TrainConfig, ranks: Ranks, device: str) -> nn.Module:
    """The objective, on every rank: with all weights, or by `fsdp` with a share of the rows of each.

    Gradients are averages over ranks (DistributedDataParallel, Li et al. 2020; FSDP2, Zhao et al. 2023).
    """
    if ranks.world == 1:
        return objective
    if config.strategy == "ddp":
        return DistributedDataParallel(objective)
    mesh = init_device_mesh(device, (ranks.world,))
    for layer in objective.decoder.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


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
