"""Timings beside a peer's, in the same run: `corpusmill bench [NAME…]`.

Results lie in `<root>/bench/results.json`; a later run of a name replaces its entry. Peers live in an environment of their own,
`.venv-peers`, which `make bench` installs from a locked list.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.bench import (
    classifier,
    curation,
    encode,
    end_to_end,
    extract,
    filters,
    incremental,
    language,
    learning,
    loader,
    near_dedup,
    signatures,
    start,
    substrings,
    training,
    whatif,
)
from flows.bench.orchestration import orchestration
from flows.bench.result import Result
from flows.bench.split import two_workers

BENCHES: dict[str, Callable[[], Result]] = {
    "orchestration": orchestration,
    "extract.resiliparse": partial(extract.beside_datatrove, "resiliparse"),
    "extract.best": partial(extract.beside_datatrove, "best"),
    "filters": filters.beside_datatrove,
    "curation_chain": curation.beside_datatrove,
    "second_start": start.second_beside_first,
    "classifier": classifier.beside_fasttext,
    "signatures": signatures.beside_datatrove,
    "near_dedup": near_dedup.beside_datatrove,
    "near_dedup.rensa": near_dedup.beside_rensa,
    "near_dedup.datasketch": near_dedup.beside_datasketch,
    "substrings": substrings.beside_suffix_array,
    "incremental": incremental.month_three,
    "end_to_end": partial(end_to_end.beside_datatrove, "end_to_end", "resiliparse"),
    "end_to_end_trafilatura": partial(end_to_end.beside_datatrove, "end_to_end_trafilatura", "trafilatura"),
    "language": language.beside_langdetect,
    "encode": encode.beside_tokenizers,
    "encode_gigatoken": encode.gigatoken_beside_tokenizers,
    "ingest.split": two_workers,
    "loader": loader.beside_the_model,
    "resume": loader.far_beside_near,
    "whatif": whatif.beside_deciding,
    "learning": learning.beside_the_first,
    "learning.adamw": learning.with_adamw,
    "train_cpu": training.beside_trainer,
    "train_cpu_compiled": training.beside_compiled_trainer,
    "train_gpu.124m": partial(training.on_gpu, "124m"),
    "train_gpu.350m": partial(training.on_gpu, "350m"),
}


def run(root: Path, names: list[str]) -> list[Result]:
    """Run the named benches, or all but those that need a GPU, and keep their results. ValueError where a name is unknown."""
    for name in names:
        if name not in BENCHES:
            raise ValueError(f"no bench {name!r}; expected one of {', '.join(BENCHES)}")
    results = [BENCHES[name]() for name in names or [name for name in BENCHES if not name.startswith("train_gpu")]]
    _keep(root / "bench" / "results.json", results)
    return results


def _keep(file: Path, results: list[Result]) -> None:
    known = json.loads(file.read_text()) if file.exists() else []
    new = [asdict(result) for result in results]
    kept = [entry for entry in known if entry["name"] not in {entry["name"] for entry in new}]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(sorted([*kept, *new], key=lambda entry: entry["name"]), indent=1) + "\n")


def show(out: Console, results: list[Result]) -> None:
    """One line a bench."""
    table = Table(box=None, pad_edge=False)
    for column in ("bench", "ours", "peer", "", "ratio", "note"):
        table.add_column(column)
    for result in results:
        ours, peer = (f"{value:g} {result.unit}" for value in (result.ours, result.peer))
        table.add_row(result.name, ours, peer, result.peer_name, f"{result.ratio:g}", result.note)
    out.print(table)
