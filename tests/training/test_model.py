from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM

from training.attention import see
from training.export import configuration
from training.loss import cross_entropy
from training.model import IGNORED, Decoder, Norm, initialise
from training.settings import LARGE_VOCABULARY, SIZES, SMALL_VOCABULARY, ModelConfig

SHAPES = {
    "tied": ModelConfig(layers=2, width=32, heads=4, kv_heads=4, feed_forward=48, tied=True),
    "untied": ModelConfig(layers=2, width=32, heads=4, kv_heads=4, feed_forward=48, tied=False),
    "rotary": ModelConfig(layers=2, width=32, heads=2, kv_heads=1, feed_forward=48, tied=True, rotary_base=500_000.0),
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


@pytest.mark.parametrize("family", ["qwen3", "llama"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_transformers_computes_the_same_logits(shape: ModelConfig, family: str) -> None:
    shape = shape.model_copy(update={"qk_norm": family == "qwen3"})
    vocabulary = shape.padded(VOCABULARY - 5)
    model = model_of(shape, vocabulary, noise=0.2)
    config = configuration(shape, vocabulary, 32, 0)
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)).eval()
    assert theirs.config.model_type == family
    missing, unexpected = theirs.load_state_dict(dict(model.named_parameters()), strict=False)
    assert not unexpected
    assert set(missing) <= ({"lm_head.weight"} if shape.tied else set())
    tokens = torch.randint(VOCABULARY, (3, 32))
    with torch.no_grad():
        expected = theirs(tokens).logits
        assert expected.std() > 0.5
        found = model.logits(tokens)
        torch.testing.assert_close(found, expected, atol=5e-5, rtol=5e-5)
        written = theirs.generate(tokens[:1, :8], max_new_tokens=4, do_sample=False, pad_token_id=0)
        assert model.logits(written[:, :-1])[0, 7:].argmax(-1).tolist() == written[0, 8:].tolist()


@pytest.mark.parametrize("width", [32, 512])
@pytest.mark.parametrize("tied", [True, False])
def test_the_first_loss_is_that_of_knowing_nothing(width: int, tied: bool) -> None:
    vocabulary = 4096
    shape = ModelConfig(layers=2, width=width, heads=4, kv_heads=4, feed_forward=64, tied=tied)
    tokens = torch.randint(vocabulary, (4, 64))
    logits = model_of(shape, vocabulary).logits(tokens)
    loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(loss.item() - math.log(vocabulary)) < 0.05


def test_a_packed_document_is_read_as_if_it_were_alone() -> None:
    model = model_of(SHAPES["grouped"], noise=0.2)
    tokens = torch.randint(VOCABULARY, (2, 40))
    documents = torch.tensor([[0] * 15 + [1] * 20 + [-1] * 5, [2] * 40])
    with torch.no_grad():
        packed = model.logits(tokens, see(documents))
        for row, start, stop in ((0, 0, 15), (0, 15, 35), (1, 0, 40)):
            alone = tokens[row : row + 1, start:stop]
            torch.testing.assert_close(packed[row, start:stop], model.logits(alone)[0], atol=2e-5, rtol=2e-5)


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


def test_compiled_it_is_one_graph() -> None:
    model = model_of(SHAPES["grouped"], noise=0.2)
    tokens, precision = torch.randint(VOCABULARY, (2, 24)), torch.bfloat16
    seen = see((torch.arange(24) // 9).expand(2, 24), "dense", precision)
    slopes = []
    for form in (model, torch.compile(model, fullgraph=True, dynamic=False, backend="aot_eager")):
        form(tokens, seen, precision).float().square().sum().backward()
        slopes.append([weight.grad for name, weight in model.named_parameters() if ".layers." in name])
        model.zero_grad()
    torch.testing.assert_close(slopes[1], slopes[0])


def test_one_batch_is_learnt_by_heart() -> None:
    model = model_of(SHAPES["tied"])
    tokens = torch.randint(VOCABULARY, (2, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        total, nats = cross_entropy(model(tokens)[:, :-1], model.head, tokens[:, 1:], 64)
        optimizer.zero_grad()
        (total / nats.numel()).backward()
        optimizer.step()
    assert nats.mean() < 0.05


@pytest.mark.parametrize("z_share", [0.0, 0.01])
def test_the_slope_is_the_gradient_of_the_nats_and_of_the_z_loss(z_share: float) -> None:
    torch.manual_seed(3)
    hidden, head = torch.randn(1, 6, 16, dtype=torch.float64), torch.randn(VOCABULARY, 16, dtype=torch.float64)
    hidden.requires_grad_()
    targets = torch.randint(VOCABULARY, (1, 6))
    logits = hidden @ head.T
    nats = functional.cross_entropy(logits[0], targets[0], reduction="sum")
    (wanted,) = torch.autograd.grad(nats + z_share * logits.logsumexp(-1).square().sum(), hidden)
    total, _ = cross_entropy(hidden, head, targets, 4, z_share)
    (found,) = torch.autograd.grad(total, hidden)
    torch.testing.assert_close(total.double(), nats, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_norm_has_the_gradient_of_its_formula() -> None:
    torch.manual_seed(4)
    hidden, weight = torch.randn(3, 5, 16, requires_grad=True), torch.randn(16, requires_grad=True)
    norm = Norm(16, 1e-6)
    norm.weight = torch.nn.Parameter(weight.detach().clone())
    slope = torch.randn(3, 5, 16)
    expected = functional.rms_norm(hidden, (16,), weight, 1e-6)
    found = norm(hidden)
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad((expected * slope).sum(), (hidden, weight))
    torch.testing.assert_close(torch.autograd.grad((found * slope).sum(), (hidden, norm.weight)), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [size for size in SIZES if size != "demo"])
def test_a_size_has_as_many_weights_as_its_name_says(size: str) -> None:
    shape = ModelConfig.model_validate({"size": size})
    named = float(size[:-1]) * {"m": 1e6, "b": 1e9}[size[-1]]
    assert 0.8 < shape.weights(SMALL_VOCABULARY if named <= 10e6 else LARGE_VOCABULARY) / named < 1.2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("qk_norm", [True, False])
def test_weights_are_counted_as_they_are(shape: ModelConfig, qk_norm: bool) -> None:
    shape = shape.model_copy(update={"qk_norm": qk_norm})
    assert sum(weight.numel() for weight in Decoder(shape, VOCABULARY).parameters()) == shape.weights(VOCABULARY)
