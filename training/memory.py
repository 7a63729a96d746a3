"""Memory: what training will need, before it starts, and what it has needed at most."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from training.model import Decoder
from training.objective import Objective
from training.settings import ModelConfig, TrainConfig

LAYERS_IN_PASSING = 3  # as much as this many hold is there for a moment while one layer is passed backward
SPARE = 1.2  # what is in use for a moment within an operation, and between operations in the allocator
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container (cgroup v2): a number of bytes, or `max`


class Need(NamedTuple):
    """Bytes on the device of one process."""

    fixed: int  # weights with their gradients and moments, and what every pass holds
    sequence: int  # held from the forward to the backward pass, for each sequence of a pass

    def total(self, sequences: int) -> int:
        """With so many sequences in a pass."""
        return int(SPARE * (self.fixed + sequences * self.sequence))


def need(shape: ModelConfig, vocabulary: int, config: TrainConfig, world: int = 1) -> Need:
    """What a model needs on each of `world` processes, by running it on tensors that have a shape and no content."""
    with FakeTensorMode():
        objective = Objective(Decoder(shape, vocabulary), config.model_copy(update={"compile": False, "attention": "dense"}), "cpu")
        one, two = (_held_bytes(objective, sequences, config.sequence_tokens) for sequences in (1, 2))
    weights = sum(weight.nbytes for weight in objective.parameters())
    held = two - one
    # The weights, their gradients, and AdamW's two moments.
    shares = world if config.strategy == "fsdp" else 1
    return Need(4 * weights // shares + one - held, held + LAYERS_IN_PASSING * held // shape.layers)


def _held_bytes(objective: Objective, sequences: int, sequence_tokens: int) -> int:
    """What is held for the backward pass, but the weights."""
    held: dict[int, torch.UntypedStorage] = {}  # alive, so that each has one id

    def hold(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[id(storage)] = storage
        return tensor

    weights = [weight.untyped_storage() for weight in objective.parameters()]  # alive too
    own = set(map(id, weights))
    tokens = torch.zeros(sequences, sequence_tokens, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        objective(tokens, tokens, tokens)
    return sum(storage.nbytes() for key, storage in held.items() if key not in own)


def available_bytes(device: str) -> int:
    """What a process may still take: of the GPU's memory, or of this machine's or container's."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = _told("/proc/meminfo", "MemAvailable") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = LIMIT.read_text().strip() if LIMIT.exists() else "max"
    return free if limit == "max" else min(free, int(limit) - _taken_bytes(LIMIT.parent))


def _taken_bytes(group: Path) -> int:
    """What a container holds, but for the files in its cache: the kernel drops those before it refuses memory."""
    held = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return int((group / "memory.current").read_text()) - int(held["active_file"]) - int(held["inactive_file"])


def expect_room(needed: Need, sequences: int, available: int) -> None:
    """`ValueError` of one line, with what would fit, where a pass of so many sequences does not fit into the available bytes."""
    if needed.total(sequences) <= available:
        return
    told = f"about {needed.total(sequences) / 1e9:.1f} GB are needed and {available / 1e9:.1f} GB are there"
    fits = int((available / SPARE - needed.fixed) // needed.sequence)
    if fits < 1:
        raise ValueError(f"model: {told}: a smaller one was expected, since not even one sequence fits beside its weights")
    raise ValueError(f"train.sequences_per_pass: {told}: at most {fits} were expected, not {sequences}")


def peak_bytes(device: str) -> int:
    """The most that was in use so far: of the GPU's memory, or of this process's."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return _told("/proc/self/status", "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _told(file: str, name: str) -> int | None:
    """Bytes that Linux tells in a file of lines such as `name: 12 kB`; None where there is no such file."""
    path = Path(file)
    if not path.exists():
        return None
    return next(int(line.split()[1]) * 1024 for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
