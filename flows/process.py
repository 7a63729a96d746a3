"""Training and evaluation, each a process of its own: never in the interpreter that schedules it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from flows.progress import Progress
from pipeline.store import Store, fingerprint
from training.settings import EvaluateJob, MeasureJob, TrainJob

POLL_S = 0.5
WATCH_S = 30
STOP_S = 60  # a training that was told to stop has saved its checkpoint by then


class ProcessFailedError(RuntimeError):
    """A process ended with an error; the message is its last words."""


def gpus() -> int:
    """How many NVIDIA GPUs answer; asked without importing torch."""
    try:
        said = subprocess.run(["nvidia-smi", "-L"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = sum(line.startswith(b"GPU ") for line in said.stdout.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    named = [name.strip() for name in visible.split(",")]
    return min(found, next((place for place, name in enumerate(named) if not name or name.startswith("-")), len(named)))


def device() -> Literal["cpu", "cuda"]:
    """`cuda` where this machine has a GPU."""
    return "cuda" if gpus() else "cpu"


def train(store: Store, job: TrainJob, place: str, watch: Callable[[Path], None] = lambda _: None) -> bool:
    """Train, or go on training, until the run is finished, with a process for each GPU; whether this call finished it.

    `watch` gets the file in which every step is told, every now and then.
    """
    stream = store.folder(place) / "progress.jsonl" if store.local else None
    processes, last = gpus() if job.device == "cuda" else 1, time.monotonic()

    def look() -> None:
        nonlocal last
        if stream is None or not stream.exists():
            return
        _show(stream, progress)
        if time.monotonic() - last > WATCH_S:
            last = time.monotonic()
            watch(stream)

    with Progress("pretraining", "steps", job.train.steps) as progress:
        said = _run(["training.train"] if processes == 1 else ["training.launch", str(processes)], store, job, look)
    if said["status"] == "stopped":
        raise ProcessFailedError(f"training was told to stop after {said['step']} steps; the same command goes on from there")
    return bool(said["status"] == "finished")


def evaluate(store: Store, job: EvaluateJob) -> bool:
    """Evaluate a run; whether this call made the evaluation."""
    with Progress("evaluation"):
        said = _run(["training.evaluate"], store, job, lambda: None)
    return bool(said["status"] == "finished")


def measure(store: Store, job: MeasureJob) -> bool:
    """Measure documents by a run's model; whether this call did."""
    with Progress("measuring"):
        said = _run(["training.measure"], store, job, lambda: None)
    return bool(said["status"] == "finished")


def generate(store: Store, folder: str, prompt: str, **drawn: int) -> str:
    """What the model in a folder adds to a prompt."""
    if not store.local:
        raise ValueError(f"{store.uri(folder)}: a model on a local root was expected")
    from training.generate import generate as complete  # noqa: PLC0415  # torch, only where a model speaks

    return complete(store.path(folder), prompt, **drawn)


def _run(module: Sequence[str], store: Store, job: TrainJob | EvaluateJob | MeasureJob, look: Callable[[], None]) -> dict[str, Any]:
    """Run a module, with what arguments it has, on a job and return what it says in its last line, looking on while it runs."""
    text = job.model_dump_json(indent=1)
    folder = store.folder("jobs") if store.local else Path(tempfile.mkdtemp(prefix="corpusmill-job-"))
    file = folder / f"{module[0]}-{fingerprint(json.loads(text))}.json"
    file.write_text(text)
    said, log = file.with_suffix(".out"), file.with_suffix(".log")
    with said.open("wb") as answers, log.open("wb") as errors:
        child = subprocess.Popen([sys.executable, "-m", *module, str(file)], stdout=answers, stderr=errors)
        try:
            while child.poll() is None:
                look()
                time.sleep(POLL_S)
        except BaseException:  # whoever interrupts us interrupts the training, which then saves a checkpoint
            child.terminate()
            child.wait(STOP_S)
            raise
    if child.returncode:
        words = log.read_text("utf-8", "replace").strip().splitlines() or [f"exit status {child.returncode}"]
        raise ProcessFailedError(f"{module[0]}: {words[-1]} (all of it in {log})")
    answer: dict[str, Any] = json.loads(said.read_text("utf-8").strip().splitlines()[-1])
    return answer


def _show(stream: Path, progress: Progress) -> None:
    """The last whole line of a training stream."""
    with stream.open("rb") as lines:
        lines.seek(max(0, stream.stat().st_size - 4096))
        whole = lines.read().split(b"\n")[:-1]
    if whole and b'"loss"' in whole[-1] and whole[-1].startswith(b"{"):
        row = json.loads(whole[-1])
        progress.reach(row["step"] + 1, note="" if row["loss"] is None else f"loss {row['loss']:.3f}")
