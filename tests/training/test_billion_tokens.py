"""Planning and loading a billion tokens: `pytest -m verify -s` prints how long it takes and how much memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "billion.py"
TOKENS = 1_000_000_000
MOST_BYTES = 2_000_000_000


def done(*arguments: str) -> dict[str, float]:
    said = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=SCRIPT.parents[2])
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout.splitlines()[-1]) if said.stdout else {}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("billion")
    done("make", str(folder), str(TOKENS))
    yield str(folder)
    shutil.rmtree(folder)


@pytest.mark.verify
@pytest.mark.parametrize("mixture", ["once", "mixed"])
def test_a_billion_tokens_are_planned_and_loaded_in_two_gigabytes(root: str, mixture: str) -> None:
    planned, loaded = done("plan", root, mixture), done("load", root, mixture)
    print(f"\n{mixture}: planned {planned}\nloaded {loaded}")
    assert planned["tokens"] > (TOKENS if mixture == "once" else 690_000_000)
    assert planned["padding_tokens"] < 0.01 * planned["tokens"]
    assert planned["documents_cut"] < planned["documents_cut_concatenated"] / 2
    assert max(planned["peak_bytes"], loaded["peak_bytes"]) < MOST_BYTES
    assert loaded["opened_s"] < 1
    assert loaded["tokens_a_second"] > 20e6
