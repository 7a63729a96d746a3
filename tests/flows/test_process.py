"""The processes that a flow starts, and the GPUs that it starts them for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flows import line, orchestrated, process

TWO = "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-a)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-b)'\n"


@pytest.mark.parametrize(
    ("tool", "visible", "found"),
    [
        (TWO, None, 2),
        (TWO, "0", 1),
        (TWO, "1, 0", 2),
        (TWO, "0,1,2", 2),
        (TWO, "", 0),
        (TWO, "-1", 0),
        (TWO, "0,-1,1", 1),  # what follows one that is none does not count: so CUDA reads it
        ("#!/bin/sh\necho no driver\nexit 9\n", None, 0),
        (None, None, 0),
    ],
)
def test_the_gpus_that_a_training_gets_are_those_that_answer_and_are_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str | None, visible: str | None, found: int
) -> None:
    if tool is not None:
        (tmp_path / "nvidia-smi").write_text(tool)
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert process.gpus() == found
    assert process.device() == ("cuda" if found else "cpu")


def test_a_worker_that_is_killed_is_said_in_one_line() -> None:
    with pytest.raises(process.ProcessFailedError, match=r"a worker process was killed, .*: the same command goes on from what is done"):
        list(line.in_processes(1, "", signal.raise_signal, [signal.SIGKILL] * 3))


def test_so_it_is_of_tasks_that_come_after_it() -> None:
    with line.processes(1) as pool:
        for _ in range(2):
            with pytest.raises(process.ProcessFailedError, match="a worker process was killed"):
                orchestrated.work_on.fn("shards", 0, signal.raise_signal, signal.SIGKILL, pool)
