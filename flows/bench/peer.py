"""What peers are timed by: a script of ours in their own environment, over files that a user names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = "CORPUSMILL_BENCH_PEERS"
PYTHON = Path(os.environ.get(ENVIRONMENT, ".venv-peers")) / "bin/python"
WARCS = "CORPUSMILL_BENCH_WARCS"
SCRIPTS = Path(__file__).parent / "peers"


def seconds(script: str, *arguments: str | Path) -> float:
    """The seconds of CPU time that a script of `peers/` says it took: the first of its numbers."""
    return numbers(script, *arguments)[0]


def numbers(script: str, *arguments: str | Path) -> list[float]:
    """What a script of `peers/` says in its last line."""
    expect()
    said = subprocess.run([PYTHON, SCRIPTS / script, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [float(word) for word in said.splitlines()[-1].split()]


def python() -> Path:
    """The peers' interpreter. FileNotFoundError where it is not there."""
    expect()
    return PYTHON


def expect() -> None:
    """FileNotFoundError where the peers' environment is not there."""
    if not PYTHON.exists():
        raise FileNotFoundError(f"{PYTHON}: expected the peers' environment there; `make bench` installs it")


def warcs() -> Path:
    """The folder of WARC files that benches read."""
    folder = Path(os.environ.get(WARCS, "data/demo/raw/pydoc"))
    if not any(folder.glob("*.warc.gz")):
        raise FileNotFoundError(f"{folder}: expected *.warc.gz there; name a folder that has some in {WARCS}, or run the demo first")
    return folder.absolute()
