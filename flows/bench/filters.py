"""FineWeb's filters (Gopher's two, C4's and its own) over English texts, beside datatrove's: MB of text a second of CPU time, one core."""

from __future__ import annotations

import json
import tempfile
import time
from typing import Any

import pyarrow as pa

from flows.bench import peer
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline import step as steps

CHAIN: tuple[tuple[str, dict[str, Any]], ...] = (
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
    before, peer_s, after = _our_s(texts), _peer_s(texts), _our_s(texts)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = f"{len(texts)} English texts of {megabytes:.1f} MB, by CPU time of one core"
    return Result("filters", "MB/s", round(ours, 2), round(theirs, 3), "datatrove", round(ours / theirs, 1), note)


def _our_s(texts: list[str]) -> float:
    batches = [pa.record_batch({"text": texts[start : start + ROWS]}) for start in range(0, len(texts), ROWS)]
    _run(batches[:1])  # kernels compiled
    before = time.process_time()
    for _ in range(ROUNDS):
        _run(batches)
    return (time.process_time() - before) / ROUNDS


def _run(batches: list[pa.RecordBatch]) -> None:
    for batch in batches:
        going = batch
        for name, settings in CHAIN:
            step = steps.find(name)
            text = step.run(going, step.Config(**settings)).text
            going = going if text is None else pa.record_batch({"text": text})


def _peer_s(texts: list[str]) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        return peer.seconds("datatrove_filters.py", file.name)
