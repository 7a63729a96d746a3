"""`kill -9` anywhere, then the same command: it finishes, and what it leaves is what an undisturbed run leaves."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

KILLS = 5
DATA_SIDE = ("shards", "corpora", "tokenizers", "tokens", "order")


def start(recipe: Path, root: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [Path(sys.executable).parent / "corpusmill", "run", recipe, "--root", root, "--workers", "2", "--plain", *more]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[bytes]") -> None:
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """The process and all its children, at once, where there still are any."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def digests(root: Path) -> dict[str, str]:
    """Every file of the data side, by its path."""
    files = (path for kind in DATA_SIDE for path in (root / kind).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_line_killed_at_random_leaves_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    finish(start(recipe, tmp_path / "straight"))
    whole_s = time.monotonic() - began
    moments = random.Random(7)
    for _ in range(KILLS):
        process = start(recipe, tmp_path / "killed")
        with suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.05, 0.95) * whole_s)
        kill(process)
    finish(start(recipe, tmp_path / "killed"))
    straight, killed = digests(tmp_path / "straight"), digests(tmp_path / "killed")
    assert straight
    assert killed == straight
    losses = [pq.read_table(path)["loss"].to_pylist() for path in sorted((tmp_path / "straight").rglob("steps/*.parquet"))]
    assert losses == [pq.read_table(path)["loss"].to_pylist() for path in sorted((tmp_path / "killed").rglob("steps/*.parquet"))]
