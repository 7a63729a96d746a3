"""FineWeb's filters (Gopher's two, C4's and its own) over English texts, beside datatrove's: MB of text a second of CPU time, one core."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from flows.bench import peer
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline import step as steps
from pipeline.step import Step, StepConfig

Chain = tuple[tuple[str, Mapping[str, Any]], ...]

CHAIN: Chain = (
    ("gopher_repetition", {}),
    ("gopher_quality", {}),
    ("c4_lines", {"terminal": False}),
    ("fineweb_quality", {}),
)
BYTES, ROWS, ROUNDS = 10_000_000, 256, 5


def beside_datatrove() -> Result:
    """Our steps measure every text; the peer's filters pass over what an earlier one has dropped, as its pipelines do."""
    peer.expect()
    texts = extracted(peer.warcs(), BYTES, "en")
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    # Before and after the peer: how fast the machine is may change within its minute.
    before, peer_s, after = seconds(texts, CHAIN), peer_seconds(texts), seconds(texts, CHAIN)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = f"{len(texts)} English texts of {megabytes:.1f} MB, by CPU time of one core"
    return Result("filters", "MB/s", round(ours, 2), round(theirs, 3), "datatrove", round(ours / theirs, 1), note)


def seconds(texts: list[str], chain: Chain) -> float:
    """CPU time of this process for the steps over the texts, kernels compiled and models loaded before."""
    columns = {"text": texts, "url": [f"https://host-{number}.example.org/page" for number in range(len(texts))]}
    whole = pa.record_batch(columns)
    batches = [whole.slice(start, ROWS) for start in range(0, len(texts), ROWS)]
    uses = [(steps.find(name), steps.find(name).Config.model_validate(settings)) for name, settings in chain]
    _run(batches[:1], uses)
    before = time.process_time()
    for _ in range(ROUNDS):
        _run(batches, uses)
    return (time.process_time() - before) / ROUNDS


def _run(batches: list[pa.RecordBatch], uses: list[tuple[Step, StepConfig]]) -> None:
    for batch in batches:
        going = batch
        for step, config in uses:
            text = step.run(going, config).text
            going = going if text is None else going.set_column(0, "text", text)


def peer_seconds(texts: list[str]) -> float:
    """CPU time of datatrove's four filters over the texts."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        return peer.seconds("datatrove_filters.py", file.name)
