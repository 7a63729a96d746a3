"""Texts → token shards in Parquet, beside `encode_batch_fast` of tokenizers with the same writer: MB/s of CPU time, one core.

The texts of `encode` are those of the pages in the WARC files. `encode_gigatoken` wants 500 MB that no text comes twice in, for what it
remembers is what it is fast by: those texts, and the documentation, manual pages and programs of this machine, whatever is text there.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from xxhash import xxh3_128_digest

from flows.bench import peer
from flows.bench.result import Result
from flows.bench.texts import extracted
from pipeline import schema, tokenizer
from pipeline.store import Store, Version

LARGE_BYTES = 520_000_000
TRAIN_MB, VOCABULARY = 10, 32_768
PEER_BYTES = (
    24_000_000  # of the large set: what tokenizers is timed on, taken at equal steps; its speed does not depend on how much it has read
)
TEXT_BYTES = (200, 2_000_000)  # of a file on this machine, as text
FILES = ("/usr/share/doc", "/usr/share/man", "/usr/lib", "/usr/share", "/usr/include", sys.prefix)
PART_ROWS = 512

# In a fresh process: encode the corpus as `pack` does, so many times, and say each time's seconds of CPU time.
_PROGRAM = """
import sys, time
from pipeline import pack, token_runs
from pipeline.store import Store
root, corpus, trained, engine, rounds = sys.argv[1:]
store = Store(root)
token_runs._made(store.root, trained, engine)
for number in range(int(rounds)):
    began = time.process_time()
    pack.build(store, f"bench-{engine}-{number}", corpus, trained, pack.PackConfig(engine=engine))
    print(time.process_time() - began, flush=True)
"""


def beside_tokenizers() -> Result:
    """The default engine, its own check of one document in a hundred included."""
    texts = extracted(peer.warcs())
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        corpus, trained = _corpus(store, "all", iter(texts)), _tokenizer(store, texts)
        # Before and after the peer: how fast the machine is may change within its minute.
        (before,), (peer_s,), (after,) = (_seconds(store, corpus, trained, engine, 1) for engine in ("tiktoken", "tokenizers", "tiktoken"))
    megabytes = _size(texts)
    ours, theirs = 2 * megabytes / (before + after), megabytes / peer_s
    note = f"{len(texts)} texts of {megabytes:.0f} MB to Parquet, {VOCABULARY} entries, by CPU time of one core"
    return Result("encode", "MB/s", round(ours, 2), round(theirs, 2), "tokenizers", round(ours / theirs, 1), note)


def gigatoken_beside_tokenizers() -> Result:
    """A process that has met no word, and drops what it remembers as it goes; again over the same texts, it is warm."""
    texts = list(_large())
    megabytes = _size(texts)
    if megabytes * 1e6 < LARGE_BYTES * 0.96:
        raise RuntimeError(f"expected {LARGE_BYTES / 1e6:.0f} MB of texts on this machine, not {megabytes:.0f}")
    step = max(round(megabytes * 1e6 / PEER_BYTES), 1)
    few = texts[::step]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        trained = _tokenizer(store, few)
        corpus, small = _corpus(store, "large", iter(texts)), _corpus(store, "few", iter(few))
        (before,) = _seconds(store, small, trained, "tokenizers", 1)
        (cold,) = _seconds(store, corpus, trained, "gigatoken", 1)
        (after,) = _seconds(store, small, trained, "tokenizers", 1)
        _, warm = _seconds(store, small, trained, "gigatoken", 2)
    ours, theirs = megabytes / cold, 2 * _size(few) / (before + after)
    again = f"over {_size(few):.0f} MB of them once more, {_size(few) / warm:.1f} MB/s"
    note = f"{len(texts)} texts of {megabytes:.0f} MB to Parquet in a fresh process; {again}; by CPU time"
    return Result("encode_gigatoken", "MB/s", round(ours, 2), round(theirs, 2), "tokenizers", round(ours / theirs, 1), note)


def _size(texts: list[str]) -> float:
    """Megabytes of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def _seconds(store: Store, corpus: str, trained: str, engine: str, rounds: int) -> list[float]:
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", _PROGRAM, store.root, corpus, trained, engine, str(rounds)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return [float(line) for line in said.split()]


def _corpus(store: Store, name: str, texts: Iterator[str]) -> str:
    """The texts as a corpus's documents, all of them to train on."""

    def write(version: Version) -> dict[str, int]:
        number = 0
        with version.parquet("documents/part-00000.parquet", schema.DOCUMENTS) as rows:
            while some := [text for _, text in zip(range(PART_ROWS), texts, strict=False)]:
                ids = schema.doc_ids([schema.doc_id("bench", str(number + row).encode()) for row in range(len(some))])
                blank = pa.nulls(len(some), pa.string())
                rows.write(
                    pa.table([ids, blank.fill_null("bench"), blank, blank.fill_null("train"), pa.array(some)], schema=schema.DOCUMENTS)
                )
                number += len(some)
        return {"documents": number}

    return store.build("corpora/bench", {"texts": name}, write).path


def _tokenizer(store: Store, texts: list[str]) -> str:
    """A tokenizer trained on texts taken at equal steps."""
    few = texts[:: max(round(_size(texts) / TRAIN_MB), 1)]
    config = tokenizer.TokenizerConfig(vocabulary=VOCABULARY, sample_mb=TRAIN_MB)
    return tokenizer.build(store, "bench", _corpus(store, "training", iter(few)), config).path


def _large() -> Iterator[str]:
    """Texts, each once, up to LARGE_BYTES."""
    seen, size = set[bytes](), 0
    for text in _found():
        key = xxh3_128_digest(text.encode())
        if key not in seen and size < LARGE_BYTES:
            seen.add(key)
            size += len(text.encode())
            yield text


def _found() -> Iterator[str]:
    yield from extracted(peer.warcs())
    for folder in FILES:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes() if path.stat().st_size <= TEXT_BYTES[1] else b""
                data = gzip.decompress(data) if path.suffix == ".gz" and data.startswith(b"\x1f\x8b") else data
                if TEXT_BYTES[0] <= len(data) <= TEXT_BYTES[1] and b"\x00" not in data:
                    try:
                        yield data.decode()
                    except UnicodeDecodeError:  # no text, or none in UTF-8
                        continue
