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
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from training import muon
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
iterated, orthogonal = [], muon.orthogonal
def counted(stack, iterations):
    iterated.append(len(stack))
    return orthogonal(stack, iterations)
muon.orthogonal = counted
def moved(held):
    torch.manual_seed(0)
    shapes = [(16, 16)] * 5 + [(16, 32)] * 2 + [(32, 16)] * 2 + [(9, 16)]
    weights = [nn.Parameter(held(torch.randn(shape))) for shape in shapes]
    optimizer = muon.Muon(weights, [{"params": [nn.Parameter(torch.zeros(3))]}], lr=0.1)
    for step in range(3):
        for weight, shape in zip(weights, shapes):
            weight.grad = held(torch.randn(shape))
        iterated.clear()
        with CommDebugMode() as collectives:
            optimizer.step()
    print(collectives.get_total_counts(), iterated)
    return [weight.full_tensor() if isinstance(weight, DTensor) else weight for weight in weights]
weights = [moved(lambda matrix: matrix)]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))
weights += [moved(lambda matrix: matrix), moved(lambda matrix: distribute_tensor(matrix, mesh, [Shard(0)]))]
torch.save([[weight.detach() for weight in each] for each in weights], f"{folder}/{rank}")
"""


def test_shared_among_ranks_it_is_the_same_and_each_iterates_its_share_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RANK]
    ranks = [subprocess.Popen([*command, str(rank), str(tmp_path)], stdout=subprocess.PIPE, text=True) for rank in range(2)]
    told = [process.communicate(timeout=120)[0].splitlines() for process in ranks]
    alone = "0 [5, 4, 1]"  # a shape and its turned form are one stack
    assert told[0] == [alone, "3 [3, 2, 1]", "8 [3, 1, 1, 1]"]  # of whole matrices one gather a stack, of rows two exchanges a shape
    assert told[1] == [alone, "3 [2, 2]", "8 [2, 1, 1]"]
    (expected, *first), (_, *second) = (torch.load(tmp_path / str(rank)) for rank in range(2))
    for weights in first:
        torch.testing.assert_close(weights, expected, **HALF)
    torch.testing.assert_close(second, first, atol=0, rtol=0)
