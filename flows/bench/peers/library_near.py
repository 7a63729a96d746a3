"""Run by `.venv-peers`, never imported: near-deduplication as a script around a library does it, from Parquet to Parquet.

Takes the library, `rensa` or `datasketch`, a Parquet file with `text`, and a folder to work in; prints its seconds of CPU time, all
threads together, and those that went by in the library.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from datasketch import MinHash, MinHashLSH
from measured import cpu_s
from rensa import RMinHashDeduplicator

SIMILARITY, VALUES, SHINGLE_WORDS = 0.8, 128, 5


def shingles(text: str) -> list[str]:
    """Runs of words, cut at spaces."""
    words = text.split()
    return [" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(len(words) - SHINGLE_WORDS + 1, 1))]


def by_rensa(documents: list[list[str]]) -> list[bool]:
    """Which are kept: its deduplicator, which checks what it finds by the signatures."""
    found = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=VALUES, use_lsh=True)
    return found.add_pairs((str(number), shingles) for number, shingles in enumerate(documents))


def by_datasketch(documents: list[list[str]]) -> list[bool]:
    """Which are kept: those that its index finds nothing like."""
    index = MinHashLSH(threshold=SIMILARITY, num_perm=VALUES)
    kept = []
    for number, sketch in enumerate(MinHash.generator(([each.encode() for each in shingles] for shingles in documents), num_perm=VALUES)):
        kept.append(not index.query(sketch))
        if kept[-1]:
            index.insert(number, sketch)
    return kept


if __name__ == "__main__":
    library, file, work = sys.argv[1:]
    before = cpu_s()
    table = pq.read_table(file)
    documents = [shingles(text) for text in table["text"].to_pylist()]
    began = cpu_s()
    kept = {"rensa": by_rensa, "datasketch": by_datasketch}[library](documents)
    in_library = cpu_s() - began
    pq.write_table(table.filter(np.array(kept)), Path(work) / "kept.parquet", compression="zstd")
    print(cpu_s() - before, in_library, sum(kept))
