"""From texts to MinHash signatures, beside datatrove's: MB of text a second of CPU time, one core."""

from __future__ import annotations

import json
import tempfile

import pyarrow as pa

from flows.bench import peer
from flows.bench.cpu import cpu_s
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline.dedup.config import NearConfig
from pipeline.dedup.minhash import signatures

BYTES, ROUNDS = 10_000_000, 5
CONFIG = NearConfig()


def beside_datatrove() -> Result:
    """As many values a signature, of shingles of as many words; what is written to disk, and sorted there, is left out on both sides."""
    peer.expect()
    texts = extracted(peer.warcs(), BYTES, "en")
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    column = pa.array(texts, pa.large_string())
    # Before and after the peer: how fast the machine is may change within its minute.
    before, peer_s, after = _seconds(column), _peer_seconds(texts), _seconds(column)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = (
        f"{CONFIG.permutations} values, {CONFIG.shingle_words} words a shingle, {len(texts)} English texts of {megabytes:.1f} MB, "
        "by CPU time of one core"
    )
    return Result("signatures", "MB/s", round(ours, 1), round(theirs, 3), "datatrove", round(ours / theirs, 1), note)


def _seconds(texts: pa.Array) -> float:
    signatures(texts[:10], CONFIG)  # compiled
    before = cpu_s()
    for _ in range(ROUNDS):
        signatures(texts, CONFIG)
    return (cpu_s() - before) / ROUNDS


def _peer_seconds(texts: list[str]) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        return peer.seconds("datatrove_signatures.py", file.name, str(CONFIG.permutations), str(CONFIG.shingle_words))
