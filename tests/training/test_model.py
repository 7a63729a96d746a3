from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.export import configuration
from training.model import IGNORED, Decoder, cross_entropy, initialise, visible
from training.settings import ModelConfig

SHAPES = {
    "tied": ModelConfig(layers=2, width=32, heads=4, kv_heads=4, feed_forward=48, tied=True),
    "untied": ModelConfig(layers=2, width=32, heads=4, kv_heads=4, feed_forward=48, tied=False),
    "grouped": ModelConfig(layers=2, width=48, heads=6, kv_heads=2, feed_forward=64, tied=False, rotary_base=500.0),
}
VOCABULARY = 128


def model_of(shape: ModelConfig, vocabulary: int = VOCABULARY, *, noise: float = 0.0) -> Decoder:
    model = Decoder(shape, vocabulary)
    initialise(model, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=noise)
    return model


def one_document(tokens: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(tokens)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_transformers_computes_the_same_logits(shape: ModelConfig) -> None:
    model = model_of(shape, noise=0.2)
    theirs = Qwen3ForCausalLM(Qwen3Config(**configuration(shape, VOCABULARY, 32, 0)))
    missing, unexpected = theirs.load_state_dict(dict(model.named_parameters()), strict=False)
    assert not unexpected
    assert set(missing) <= ({"lm_head.weight"} if shape.tied else set())
    tokens = torch.randint(VOCABULARY, (3, 32))
    with torch.no_grad():
        expected = theirs.eval()(tokens).logits
        assert expected.std() > 0.5
        torch.testing.assert_close(model.logits(tokens, one_document(tokens)), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("width", [32, 512])
@pytest.mark.parametrize("tied", [True, False])
def test_the_first_loss_is_that_of_knowing_nothing(width: int, tied: bool) -> None:
    vocabulary = 4096
    shape = ModelConfig(layers=2, width=width, heads=4, kv_heads=4, feed_forward=64, tied=tied)
    tokens = torch.randint(vocabulary, (4, 64))
    logits = model_of(shape, vocabulary).logits(tokens, one_document(tokens))
    loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(loss.item() - math.log(vocabulary)) < 0.05


def test_a_packed_document_is_read_as_if_it_were_alone() -> None:
    model = model_of(SHAPES["grouped"], noise=0.2)
    tokens = torch.randint(VOCABULARY, (2, 40))
    documents = torch.tensor([[0] * 15 + [1] * 20 + [-1] * 5, [2] * 40])
    with torch.no_grad():
        packed = model.logits(tokens, documents)
        for row, start, stop in ((0, 0, 15), (0, 15, 35), (1, 0, 40)):
            alone = tokens[row : row + 1, start:stop]
            torch.testing.assert_close(packed[row, start:stop], model.logits(alone, one_document(alone))[0], atol=2e-5, rtol=2e-5)


def test_visible_is_own_document_and_the_past() -> None:
    seen = visible(torch.tensor([[0, 0, 1, 1, -1]]))[0, 0]
    assert seen.int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]


@pytest.mark.parametrize("chunk_tokens", [1, 7, 1000])
def test_chunked_cross_entropy_is_cross_entropy(chunk_tokens: int) -> None:
    torch.manual_seed(3)
    hidden = torch.randn(2, 10, 16, requires_grad=True)
    head = torch.randn(VOCABULARY, 16, requires_grad=True)
    targets = torch.randint(VOCABULARY, (2, 10))
    targets[0, 3:6] = IGNORED
    expected = functional.cross_entropy((hidden @ head.T).flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    (expected.sum() / 3).backward()
    wanted = hidden.grad, head.grad
    hidden.grad = head.grad = None
    total, nats = cross_entropy(hidden, head, targets, chunk_tokens)
    (total / 3).backward()
    torch.testing.assert_close(nats.flatten(), expected.detach())
    torch.testing.assert_close(total, expected.detach().sum())
    torch.testing.assert_close((hidden.grad, head.grad), wanted)
    assert nats[0, 4] == 0


def test_one_batch_is_learnt_by_heart() -> None:
    model = model_of(SHAPES["tied"])
    tokens = torch.randint(VOCABULARY, (2, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        total, nats = cross_entropy(model(tokens, one_document(tokens))[:, :-1], model.head, tokens[:, 1:], 64)
        optimizer.zero_grad()
        (total / nats.numel()).backward()
        optimizer.step()
    assert nats.mean() < 0.05
