from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training import attention
from training.attention import SHORT_TOKENS, Packed, attend, body_for, kernel, see

Heads = tuple[Tensor, Tensor, Tensor]


def heads_of(rows: int, heads: int, kept: int, tokens: int, *, learning: bool = False) -> Heads:
    torch.manual_seed(0)
    query, key, value = (torch.randn(rows, tokens, count, 16).transpose(1, 2) for count in (heads, kept, kept))
    return query.requires_grad_(learning), key.requires_grad_(learning), value.requires_grad_(learning)


def documents_of(rows: int, tokens: int) -> Tensor:
    """Documents of many lengths, down to one token, and padding at the end of the last row."""
    ends = torch.rand(rows, tokens, generator=torch.Generator().manual_seed(1)) < 0.1
    documents = ends.cumsum(1) + torch.arange(rows)[:, None] * tokens
    documents[-1, -tokens // 8 :] = -1
    return documents


def each_alone(query: Tensor, key: Tensor, value: Tensor, documents: Tensor) -> Tensor:
    """The reference: every document by itself, every head by itself."""
    gathered = torch.empty_like(query)
    groups = query.shape[1] // key.shape[1]
    for row, numbers in enumerate(documents):
        for document in numbers.unique():
            own = (numbers == document).nonzero()[:, 0]
            for head in range(query.shape[1]):
                wanted, keys, values = query[row, head, own], key[row, head // groups, own], value[row, head // groups, own]
                scores = wanted @ keys.T / 4 + torch.full((len(own), len(own)), -torch.inf).triu(1)
                gathered[row, head, own] = scores.softmax(-1) @ values
    return gathered


@pytest.mark.parametrize("kept", [4, 2, 1])
@pytest.mark.parametrize("tokens", [48, SHORT_TOKENS + 16])
def test_a_processor_computes_what_each_document_alone_gives(tokens: int, kept: int) -> None:
    query, key, value = heads_of(2, 4, kept, tokens, learning=True)
    documents = documents_of(2, tokens)
    weight = torch.randn(query.shape)
    results = []
    for gathered in (attend(query, key, value, see(documents)), each_alone(query, key, value, documents)):
        results.append((gathered, *torch.autograd.grad((gathered * weight).sum(), (query, key, value))))
    torch.testing.assert_close(*results, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("tokens", [48, SHORT_TOKENS + 16])
def test_without_masks_a_row_is_one_document(tokens: int) -> None:
    query, key, value = heads_of(2, 4, 2, tokens)
    whole = torch.arange(2)[:, None].expand(2, tokens)
    torch.testing.assert_close(attend(query, key, value, see(None)), each_alone(query, key, value, whole), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("kept", [4, 2])
def test_blocks_give_what_each_document_alone_gives(kept: int) -> None:
    query, key, value = heads_of(2, 4, kept, 128)
    documents = documents_of(2, 128)
    with torch.no_grad():  # without a GPU it has no backward
        gathered = attend(query, key, value, see(documents, "flex"))
    torch.testing.assert_close(gathered, each_alone(query, key, value, documents), atol=2e-5, rtol=2e-5)


def packed(documents: Tensor) -> Packed:
    seen = see(documents, "varlen")
    assert isinstance(seen, Packed)
    return seen


def test_packed_documents_begin_where_they_do() -> None:
    bounds, longest, _ = packed(torch.tensor([[0, 0, 1, 1], [2, 2, 2, -1]]))
    assert (bounds.tolist(), longest, bounds.dtype) == ([0, 2, 4, 7, 8, 8, 8, 8], 4, torch.int32)


def _by_bounds(query: Tensor, key: Tensor, value: Tensor, bounds: Tensor) -> Tensor:
    """What the kernel of a GPU does, (T, H, head), in steps that compile."""
    tokens = torch.arange(len(query), dtype=torch.int32)
    documents = torch.searchsorted(bounds, tokens, right=True)
    seen = (documents[:, None] == documents) & (tokens[:, None] >= tokens)
    heads = [each.transpose(0, 1) for each in (query, key, value)]
    return functional.scaled_dot_product_attention(*heads, attn_mask=seen, enable_gqa=True).transpose(0, 1)


def _of_210(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None):
    assert is_causal
    assert query.shape == key.shape
    return _by_bounds(query, key, value, cu_seq_q)


def _of_211(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)):
    assert window_size == (-1, 0)
    assert query.shape == key.shape
    return _by_bounds(query, key, value, cu_seq_q)


def _of_213(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size=(-1, -1), enable_gqa=False, num_splits=None):
    assert window_size == (-1, 0)
    assert enable_gqa == (query.shape != key.shape)
    return _by_bounds(query, key, value, cu_seq_q)


@pytest.mark.parametrize("version", [_of_210, _of_211, _of_213])
@pytest.mark.parametrize("kept", [4, 2])
def test_the_packed_kernel_is_called_as_its_version_wants(version: object, kept: int) -> None:
    query, key, value = heads_of(2, 4, kept, 48)
    documents = documents_of(2, 48)
    gathered = attend(query, key, value, packed(documents)._replace(kernel=kernel(version)))
    torch.testing.assert_close(gathered, each_alone(query, key, value, documents), atol=2e-5, rtol=2e-5)


def test_the_packed_kernel_of_this_torch_is_known() -> None:
    attention, settings, _ = packed(documents_of(2, 48)).kernel
    assert set(settings) <= set(inspect.signature(attention).parameters)


@pytest.mark.parametrize("kept", [4, 2])
def test_compiled_the_packed_kernel_of_this_torch_is_in_one_graph(kept: int) -> None:
    heads = [each.to("meta", torch.bfloat16).requires_grad_() for each in heads_of(2, 4, kept, 48)]  # shapes alone: it runs on GPUs
    seen = packed(documents_of(2, 48))
    seen = seen._replace(bounds=seen.bounds.to("meta"))
    gathered = torch.compile(attend, fullgraph=True, dynamic=False, backend="aot_eager")(*heads, seen)
    gathered.sum().backward()
    assert [each.grad.shape for each in heads] == [each.shape for each in heads]


@pytest.mark.filterwarnings("error:Dynamo detected")  # a cache that is traced through
@pytest.mark.parametrize("body", ["dense", "varlen", "flex"])
def test_compiled_it_is_one_graph(body: attention.Body) -> None:
    query, key, value = heads_of(2, 4, 2, 48)
    documents = documents_of(2, 48)
    seen = packed(documents)._replace(kernel=kernel(_of_213)) if body == "varlen" else see(documents, body)
    with torch.no_grad():
        gathered = torch.compile(attend, fullgraph=True, dynamic=False, backend="eager")(query, key, value, seen)
    torch.testing.assert_close(gathered, each_alone(query, key, value, documents), atol=2e-5, rtol=2e-5)


def test_the_body_is_that_of_the_device() -> None:
    assert body_for("cpu", torch.bfloat16) == "dense"
    assert body_for("cuda", torch.bfloat16) == "varlen"
    assert body_for("cuda", torch.float32) == "flex"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: the packed kernel and FlexAttention's backward run there alone")
@pytest.mark.parametrize("body", ["varlen", "flex"])
@pytest.mark.parametrize("kept", [4, 2])
def test_a_gpu_computes_what_each_document_alone_gives(body: attention.Body, kept: int) -> None:
    heads = heads_of(2, 4, kept, 256)
    documents = documents_of(2, 256)
    exact = [each.bfloat16().float().requires_grad_() for each in heads]
    there = [each.detach().bfloat16().cuda().requires_grad_() for each in heads]
    expected, gathered = each_alone(*exact, documents), attend(*there, see(documents.cuda(), body))
    torch.testing.assert_close(gathered.float().cpu(), expected, atol=2e-2, rtol=2e-2)
    weight = torch.randn(expected.shape)
    wanted = torch.autograd.grad((expected * weight).sum(), exact)
    found = torch.autograd.grad((gathered * weight.cuda()).sum(), there)
    torch.testing.assert_close([each.float().cpu() for each in found], list(wanted), atol=5e-2, rtol=5e-2)
