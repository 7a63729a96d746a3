"""Cross-entropy over a large vocabulary, a chunk of tokens at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from training.model import IGNORED

Measure = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]


def measure(logits: Tensor, targets: Tensor, z_share: float) -> tuple[Tensor, Tensor]:
    """The nats (T,) of `targets` (T,), zero where they are `IGNORED`, and the gradient (T, V) of their sum for `logits` (T, V).

    The gradient, and it alone, also has that of `z_share` times the squared logarithm of the sum of exponentials, which keeps
    logits near zero (Chowdhery et al. 2022). `logits` may be overwritten.
    """
    counted = (targets != IGNORED)[:, None]
    chosen = targets.clamp(min=0)[:, None]
    largest, own = logits.amax(-1, keepdim=True).float(), logits.gather(1, chosen)
    powers = logits.float().sub_(largest).exp_()
    total = powers.sum(-1, keepdim=True)
    log_sum = total.log() + largest
    nats = (log_sum - own) * counted
    scale = (1 + 2 * z_share * log_sum) / total * counted
    slope = powers.mul_(scale).scatter_add_(1, chosen, -counted.float())
    return nats[:, 0], slope.to(logits.dtype)


class _Nats(Function):
    """The gradients are made in the forward pass: so the logits of all tokens never exist together, and none are made twice."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, chunk_tokens: int, z_share: float, measured: Measure
    ) -> tuple[Tensor, Tensor]:
        weight = head.to(hidden.dtype)
        nats = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        learning = ctx.needs_input_grad[0]
        hidden_gradient = torch.empty_like(hidden) if learning else None
        head_gradient = torch.zeros_like(head) if learning else None
        for start in range(0, len(targets), chunk_tokens):
            rows = slice(start, start + chunk_tokens)
            nats[rows], slope = measured(functional.linear(hidden[rows], weight), targets[rows], z_share)
            if hidden_gradient is not None and head_gradient is not None:
                torch.mm(slope, weight, out=hidden_gradient[rows])
                head_gradient += slope.T @ hidden[rows]
        if learning:
            ctx.save_for_backward(hidden_gradient, head_gradient)
        ctx.mark_non_differentiable(nats)
        return nats.sum(), nats

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * gradients[0], head_gradient * gradients[0], None, None, None, None


def cross_entropy(
    hidden: Tensor, head: Tensor, targets: Tensor, chunk_tokens: int, z_share: float = 0.0, measured: Measure = measure
) -> tuple[Tensor, Tensor]:
    """The summed nats of all counted targets, and those of each target (B, T), zero where `targets` is `IGNORED`.

    The gradient flows through the sum alone, once. `measured` is `measure`, compiled or as it is.
    """
    total, nats = _Nats.apply(hidden.flatten(0, 1), head, targets.flatten(), chunk_tokens, z_share, measured)
    return total, nats.view(targets.shape)
