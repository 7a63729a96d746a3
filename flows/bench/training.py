"""Training steps beside Hugging Face's `Trainer`: the same Qwen3 model, batch and precision, causal, documents not masked.

Each side's first steps, in which it compiles, are left out. On a processor both stay in memory and take turns, round by round, and what
counts is CPU time on one thread; on a GPU each has it alone for one long round by the clock, and operations are counted as nanochat
does (`training.flops`) against the device's peak. What of our training is timed, `training.timing` says; of theirs, all of its loop.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from flows.bench import peer
from flows.bench.result import Result
from training.settings import LARGE_VOCABULARY, SMALL_VOCABULARY

ROUNDS = 5
CPU: dict[str, Any] = {"size": "demo", "vocabulary": SMALL_VOCABULARY, "warm_steps": 3, "round_s": 6.0, "device": "cpu", "threads": 1}
CPU_TRAIN: dict[str, Any] = {"sequence_tokens": 128, "sequences_per_step": 8}
GPU: dict[str, Any] = {"vocabulary": LARGE_VOCABULARY, "warm_steps": 8, "device": "cuda", "threads": 8}
GPU_TRAIN: dict[str, Any] = {"sequence_tokens": 1024, "sequences_per_step": 32, "loss_chunk_tokens": 8192, "deterministic": False}
GPU_ROUND_S, GPU_MASKED_ROUND_S = 60.0, 20.0
DOCUMENTS_PER_ROW = 4
LAST_WORDS = 3  # lines of a process that fails


class Timed(NamedTuple):
    """A process that holds the dialogue of `training.timing`; `facts` are its first numbers, where it tells any."""

    process: subprocess.Popen[str]
    facts: list[float]

    def round(self) -> list[float]:
        """CPU seconds, wall seconds, and steps of one more round."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return _numbers(self.process)


class Device(NamedTuple):
    """What a token costs in operations, and how many a second products of matrices reach, and the device's peak; 0 where not known."""

    cost: float
    product: float
    peak: float

    def share(self, tokens_per_s: float) -> str:
        """A speed as shares of both, in words."""
        flops = tokens_per_s * self.cost
        known = ((self.peak, f"of {self.peak:.3g} FLOP/s"), (self.product, "of the matmul peak"))
        return ", ".join(f"{flops / most:.1%} {name}" for most, name in known if most) or f"{flops:.3g} FLOP/s"


def beside_trainer() -> Result:
    """Ours as it trains, compiled, beside theirs as its documentation starts it."""
    return _on_cpu("train_cpu", "eager")


def beside_compiled_trainer() -> Result:
    """Theirs compiled too."""
    return _on_cpu("train_cpu_compiled", "compile")


def on_gpu(size: str, shape: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **rounds: float) -> Result:
    """One size on one GPU beside theirs compiled; every figure is told as it comes. `shape` and `train` change what is asked.

    A way to mask documents that cannot be timed is told, and costs none of the other figures.
    """
    asked, settings = GPU | {"size": size} | (shape or {}), GPU_TRAIN | {"optimizer": "adamw", "compile": True} | (train or {})
    long, short = rounds.get("causal_s", GPU_ROUND_S), rounds.get("masked_s", GPU_MASKED_ROUND_S)
    tokens = settings["sequence_tokens"] * settings["sequences_per_step"]
    with tempfile.TemporaryDirectory() as folder:
        with _ours(folder, asked | {"round_s": long}, settings | {"masks": False}) as timed:
            ours, device = _tokens_per_s(timed, tokens, wall=True), Device(*timed.facts)
        _tell(size, "causal", ours, device)
        with _theirs(folder, asked | {"round_s": long}, settings, "compile") as timed:
            theirs = _tokens_per_s(timed, tokens, wall=True)
        _tell(size, "transformers", theirs, device)
        beside = []
        for body in ("varlen", "flex") if asked["device"] == "cuda" else ("dense",):
            try:
                with _ours(folder, asked | {"round_s": short}, settings | {"attention": body}) as timed:
                    masked = _tokens_per_s(timed, tokens, wall=True)
            except RuntimeError as error:
                beside.append(f"{body} masked: {error}")
            else:
                _tell(size, body, masked, device)
                beside.append(f"{body} masked {device.share(masked)}")
    name, note = f"train_gpu.{size}", f"{device.share(ours)}; {', '.join(beside)}"
    return Result(name, "tokens/s", round(ours), round(theirs), "transformers Trainer, compiled", round(ours / theirs, 2), note)


