"""Memory: what training will need, before it starts, and what it has needed at most."""

from __future__ import annotations

import resource
import sys

import torch


def peak_bytes(device: str) -> int:
    """The most that was in use so far: of the GPU's memory, or of this process's."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
