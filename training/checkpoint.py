"""Checkpoints that a run goes on from exactly: weights, optimizer state, random state, and where it was.

Each is a version of its own, `checkpoints/<step>`: safetensors and JSON, written aside, its manifest with checksums
last. The step is the number of steps done.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.store import MANIFEST, Store, Version
from training.learner import Learner

RANDOM = "random_state"


def write(store: Store, run: str, step: int, learner: Learner, state: dict[str, Any]) -> None:
    """Save everything; `state` is what else the trainer wants back."""
    version = Version(store, _place(run, step))
    version.write("weights.safetensors", save({name: weight.detach().contiguous() for name, weight in learner.model.named_parameters()}))
    version.write("optimizer.safetensors", save(_moments(learner) | {RANDOM: torch.get_rng_state()}))
    version.write("state.json", json.dumps(state).encode())
    version.commit({"kind": "checkpoint", "run": run, "step": step}, {"step": step})


def newest(store: Store, run: str) -> int:
    """The step of the newest checkpoint that is whole, byte for byte, 0 where there is none; says which ones are not."""
    for step in _steps(store, run):
        if whole(store, run, step):
            return step
        print(f"checkpoint {step} of {run} is not whole: falling back to the one before", file=sys.stderr, flush=True)
    return 0


def whole(store: Store, run: str, step: int) -> bool:
    """Whether a checkpoint's files are what its manifest says."""
    place = _place(run, step)
    manifest = store.manifest(place)
    return manifest is not None and all(
        hashlib.sha256(store.read(f"{place}/{part.path}")).hexdigest() == part.sha256 for part in manifest.files
    )


def read(store: Store, run: str, step: int, learner: Learner) -> dict[str, Any]:
    """Put a checkpoint's weights and states back in place; what `write` was given as `state` comes back."""
    place = _place(run, step)
    weights = load(store.read(f"{place}/weights.safetensors"))
    with torch.no_grad():
        for name, weight in learner.model.named_parameters():
            weight.copy_(weights[name])
    saved = load(store.read(f"{place}/optimizer.safetensors"))
    torch.set_rng_state(saved.pop(RANDOM))
    for name, weight in learner.model.named_parameters():
        own = {key.removeprefix(f"{name}."): value for key, value in saved.items() if key.startswith(f"{name}.")}
        learner.optimizer.state[weight] = {key: value if key == "step" else value.to(weight.device) for key, value in own.items()}
    return json.loads(store.read(f"{place}/state.json"))


def prune(store: Store, run: str, keep: int) -> None:
    """Remove all but the newest `keep`, once the newest is known to be whole; its manifest goes first."""
    steps = _steps(store, run)
    if steps and whole(store, run, steps[0]):
        for step in steps[keep:]:
            store.fs.delete_file(store.path(f"{_place(run, step)}/{MANIFEST}"))
            store.fs.delete_dir(store.path(_place(run, step)))


def _place(run: str, step: int) -> str:
    return f"{run}/checkpoints/{step:08}"


def _steps(store: Store, run: str) -> list[int]:
    """The steps of finished checkpoints, newest first."""
    names = (name for name in store.list(f"{run}/checkpoints") if store.exists(f"{run}/checkpoints/{name}/{MANIFEST}"))
    return sorted(map(int, names), reverse=True)


def _moments(learner: Learner) -> dict[str, Tensor]:
    named = learner.model.named_parameters()
    return {f"{name}.{key}": value.contiguous() for name, weight in named for key, value in learner.optimizer.state[weight].items()}
