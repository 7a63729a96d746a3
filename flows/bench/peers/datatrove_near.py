"""Run by `.venv-peers`, never imported: datatrove's four MinHash steps as it comes, from a Parquet file to the kept documents as Parquet.

Takes the file, with `id` and `text`, and a folder to work in; prints its seconds of CPU time, and how many documents it keeps.
"""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pyarrow.parquet as pq
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove_minhash import deduplicate
from measured import cpu_s

if __name__ == "__main__":
    file, work = sys.argv[1:]
    reader = ParquetReader(str(Path(file).parent), glob_pattern=Path(file).name)
    before = cpu_s()
    deduplicate(work, reader, [ParquetWriter(f"{work}/kept")])
    used = cpu_s() - before
    print(used, sum(pq.read_metadata(path).num_rows for path in Path(work, "kept").glob("*.parquet")))
