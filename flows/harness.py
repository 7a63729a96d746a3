"""EleutherAI's lm-evaluation-harness over a run's model folder, offline, in an environment of its own (`make lm-eval`).

The result lies at `lm_eval/<name>/<fingerprint>`: `results.json`, as the harness writes it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from flows import harness_tasks, process
from flows.job import Job, current
from flows.progress import Progress
from pipeline.step import digest
from pipeline.store import Store, Version
from training import settings
from training.settings import EvaluateConfig

PROGRAM = Path(".venv-lm-eval/bin/lm-eval")
LOCK = Path(__file__).parents[1] / "infra/lock/lm-eval.txt"
VERSION = 1
BATCH_SIZE = 8
OFFLINE = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")


def expect() -> None:
    """FileNotFoundError where the harness is not there."""
    if not PROGRAM.exists():
        raise FileNotFoundError(f"{PROGRAM}: expected lm-evaluation-harness there; `make lm-eval` installs it")


def evaluate(job: Job) -> str:
    """Where the results on the recipe's current run are, measured now or before. The model is read in 32 bits."""
    expect()
    store, config = job.store, job.recipe.section(EvaluateConfig)
    run = current(store, "runs", job.recipe.name)
    made = settings.version(store, run)
    tokens = settings.version(store, f"tokens/{job.recipe.name}/{made.spec['tokens']}")
    corpus = f"corpora/{job.recipe.name}/{tokens.spec['corpus']}"
    spec = {
        "stage": "lm_eval",
        "version": VERSION,
        "harness": digest(LOCK),
        "run": made.fingerprint,
        "splits": list(config.splits),
        "seed": config.seed,
    }

    def write(version: Version) -> dict[str, int]:
        with TemporaryDirectory(prefix="corpusmill-lm-eval-") as folder, Progress("lm-evaluation-harness"):
            beginning = json.loads(store.read(f"{run}/model/tokenizer_config.json"))["bos_token"]
            harness_tasks.write(store, corpus, beginning, config, Path(folder))
            version.write("results.json", _run(store, f"{run}/model", made.spec["train"]["sequence_tokens"], Path(folder)))
        return {}

    return store.build(f"lm_eval/{job.recipe.name}", spec, write).path


def _run(store: Store, model: str, window_tokens: int, folder: Path) -> bytes:
    if not store.local:
        raise ValueError(f"{store.uri(model)}: a model on a local root was expected")
    # The beginning is put before documents by the harness itself, and once is enough.
    about = f"pretrained={store.path(model)},dtype=float32,max_length={window_tokens},add_bos_token=False"
    command = [str(PROGRAM), "run", "--model", "hf", "--model_args", about, "--include_path", str(folder)]
    command += ["--tasks", ",".join(harness_tasks.TASKS), "--batch_size", str(BATCH_SIZE), "--device", process.device()]
    command += ["--output_path", str(folder / "out")]
    environment = {**os.environ, **OFFLINE, "HF_HOME": str(folder / "cache")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = sorted((folder / "out").rglob("results_*.json"))
    if said.returncode or not found:
        words = (said.stderr.strip() or said.stdout.strip()).splitlines() or [f"exit status {said.returncode}"]
        raise process.ProcessFailedError(f"lm-eval: {words[-1]}")
    return found[-1].read_bytes()


def show(out: Console, store: Store, place: str) -> None:
    """The harness's figures."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for title in ("lm-evaluation-harness", "", "", ""):
        table.add_column(title)
    for task, figures in figures_of(store, place).items():
        for metric, (value, error) in figures.items():
            table.add_row(task, metric, f"{value:.4f}", f"± {error:.4f}" if error else "")
    out.print(table)


def figures_of(store: Store, place: str) -> dict[str, dict[str, tuple[float, float | None]]]:
    """By task and metric, a figure and its standard error, where the harness gives one."""
    results = json.loads(store.read(f"{place}/results.json"))["results"]
    found: dict[str, dict[str, tuple[float, float | None]]] = {}
    for task, figures in results.items():
        for key, value in figures.items():
            metric, _, kind = key.partition(",")
            if kind and not metric.endswith("_stderr"):
                error = figures.get(f"{metric}_stderr,{kind}")
                found.setdefault(task, {})[metric] = value, error if isinstance(error, float) else None
    return found
