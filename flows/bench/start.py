"""From the start of a process to its first batch behind FineWeb's filters: with compiled kernels at hand, beside the very first time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from flows.bench.result import Result

STARTS = 5
FIRST_BATCH = """
import pyarrow as pa
from pipeline import step as steps
batch = pa.record_batch({"text": ["The first sentence of a page, and a second one that ends it.\\n" * 40] * 256})
for name, settings in (("gopher_repetition", {}), ("gopher_quality", {}), ("c4_lines", {"terminal": False}), ("fineweb_quality", {})):
    found = steps.find(name)
    text = found.run(batch, found.Config.model_validate(settings)).text
    batch = batch if text is None else batch.set_column(0, "text", text)
"""


def second_beside_first() -> Result:
    """Seconds by the clock; a start's peer is the one that has to compile."""
    with tempfile.TemporaryDirectory() as cache:
        first, *later = [_start(cache) for _ in range(1 + STARTS)]
    second = median(later)
    note = f"to the first batch of the four filters; median of {STARTS}"
    return Result("second_start", "s", round(second, 2), round(first, 2), "the first start, which compiles", round(first / second, 1), note)


def _start(cache: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST_BATCH], check=True, env={**os.environ, "NUMBA_CACHE_DIR": cache})
    return time.perf_counter() - began
