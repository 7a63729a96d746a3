"""The walk-through of CONTRIBUTING.md, as a newcomer would follow it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
FOLDERS = ("pipeline", "training", "dashboards", "flows", "tests/pipeline")


def test_a_measure_is_one_file_and_one_test_module(tmp_path: Path) -> None:
    text = (HERE / "CONTRIBUTING.md").read_text("utf-8")
    for folder in FOLDERS:
        shutil.copytree(HERE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(HERE / name, tmp_path)
    files = re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in files] == ["pipeline/steps/questions.py", "tests/pipeline/steps/test_questions.py"]
    for name, source in files:
        (tmp_path / name).write_text(source)
    (block,) = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    said = [run(line.removeprefix("$ "), tmp_path) for line in block.splitlines()]
    assert re.search(r"\b1[0-9] passed", said[1])
    assert re.search(r"share +0\b", said[2])
    steps = {path.stem for path in (tmp_path / "pipeline/steps").glob("[a-z]*.py")}
    assert set(json.loads((tmp_path / "tests/pipeline/golden.json").read_text())) == steps


def run(command: str, folder: Path) -> str:
    """What a command of the walk-through says, in a copy of the tree."""
    program, *arguments = shlex.split(command)
    if program == "corpusmill":
        arguments = ["-m", "flows.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
