"""How torch runs in a process: its threads, whether the same input gives the same bits, and in what precision."""

from __future__ import annotations

import os
from pathlib import Path

import torch

PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def settle(threads: int | None, *, deterministic: bool, compiled: Path | None = None) -> None:
    """Set torch's threads, whether the same input must give the same bits, and the folder where compiled code is kept."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    if compiled is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it, and filling costs