def steps_per_cpu_s(size: str, *trained: dict[str, Any]) -> list[float]:
    """Steps a CPU second of several ways to train a model of this size, the median of rounds in turn."""
    with ExitStack() as open_, tempfile.TemporaryDirectory() as folder:
        timed = [open_.enter_context(_ours(folder, CPU | {"size": size}, train)) for train in trained]
        rounds = [[_tokens_per_s(each, 1) for each in timed] for _ in range(ROUNDS)]
    return [median(column) for column in zip(*rounds, strict=True)]


def _on_cpu(name: str, kind: str) -> Result:
    settings = CPU_TRAIN | {"optimizer": "adamw", "compile": True}
    tokens = settings["sequence_tokens"] * settings["sequences_per_step"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        ours = open_.enter_context(_ours(folder, CPU, settings | {"masks": False}))
        masked = open_.enter_context(_ours(folder, CPU, settings))
        theirs = open_.enter_context(_theirs(folder, CPU, settings, kind))
        rounds = [[_tokens_per_s(each, tokens) for each in (ours, theirs, masked)] for _ in range(ROUNDS)]
    ratios = [own / other for own, other, _ in rounds]
    own, other, _ = (median(column) for column in zip(*rounds, strict=True))
    beside = median(each / other for _, other, each in rounds)
    note = f"by CPU time on one thread, median of {ROUNDS} rounds in turn ({min(ratios):.2f} to {max(ratios):.2f}); with masks {beside:.2f}"
    peer_name = f"transformers Trainer{', compiled' if kind == 'compile' else ''}"
    return Result(name, "tokens/s", round(own), round(other), peer_name, round(median(ratios), 2), note)


@contextmanager
def _ours(folder: str, asked: dict[str, Any], train: dict[str, Any]) -> Iterator[Timed]:
    documents = 1 if train.get("masks") is False else DOCUMENTS_PER_ROW
    file = Path(folder) / "asked.json"
    file.write_text(json.dumps({"folder": folder, "documents_per_row": documents, "train": train, **asked}))
    with _dialogue([sys.executable, "-m", "training.timing", str(file)], facts=True) as timed:
        yield timed


@contextmanager
def _theirs(folder: str, asked: dict[str, Any], train: dict[str, Any], kind: str) -> Iterator[Timed]:
    numbers = [train["sequences_per_step"], train["sequence_tokens"], asked["warm_steps"], asked["round_s"]]
    command = [peer.python(), peer.SCRIPTS / "transformers_trainer.py", Path(folder) / "config.json", *numbers]
    with _dialogue([*map(str, command), asked["device"], str(asked["threads"]), kind], facts=False) as timed:
        yield timed


@contextmanager
def _dialogue(command: list[str], *, facts: bool) -> Iterator[Timed]:
    """A process that is ready for rounds. RuntimeError with its last words where it ends before."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=_quiet())
        try:
            timed = Timed(process, _numbers(process) if facts else [])
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                status = process.wait()
                errors.seek(0)
                words = errors.read().strip().splitlines() or [f"exit status {status}"]
                raise RuntimeError(f"{' '.join(command)}: {'; '.join(line.strip() for line in words[-LAST_WORDS:])}")
            yield timed
        finally:
            process.kill()
            process.communicate()


def _quiet() -> dict[str, str]:
    return os.environ | {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _numbers(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdout is not None
    return [float(word) for word in process.stdout.readline().split()]


def _tokens_per_s(timed: Timed, tokens: int, *, wall: bool = False) -> float:
    cpu_s, wall_s, steps = timed.round()
    return tokens * steps / (wall_s if wall else cpu_s)


def _tell(size: str, name: str, tokens_per_s: float, device: Device) -> None:
    line = {"size": size, "name": name, "tokens_per_s": round(tokens_per_s), "flops": tokens_per_s * device.cost}
    print(json.dumps(line | {"peak_flops": device.peak, "matmul_flops": device.product}), flush=True)
