"""What orchestration costs: the demo under Prefect beside the same work as plain function calls."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from flows.bench.result import Result


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
