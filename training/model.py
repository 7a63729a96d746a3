"""A decoder whose weights are Qwen3's by name and shape, so that `transformers` opens them with no code of ours.

RMSNorm, rotary positions, queries and keys normalised by head, SwiGLU, grouped-query attention (Qwen3, Yang et al.
2025). Letters of shapes: B sequences, T tokens, D width, H heads, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from training.settings import ModelConfig

IGNORED = -1  # a target that is not counted


def visible(documents: Tensor) -> Tensor:
    """Which token sees which, (B, 1, T, T): itself and what precedes it in its own document.

    `documents` (B, T) numbers the document of each token.
    """
    tokens = documents.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool, device=documents.device).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & earlier)[:, None]


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """Attention of (B, H, T, head) queries over keys and values of as many heads or a divisor of it."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)


def rotations(tokens: int, head_width: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, head) of rotary positions (Su et al. 2021), halves paired as Qwen3 pairs them."""
    frequencies = base ** -(torch.arange(0, head_width, 2, dtype=torch.float32, device=device) / head_width)
    angles = torch.outer(torch.arange(tokens, dtype=torch.float32, device=device), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn every head's channels by its token's position."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat((-second, first), dim=-1) * sines


class Norm(nn.Module):
    """Root-mean-square normalisation, measured in 32 bits."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """The vectors of `hidden` scaled to length one by channel, and weighted."""
        exact = hidden.float()
        scaled = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.epsilon)
        return (scaled * self.weight).to(hidden.dtype)


class Attention(nn.Module):
    """Grouped-query attention with normalised queries and keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.q_proj = nn.Linear(config.width, config.heads * self.head_width, bias=False)
        self.k_proj = nn.Linear(config.width, config.kv_heads * self.head_width, bias=False)
        self.v_proj = nn.Linear(config.width, config.kv_heads * self.head_width, bias=False)
        self.o_proj = nn.Linear(config.heads * self.head_width, config.width, bias=False)
        self.q_norm = Norm(self.head_width, config.norm_epsilon)
        self.k_norm = Norm(self.head_width, config.norm_epsilon)

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """What each token of `hidden` (B, T, D) gathers from those that it sees; `turn` is what `rotations` gives."""
        batch, tokens, _ = hidden.shape
        shape = (batch, tokens, -1, self.head_width)
        query = rotate(self.q_norm(self.q_proj(hidden).view(shape)).transpose(1, 2), *turn)
        key = rotate(self.k_norm(self.k_proj(hidden).view(shape)).transpose(1, 2), *turn)
        value = self.v_proj(hidden).view(shape).transpose(1, 2)
        return self.o_proj(attend(query, key, value, seen).transpose(1, 2).reshape(batch, tokens, -1))


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.feed_forward, bias=False)
        self.up_proj = nn.Linear(config.width, config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Each token of `hidden` (B, T, D) on its own."""
        return self.down_proj(functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class Layer(nn.Module):
    """Attention, then feed-forward, each on what its norm lets through, added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = Norm(config.width, config.norm_epsilon)
        self.post_attention_layernorm = Norm(config.width, config.norm_epsilon)

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """The stream `hidden` (B, T, D) after this layer."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), turn, seen)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Trunk(nn.Module):
    """The decoder without its output projection."""

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = Norm(config.width, config.norm_epsilon)

    def forward(self, tokens: Tensor, documents: Tensor, precision: torch.dtype) -> Tensor:
        """The last hidden states (B, T, D)."""
        hidden = self.embed_tokens(tokens).to(precision)
        cosines, sines = rotations(tokens.shape[1], self.config.head_width, self.config.rotary_base, tokens.device)
        turn = cosines.to(precision), sines.to(precision)
        seen = visible(documents)
        for layer in self.layers:
            hidden = layer(hidden, turn, seen)
        return self.norm(hidden)


class Decoder(nn.Module):
    """The language model. Its parameters are named as in a Qwen3 checkpoint; `vocabulary` is the padded one."""

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        self.model = Trunk(config, vocabulary)
        self.lm_head = None if config.tied else nn.Linear(config.width, vocabulary, bias=False)

    @property
    def head(self) -> Tensor:
        """The output projection (V, D)."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def forward(self, tokens: Tensor, documents: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
        """The last hidden states (B, T, D) of `tokens` (B, T), each of which sees only its own document."""
        with torch.autocast(tokens.device.type, dtype=precision, enabled=precision != torch.float32):
            return self.model(tokens, documents, precision)

    def logits(self, tokens: Tensor, documents: Tensor) -> Tensor:
        """Logits (B, T, V) in 32 bits: for small inputs, since training never holds them whole."""
        return functional.linear(self(tokens, documents), self.head)


def initialise(model: Decoder, seed: int) -> None:
    """Random weights such that the first loss is near ln V.

    Every branch ends in zeros, so that a layer begins as nothing; a tied embedding is small, so that a token does not begin
    by predicting itself.
    """
    generator = torch.Generator().manual_seed(seed)
    width = model.config.width
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(weight)
        elif name.endswith("embed_tokens.weight"):
            nn.init.normal_(weight, std=1 / width if model.config.tied else 0.02, generator=generator)
        elif name.endswith("lm_head.weight"):
            nn.init.normal_(weight, std=0.5 / width, generator=generator)
        elif weight.dim() == 2:
            nn.init.normal_(weight, std=1 / math.sqrt(width), generator=generator)


class _Nats(Function):
    """Cross-entropy whose gradients are made in the forward pass, a chunk of tokens at a time.

    So the logits of all tokens never exist together, and none are made twice.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, chunk_tokens: int) -> tuple[Tensor, Tensor]:
        weight = head.to(hidden.dtype)
        nats = torch.zeros(len(targets), dtype=torch.float32, device=hidden.device)
        learning = ctx.needs_input_grad[0]
        hidden_gradient = torch.empty_like(hidden) if learning else None
        head_gradient = torch.zeros_like(head) if learning else None
        for start in range(0, len(targets), chunk_tokens):
            rows = slice(start, start + chunk_tokens)
            counted = targets[rows] != IGNORED
            chosen = targets[rows].clamp(min=0)[:, None]
            logits = functional.linear(hidden[rows], weight).float()
            log_sum = logits.logsumexp(-1, keepdim=True)
            nats[rows] = (log_sum - logits.gather(1, chosen))[:, 0] * counted
            if hidden_gradient is None or head_gradient is None:
                continue
            slope = logits.sub_(log_sum).exp_().scatter_add_(1, chosen, torch.full_like(log_sum, -1.0)).mul_(counted[:, None])
            slope = slope.to(hidden.dtype)
            torch.mm(slope, weight, out=hidden_gradient[rows])
            head_gradient += slope.T @ hidden[rows]
        if learning:
            ctx.save_for_backward(hidden_gradient, head_gradient)
        ctx.mark_non_differentiable(nats)
        return nats.sum(), nats

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None, None]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * gradients[0], head_gradient * gradients[0], None, None


def cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor, chunk_tokens: int) -> tuple[Tensor, Tensor]:
    """The summed nats of all counted targets, and those of each target (B, T), zero where `targets` is `IGNORED`.

    The gradient flows through the sum alone.
    """
    total, nats = _Nats.apply(hidden.flatten(0, 1), head, targets.flatten(), chunk_tokens)
    return total, nats.view(targets.shape)
