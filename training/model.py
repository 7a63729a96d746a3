"""A decoder whose weights are Qwen3's by name and shape, so that `transformers` opens them with no code of ours.

RMSNorm, rotary positions, queries and keys normalised by head, SwiGLU, grouped-query attention (Qwen3, Yang et al.
2025). Without those norms of queries and keys it is Llama's (Touvron et al. 2023).
Letters of shapes: B sequences, T tokens, D width, H heads, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from training.attention import Seen, attend
from training.settings import ModelConfig

IGNORED = -1  # a target that is not counted


def rotations(tokens: int, head_width: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, head) of rotary positions (Su et al. 2021), halves paired as Qwen3 pairs them."""
    frequencies = base ** -(torch.arange(0, head_width, 2, dtype=torch.float32, device=device) / head_width)
    angles = torch.outer(torch.arange(tokens, dtype=torch.float32, device=device), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn every head's channels by its token's position."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat((-second, first), dim=-1) * sines


class _Normalise(Function):
    """Written out, because autograd's way takes twice as long where nothing is compiled."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        exact = hidden.float()
        scale = torch.rsqrt(exact.square().mean(-1, keepdim=True) + epsilon)
        normal = exact * scale
        ctx.save_for_backward(normal, scale, weight)
        return (normal * weight).to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None]:
        normal, scale, weight = ctx.saved_tensors
        gradient = gradients[0].float()
        along = gradient * normal
        shared = (along @ weight)[..., None] / normal.shape[-1]
        own = torch.addcmul(gradient * weight, normal, shared, value=-1) * scale
        return own.to(gradients[0].dtype), along.flatten(0, -2).sum(0), None


class Norm(nn.Module):
    """Root-mean-square normalisation, measured in 32 bits."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """The vectors of `hidden` scaled to length one by channel, and weighted."""
        return _Normalise.apply(hidden, self.weight, self.epsilon)


class Attention(nn.Module):
    """Grouped-query attention, with queries and keys normalised by head where `qk_norm` is on."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.q_proj = nn.Linear(config.width, config.heads * self.head_width, bias=False)
        self.k_proj = nn.Linear(config.width, config.kv_heads * self.head_width, bias=False)
        self.v_proj = nn.Linear(config.width, config.kv_heads * self.head_width, bias=False)
        self.o_proj = nn.Linear(config.heads * self.head_width, config.width, bias=False)
        if config.qk_norm:
            self.q_norm = Norm(self.head_width, config.norm_epsilon)
            self.k_norm = Norm(self.head_width, config.norm_epsilon)
        self.qk_norm = config.qk_norm

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], seen: Seen) -> Tensor:
        """What each token of `hidden` (B, T, D) gathers from those that it sees; `turn` is what `rotations` gives."""
        batch, tokens, _ = hidden.shape
        shape = (batch, tokens, -1, self.head_width)
        query, key, value = (project(hidden).view(shape) for project in (self.q_proj, self.k_proj, self.v_proj))
        if self.qk_norm:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = (rotate(heads.transpose(1, 2), *turn) for heads in (query, key))
        return self.o_proj(attend(query, key, value.transpose(1, 2), seen).transpose(1, 2).reshape(batch, tokens, -1))


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

    def forward(self, hidden: Tensor, turn: tuple[Tensor, Tensor], seen: Seen) -> Tensor:
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

    def forward(self, tokens: Tensor, seen: Seen, precision: torch.dtype) -> Tensor:
        """The last hidden states (B, T, D)."""
        hidden = self.embed_tokens(tokens).to(precision)
        cosines, sines = rotations(tokens.shape[1], self.config.head_width, self.config.rotary_base, tokens.device)
        turn = cosines.to(precision), sines.to(precision)
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

    def forward(self, tokens: Tensor, seen: Seen = None, precision: torch.dtype = torch.float32) -> Tensor:
        """The last hidden states (B, T, D) of `tokens` (B, T); `seen` is what `attention.see` gives: None where rows are documents."""
        with torch.autocast(tokens.device.type, dtype=precision, enabled=precision != torch.float32):
            return self.model(tokens, seen, precision)

    def logits(self, tokens: Tensor, seen: Seen = None) -> Tensor:
        """Logits (B, T, V) in 32 bits: for small inputs, since training never holds them whole."""
        return functional.linear(self(tokens, seen), self.head)


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
