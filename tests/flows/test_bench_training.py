from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows.bench import peer, training
from training.flops import flops_per_token
from training.settings import ModelConfig

TINY = {"vocabulary": 512, "device": "cpu", "threads": 1, "warm_steps": 1}
STEP = {"sequence_tokens": 64, "sequences_per_step": 2, "compile": False, "precision": "float32"}


def has_trainer() -> bool:
    found = peer.PYTHON.exists() and subprocess.run([peer.PYTHON, "-c", "import accelerate, torch, transformers"], capture_output=True)
    return bool(found) and found.returncode == 0


def test_a_way_to_train_tells_its_cost_and_its_speed(tmp_path: Path) -> None:
    asked = training.CPU | {"size": "1m", "warm_steps": 1, "round_s": 0.1}
    with training._ours(str(tmp_path), asked, STEP | {"masks": False}) as timed:
        shape = ModelConfig.model_validate({"size": "1m"})
        assert timed.facts == [flops_per_token(shape, asked["vocabulary"], STEP["sequence_tokens"]), 0.0, 0.0]
        cpu_s, wall_s, steps = timed.round()
    assert cpu_s > 0
    assert wall_s >= 0.1
    assert steps >= 1


def test_a_way_that_cannot_be_timed_tells_why(tmp_path: Path) -> None:
    asked = training.CPU | {"size": "1m"}
    with pytest.raises(RuntimeError, match="attention"), training._ours(str(tmp_path), asked, STEP | {"attention": "nosuch"}):
        pass


def test_a_speed_is_told_as_shares_of_what_is_known() -> None:
    assert training.Device(1e9, 5e14, 1e15).share(4e5) == "40.0% of 1e+15 FLOP/s, 80.0% of the matmul peak"
    assert training.Device(1e9, 0.0, 0.0).share(4e5) == "4e+14 FLOP/s"


@pytest.mark.verify
@pytest.mark.skipif(not has_trainer(), reason="needs the peers' environment with transformers, accelerate and torch")
def test_the_bench_of_a_gpu_runs_on_a_processor(capfd: pytest.CaptureFixture[str]) -> None:
    result = training.on_gpu("1m", TINY, STEP, causal_s=0.2, masked_s=0.2)
    assert result.name == "train_gpu.1m"
    assert result.ours > 0
    assert result.ratio == pytest.approx(result.ours / result.peer, rel=0.05)
    assert [line.split('"name": "')[1].split('"')[0] for line in capfd.readouterr().out.splitlines()] == ["causal", "transformers", "dense"]
