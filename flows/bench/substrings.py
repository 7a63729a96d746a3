"""Repeated runs of bytes in real pages, beside a suffix array: MB of text a second of CPU time, one core."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from flows.bench import peer
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline.dedup import substrings
from pipeline.dedup.config import SubstringsConfig
from pipeline.dedup.cuts import without
from pipeline.dedup.lines import Part

CONFIG = SubstringsConfig()
TEXTS_AT_ONCE = 1_000


def beside_suffix_array() -> Result:
    """From texts to what is left of them; the peer only says which bytes are repeated."""
    texts = list(dict.fromkeys(extracted(peer.warcs())))
    size = sum(len(text.encode()) for text in texts)
    batches = pa.table({"text": texts}).to_batches(TEXTS_AT_ONCE)
    _seconds(batches[:1])  # compiled
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes("\0".join(texts).encode())
        peer_s, _ = peer.numbers("suffix_array.py", file.name, str(CONFIG.min_bytes))
    seconds, cut = _seconds(batches)
    note = f"{len(texts)} texts of {size / 1e6:.1f} MB, runs of {CONFIG.min_bytes} bytes: {cut / size:.1%} cut; by CPU time of one core"
    ours, theirs = size / 1e6 / seconds, size / 1e6 / peer_s
    return Result("substrings", "MB/s", round(ours, 1), round(theirs, 2), "pydivsufsort", round(ours / theirs, 1), note)


def _seconds(batches: list[pa.RecordBatch]) -> tuple[float, int]:
    """What it takes, and the bytes that are cut."""
    count, cut = sum(map(len, batches)), 0
    before = cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        part = Part(0, lambda: (batch["text"] for batch in batches))
        found = substrings.find(CONFIG, [part], np.arange(count), Path(folder))
        first = 0
        for batch in batches:
            spans = substrings.cut(batch["text"], first, found).spans
            without(batch["text"], spans)
            cut += int((spans.ends - spans.starts).sum())
            first += len(batch)
    return cpu_s() - before, cut
