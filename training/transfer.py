"""What goes between the host and a device, so that neither waits for the other.

A GPU works through a queue. A copy from or to memory that the system may move waits until the queue is empty; one of page-locked
memory takes its turn there. Without a GPU everything is where it is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import Tensor


def sent(array: npt.NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """An array of the host, on a device."""
    tensor = torch.as_tensor(array)
    return tensor if tensor.device == device else tensor.pin_memory().to(device, non_blocking=True)


class Fetched(NamedTuple):
    """Tensors on their way to the host."""

    copies: list[Tensor]
    there: torch.cuda.Event | None

    def wait(self) -> list[Tensor]:
        """The tensors, once they are there."""
        if self.there is not None:
            self.there.synchronize()
        return self.copies


def fetched(tensors: Sequence[Tensor]) -> Fetched:
    """Tensors as they are at this point of their device's queue."""
    if not tensors[0].is_cuda:
        return Fetched(list(tensors), None)
    copies, there = [tensor.to("cpu", non_blocking=True) for tensor in tensors], torch.cuda.Event()
    there.record()
    return Fetched(copies, there)
