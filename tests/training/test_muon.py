from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from training.muon import Muon, orthogonal, owners, step_scale
from training.optimizer import optimizer_of, set_rate
from training.settings import ModelConfig, TrainConfig

HALF = {"atol": 3e-3, "rtol": 3e-2}  # a few units in the last place of bfloat16


def matrices(*shapes: tuple[int, int]) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in shapes]


@pytest.mark.parametrize("shape", [(4, 32, 32), (3, 16, 64), (1, 64, 192)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    stack = torch.randn(shape) * torch.tensor([1e-4, 1.0, 1e3, 30.0])[: shape[0], None, None]
    values = torch.linalg.svdvals(orthogonal(stack).float())
    middle = torch.linalg.svdvals(stack)
    middle = middle > 0.05 * middle.amax(-1, keepdim=True)  # what is far smaller takes more iterations
    assert values[middle].min() > 0.65
    assert values.max() < 1.25


def test_singular_vectors_stay() -> None:
    matrix = matrices((24, 48))[0].detach()
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    cosine = torch.sum(orthogonal(matrix[None])[0].float() * (left @ right)) / 24
    assert cosine > 0.8


@pytest.mark.parametrize("shape", [(32, 32), (64, 16), (16, 64)])
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
def test_one_matrix_moves_as_by_torchs_own(shape: tuple[int, int], scale: str) -> None:
    ours, theirs = matrices(shape)[0], matrices(shape)[0]
    mine = Muon([ours], [{"params": matrices((1, 1))}], lr=0.1, momentum=0.9, weight_decay=0.5, scale=scale)
    other = torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.5, adjust_lr_fn=scale)
    for step in range(4):
        torch.manual_seed(step)
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        mine.step()
        other.step()
    torch.testing.assert_close(ours, theirs, atol=0.4 * step_scale(*shape, scale) * 2**-7, rtol=1e-2)
    torch.testing.assert_close(mine.state[ours]["momentum"], other.state[theirs]["momentum_buffer"])


def test_every_matrix_of_a_stack_has_one_owner() -> None:
    for count in range(8):
        for world in range(1, 5):
            assert [index for rank in range(world) for index in owners(count, rank, world)] == list(range(count))


def test_only_matrices_of_layers_are_muons_and_state_is_plain_tensors() -> None:
    from training.model import Decoder

    model = Decoder(ModelConfig(layers=1, width=16, heads=2, kv_heads=1, feed_forward=32, tied=False), 64)
    optimizer = optimizer_of(model, TrainConfig(optimizer="muon", learning_rate=1e-3, muon_learning_rate=0.02))
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    set_rate(optimizer, 5e-4)
    optimizer.step()
    kinds = {name: set(optimizer.state[weight]) for name, weight in model.named_parameters()}
    adamw = {"step", "exp_avg", "exp_avg_sq"}
    assert {name for name, keys in kinds.items() if keys == {"momentum"}} == {name for name in kinds if name.endswith("_proj.weight")}
    assert all(kinds[name] == adamw for name in ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"))
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(0.01), 5e-4, 5e-4]
    assert all(isinstance(value, torch.Tensor) for state in optimizer.state.values() for value in state.values())
    assert len(optimizer.state) == len(kinds)


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="matrices were expected"):
        Muon([nn.Parameter(torch.zeros(3))], [], lr=0.1)


RANK = """
import sys, torch
from torch import distributed, nn
from training.muon import Muon
rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
if world > 1:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
gathers, gather = [0], distributed.all_gather_into_tensor
def counted(*given, **named):
    gathers[0] += 1
    return gather(*given, **named)
distributed.all_gather_into_tensor = counted
torch.manual_seed(0)
weights = [nn.Parameter(torch.randn(shape)) for shape in [(16, 16)] * 5 + [(16, 32)] * 2 + [(32, 16)] + [(8, 16)]]
optimizer = Muon(weights, [{"params": [nn.Parameter(torch.zeros(3))]}], lr=0.1)
for step in range(3):
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    optimizer.step()
torch.save([weight.detach() for weight in weights], f"{folder}/{world}.{rank}")
print(gathers[0])
"""


def test_shared_among_ranks_it_is_the_same_with_one_gather_a_shape(tmp_path: Path) -> None:
    def run(rank: int, world: int) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(world), str(tmp_path)], stdout=subprocess.PIPE, text=True)

    told = [process.communicate(timeout=120)[0] for process in (run(0, 1), run(0, 2), run(1, 2))]
    assert told == ["0\n", "9\n", "9\n"]  # three steps, three stacks: a shape and its turned form are one
    alone, first, second = (torch.load(tmp_path / name) for name in ("1.0", "2.0", "2.1"))
    torch.testing.assert_close(first, alone, **HALF)
    torch.testing.assert_close(second, first, atol=0, rtol=0)
