"""The processes that train together: none but this one, or those that `torchrun` started.

Each sequence of a step belongs to one rank; what they learn from it is summed. So which sequences a step reads depends on
no number of ranks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

TIMEOUT = timedelta(hours=1)  # a rank that says nothing for so long has died; the first one may export for long


@dataclass(frozen=True)
class Ranks:
    """This process among `world` of them."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes what all know alike."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def told(self, value: int) -> int:
        """What the first rank says."""
        if self.world == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.int64)
        dist.broadcast(tensor, 0)
        return int(tensor)

    def total(self, value: int) -> int:
        """The sum of what each rank says."""
        return int(self.sum(torch.tensor(value))) if self.world > 1 else value

    def any(self, value: bool) -> bool:
        """Whether it is so on any rank."""
        return self.total(int(value)) > 0

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first rank does what is within before the others do."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Until every rank is here."""
        if self.world > 1:
            dist.barrier()


ALONE = Ranks()


class Local(NamedTuple):
    """What this rank holds of a tensor: rows from `first_row` on; all of them unless `sharded`."""

    rows: Tensor
    first_row: int
    sharded: bool


def local(tensor: Tensor) -> Local:
    """The rows of a tensor, sharded by rows or not, that are on this rank."""
    if not isinstance(tensor, DTensor):
        return Local(tensor, 0, sharded=False)
    rows = tensor.to_local()
    chunk = -(-tensor.shape[0] // tensor.device_mesh.size())
    return Local(rows, min(chunk * tensor.device_mesh.get_local_rank(), tensor.shape[0]), sharded=True)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor on the host; every rank must ask for it where it is sharded."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous()


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """This process among those that `torchrun` started with it, or alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)  # what the host asks waits for no GPU
    try:
        yield Ranks(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
