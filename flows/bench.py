"""Timings beside a peer's, in the same run: `corpusmill bench [NAME…]`.

Results lie in `<root>/bench/results.json`; a later run of a name replaces its entry.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One comparison. `ratio` is ours over the peer's in speed: above 1 where we are faster."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    note: str


def orchestration() -> Result:
    """The demo under Prefect and as plain function calls, one after the other, each from nothing."""
    plain = _demo_seconds("--plain")
    orchestrated = _demo_seconds()
    note = f"orchestration costs {orchestrated - plain:.1f} s, {orchestrated / plain - 1:.1%} of the demo"
    return Result("orchestration", "s", round(orchestrated, 1), round(plain, 1), "plain calls", round(plain / orchestrated, 3), note)


def _demo_seconds(*options: str) -> float:
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        command = [sys.executable, "-m", "flows.cli", "demo", "--root", root, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


BENCHES: dict[str, Callable[[], Result]] = {"orchestration": orchestration}


def run(root: Path, names: list[str]) -> list[Result]:
    """Run the named benches, or all, and keep their results. ValueError where a name is unknown."""
    for name in names:
        if name not in BENCHES:
            raise ValueError(f"no bench {name!r}; expected one of {', '.join(BENCHES)}")
    results = [BENCHES[name]() for name in names or BENCHES]
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
