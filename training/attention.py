"""Causal attention that stays within documents: one function with a body for each machine.

Rows hold documents end to end. Rotary positions run on through a row and do not restart: attention depends on their differences
alone, so that with masks a document is read as if it stood alone. Letters of shapes: B sequences, T tokens, H heads.

The bodies: `dense` computes all scores and hides those of other documents (for processors; short rows by matrix products, since
torch's fused kernel is slower there, long ones by that kernel); `varlen` is FlashAttention over packed documents (Dao 2023);
`flex` is FlexAttention with blocks that are skipped (Dong et al. 2024), compiled where there is a GPU.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from training.transfer import sent

Body = Literal["dense", "varlen", "flex"]
SHORT_TOKENS = 512  # of a row whose scores a processor computes whole


class Kernel(NamedTuple):
    """FlashAttention over packed documents, as a version of torch has it."""

    attention: Callable[..., Any]
    causal: dict[str, Any]  # what makes it so
    groups: bool  # whether it takes grouped heads


class Packed(NamedTuple):
    """The documents of all rows end to end: where each begins, the total at the end and as often after it as fills a power of two."""

    bounds: Tensor  # int32
    longest: int  # an upper bound of a document's tokens
    kernel: Kernel  # found before, since to look for it within what is compiled would cut its graph in every layer


Seen = Tensor | Packed | BlockMask | None  # what a token sees: scores to add (B, 1, T, T), packed documents, blocks, or all before it


def body_for(device: str, precision: torch.dtype) -> Body:
    """The fastest body that runs there."""
    if device != "cuda":
        return "dense"
    return "varlen" if precision == torch.bfloat16 else "flex"


def see(documents: Tensor | None, body: Body = "dense", precision: torch.dtype = torch.float32, device: torch.device | None = None) -> Seen:
    """What `attend` needs to know of `documents` (B, T), the number of each token's document; made once for all layers.

    None: every row is one document. What is made is on `device`, by default that of the documents; packing them
    on a GPU makes the host wait, packing them on the host does not.
    """
    if documents is None:
        return None
    device = device or documents.device
    if body == "varlen":
        return Packed(sent(_bounds(documents), device), documents.shape[1], _varlen())
    documents = sent(documents, device)
    return _blocks(documents) if body == "flex" else _dense(documents, precision)


def attend(query: Tensor, key: Tensor, value: Tensor, documents: Seen) -> Tensor:
    """What each query gathers from itself and what precedes it in its document, (B, H, T, head).

    Keys and values have as many heads, or a divisor of it.
    """
    grouped = query.shape[1] != key.shape[1]
    if isinstance(documents, Packed):
        return _attend_packed(query, key, value, documents)
    if isinstance(documents, BlockMask):
        blockwise = flex_attention if torch.compiler.is_compiling() else _flex(query.is_cuda)
        return blockwise(query, key, value, block_mask=documents, enable_gqa=grouped)
    if query.is_cuda or query.shape[2] > SHORT_TOKENS:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=documents, is_causal=documents is None, enable_gqa=grouped
        )
    return _attend_short(query, key, value, documents)


def _dense(documents: Tensor, precision: torch.dtype) -> Tensor:
    tokens = documents.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool, device=documents.device).tril()
    seen = (documents[:, :, None] == documents[:, None, :]) & earlier
    return torch.zeros(seen.shape, dtype=precision, device=seen.device).masked_fill_(~seen, -torch.inf)[:, None]


def _bounds(documents: Tensor) -> Tensor:
    """Those of `Packed`: their number is rounded up to a power of two, so that what is compiled meets few shapes."""
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = begins.flatten().nonzero()[:, 0]
    bounds = torch.full((1 << len(starts).bit_length(),), documents.numel(), dtype=torch.int32, device=documents.device)
    bounds[: len(starts)] = starts
    return bounds


def _blocks(documents: Tensor) -> BlockMask:
    def seen(row: Tensor, _head: Tensor, later: Tensor, earlier: Tensor) -> Tensor:
        return (documents[row, later] == documents[row, earlier]) & (later >= earlier)

    rows, tokens = documents.shape
    return _block_maker(documents.is_cuda)(seen, rows, None, tokens, tokens, device=documents.device)


def _attend_short(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
    rows, heads, tokens, width = query.shape
    kept = key.shape[1]
    flat = (rows * kept, -1, width)
    wanted = (query * width**-0.5).reshape(flat)
    scores = torch.bmm(wanted, key.reshape(flat).transpose(1, 2)).view(rows, heads, tokens, tokens)
    scores = scores + (_causal(tokens, query.dtype) if seen is None else seen)
    shares = scores.softmax(-1).view(rows * kept, -1, tokens)
    return torch.bmm(shares.to(value.dtype), value.reshape(flat)).view(query.shape)


def _causal(tokens: int, precision: torch.dtype) -> Tensor:
    return torch.full((tokens, tokens), -torch.inf, dtype=precision).triu(1)


def _attend_packed(query: Tensor, key: Tensor, value: Tensor, packed: Packed) -> Tensor:
    bounds, longest, (attention, settings, groups) = packed
    if key.shape[1] != query.shape[1] and groups:
        settings = settings | {"enable_gqa": True}
    elif key.shape[1] != query.shape[1]:
        key, value = (heads.repeat_interleave(query.shape[1] // key.shape[1], 1) for heads in (key, value))
    flat = [heads.transpose(1, 2).flatten(0, 1) for heads in (query, key, value)]
    gathered = attention(*flat, bounds, bounds, longest, longest, **settings)
    return gathered.view(query.shape[0], query.shape[2], *gathered.shape[1:]).transpose(1, 2)


@cache
def _varlen() -> Kernel:
    """The kernel of this torch. With it comes the compiler, which settles at once where it keeps code: hence not imported above."""
    return kernel(importlib.import_module("torch.nn.attention.varlen").varlen_attn)


def kernel(attention: Callable[..., Any]) -> Kernel:
    """A kernel by its signature, which changed between torch 2.10 and 2.13."""
    known = inspect.signature(attention).parameters
    return Kernel(attention, {"is_causal": True} if "is_causal" in known else {"window_size": (-1, 0)}, "enable_gqa" in known)


@cache
def _flex(compiled: bool) -> Any:
    """Compiled once for all layers; without a GPU as it is, since there its compiled form has no backward."""
    return torch.compile(flex_attention) if compiled else flex_attention


@cache
def _block_maker(compiled: bool) -> Callable[..., BlockMask]:
    return torch.compile(create_block_mask) if compiled else create_block_mask
