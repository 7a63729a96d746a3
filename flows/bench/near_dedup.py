"""Near-deduplication of a million generated documents, from Parquet to the kept ones as Parquet, beside peers: CPU seconds.

A peer works on a part. Its time for all is extrapolated in a straight line, from what the second of two parts takes longer than the first:
so what it takes to start does not count.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.bench import generated, peer
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from pipeline.dedup.config import NearConfig
from pipeline.dedup.near import near_duplicates
from pipeline.dedup.survivors import storage

DOCUMENTS = 1_000_000
Parts = tuple[int, int]


def beside_datatrove() -> Result:
    """datatrove's four MinHash steps as they come: 14 bands of 8 values, and nothing verified."""
    return _beside("near_dedup", "datatrove", (2_000, 10_000), "datatrove_near.py")


def beside_rensa() -> Result:
    """rensa's deduplicator: signatures verified by signatures."""
    return _beside("near_dedup.rensa", "rensa", (10_000, 50_000), "library_near.py", "rensa")


def beside_datasketch() -> Result:
    """datasketch's MinHash and MinHashLSH, as text-dedup and its like use them."""
    return _beside("near_dedup.datasketch", "datasketch", (10_000, 50_000), "library_near.py", "datasketch")


def _beside(name: str, peer_name: str, parts: Parts, script: str, *arguments: str) -> Result:
    peer.expect()
    ours, kept, megabytes = _ours()
    with tempfile.TemporaryDirectory() as folder:
        small, large = (_said(Path(folder), documents, script, *arguments) for documents in parts)
    seconds = [(late - early) / (parts[1] - parts[0]) * DOCUMENTS for early, late in zip(small[:-1], large[:-1], strict=True)]
    inside = "".join(f" ({value:.1f} of them in the library)" for value in seconds[1:])
    note = (
        f"{DOCUMENTS:,} documents of {megabytes:.0f} MB, {kept / DOCUMENTS:.1%} kept, by CPU time; "
        f"the peer's{inside} extrapolated from {parts[0]:,} and {parts[1]:,}, of which it keeps {large[-1] / parts[1]:.1%}"
    )
    return Result(name, "s", round(ours, 1), round(seconds[0], 1), peer_name, round(seconds[0] / ours, 1), note)


def _said(work: Path, documents: int, script: str, *arguments: str) -> list[float]:
    """What a peer's script says of a part: seconds, perhaps those in its library, and the documents kept."""
    file, folder = work / f"{documents}.parquet", work / str(documents)
    generated.write(file, documents)
    folder.mkdir()
    return peer.numbers(script, *arguments, file, folder)


@cache
def _ours() -> tuple[float, int, float]:
    """Seconds, documents kept, and MB of text."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for documents, file in ((2, "first"), (DOCUMENTS, "all")):
            generated.write(work / file, documents)
        _deduplicate(work / "first", work / "kept")  # kernels compiled
        before = cpu_s()
        kept, size = _deduplicate(work / "all", work / "kept")
        return cpu_s() - before, kept, size / 1e6


def _deduplicate(given: Path, kept: Path) -> tuple[int, int]:
    """Documents kept, and bytes of text read."""
    table = pq.read_table(given)
    doc_ids = generated.doc_ids(table)
    found = near_duplicates(doc_ids, table["text"], np.zeros(len(table), np.int64), NearConfig())
    left = table.filter(pc.invert(pc.is_in(doc_ids.storage, storage(found["doc_id"]))))
    pq.write_table(left, kept, compression="zstd")
    return len(left), pc.sum(pc.binary_length(table["text"])).as_py()
