"""Muon: steps of orthogonal matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

The momentum of a matrix is brought near the closest one whose singular values are 1, by Newton and Schulz's iteration in 16 bits. Matrices
of one shape, or of it turned, are stacked and iterated together; over several ranks each takes whole matrices of a stack, and one
gather for every stack brings them together. Gradients must be the same on all ranks, and then so is all state. Where ranks share
weights out by rows, one exchange for every stack brings a rank its whole matrices, and another one their rows back.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from training.ranks import local

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # Jordan's: steepest at zero, so that few iterations do
Scale = Literal["original", "match_rms_adamw"]


def orthogonal(stack: Tensor, iterations: int = 5) -> Tensor:
    """Each matrix of `stack` (N, rows, columns) with singular values brought to about 1, in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = _tall(stack)
    near = (stack / stack.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)).bfloat16()
    near = near.mT if tall else near
    for _ in range(iterations):
        gram = near @ near.mT
        near = torch.baddbmm(near, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), near, beta=a)
    return near.mT if tall else near


def owners(count: int, rank: int, world: int) -> range:
    """The matrices of a stack that a rank works on: as many for each but the last, which may have fewer or none."""
    each = math.ceil(count / world)
    return range(min(count, rank * each), min(count, (rank + 1) * each))


def step_scale(rows: int, columns: int, scale: Scale) -> float:
    """By what the learning rate is multiplied for a matrix.

    `original` is Jordan's; `match_rms_adamw` makes a step as large as one of AdamW, whose rates then fit (Liu et al. 2025).
    """
    return math.sqrt(max(1.0, rows / columns)) if scale == "original" else 0.2 * math.sqrt(max(rows, columns))


class Muon(Optimizer):
    """Muon for `matrices`, and fused AdamW for what is in `others`, parameter groups of `torch.optim.AdamW`.

    `state` holds plain tensors for every weight: `momentum`, or AdamW's three. `decay` is decoupled: a share of `lr`.
    """

    def __init__(
        self,
        matrices: Sequence[Tensor],
        others: list[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        scale: Scale = "original",
        iterations: int = 5,
    ) -> None:
        if any(matrix.dim() != 2 for matrix in matrices):
            raise ValueError("Muon: matrices were expected, and all else in `others`")
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "scale": scale, "iterations": iterations}
        self.others = torch.optim.AdamW(others, fused=True)
        super().__init__([{"params": matrices, **settings}], {})
        self.param_groups += self.others.param_groups  # the same objects: a rate that is set here holds there
        self.others.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient once, unless `found_inf`, as fused optimizers have it, is 1. No closure is taken."""
        if closure is not None:
            raise ValueError("Muon: a step without a closure was expected")
        held: Tensor | None = getattr(self, "found_inf", None)
        self.others.found_inf = held  # type: ignore[attr-defined]
        self.others.step()
        group = self.param_groups[0]
        stacks = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                rows, columns = weight.shape
                stacks[(rows, columns) if isinstance(weight, DTensor) else (min(rows, columns), max(rows, columns))].append(weight)
        for weights in stacks.values():
            self._move(weights, group, held)

    def _move(self, weights: list[Tensor], group: dict[str, Any], held: Tensor | None) -> None:
        wanted = self._wanted(weights, group["momentum"], held)
        like, iterations = weights[0], group["iterations"]
        updates = _of_rows(wanted, like, iterations) if isinstance(like, DTensor) else _of_whole(wanted, iterations)
        moved: Tensor | float = 1.0 if held is None else 1 - held
        for weight, update in zip(weights, updates, strict=True):
            own, (rows, columns) = local(weight).rows, weight.shape
            own.mul_(1 - moved * group["lr"] * group["weight_decay"])
            own.sub_(update * (moved * group["lr"] * step_scale(rows, columns, group["scale"])))

    def _wanted(self, weights: list[Tensor], momentum: float, held: Tensor | None) -> list[Tensor]:
        """Nesterov's look ahead of each weight's momentum, of the rows that are on this rank."""
        for weight in weights:
            if "momentum" not in self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        moving = [local(self.state[weight]["momentum"]).rows for weight in weights]
        gradients = [local(weight.grad).rows for weight in weights if weight.grad is not None]
        if held is not None:
            gradients = [torch.where(held > 0, old, new) for old, new in zip(moving, gradients, strict=True)]
        torch._foreach_lerp_(moving, gradients, 1 - momentum)
        return list(torch._foreach_lerp(gradients, moving, momentum))


def _of_whole(wanted: list[Tensor], iterations: int) -> list[Tensor]:
    """The orthogonal form of every matrix, all of which are whole on every rank."""
    flat = [matrix.mT if _tall(matrix) else matrix for matrix in wanted]
    near = _gathered(flat, iterations) if distributed.is_initialized() else orthogonal(torch.stack(flat), iterations)
    return [update.mT if _tall(matrix) else update for update, matrix in zip(near, wanted, strict=True)]


def _gathered(wanted: list[Tensor], iterations: int) -> Tensor:
    """The orthogonal form of every matrix, each computed by one rank and gathered by all."""
    world, rank = distributed.get_world_size(), distributed.get_rank()
    own, each = owners(len(wanted), rank, world), math.ceil(len(wanted) / world)
    mine = wanted[0].new_zeros((each, *wanted[0].shape), dtype=torch.bfloat16)
    if own:
        mine[: len(own)] = orthogonal(torch.stack([wanted[index] for index in own]), iterations)
    whole = mine.new_empty((each * world, *wanted[0].shape))
    distributed.all_gather(list(whole.chunk(world)), mine)
    return whole[: len(wanted)]


def _of_rows(wanted: list[Tensor], like: DTensor, iterations: int) -> list[Tensor]:
    """This rank's rows of the orthogonal form of every matrix, all of the shape of `like`, from its rows of the matrices."""
    height, width = like.shape
    world, rank = like.device_mesh.size(), like.device_mesh.get_local_rank()
    each, band = math.ceil(len(wanted) / world), math.ceil(height / world)
    bands = wanted[0].new_zeros((world, each, band, width), dtype=torch.bfloat16)
    for own, rows in zip(wanted, bands.flatten(0, 1), strict=False):
        rows[: len(own)] = own
    whole = _exchanged(bands).transpose(0, 1).reshape(each, world * band, width)
    if mine := len(owners(len(wanted), rank, world)):
        whole[:mine, :height] = orthogonal(whole[:mine, :height], iterations)
    bands = _exchanged(whole.view(each, world, band, width).transpose(0, 1).contiguous())
    return [rows[: len(own)] for own, rows in zip(wanted, bands.flatten(0, 1), strict=False)]


def _exchanged(parts: Tensor) -> Tensor:
    """What each rank has for this one (ranks, …), from what this one has for each."""
    received = torch.empty_like(parts)
    distributed.all_to_all_single(received, parts)
    return received


def _tall(matrices: Tensor) -> bool:
    return matrices.shape[-2] > matrices.shape[-1]
