"""Run by `.venv-peers`, never imported: datatrove's four MinHash steps as it comes, from a Parquet file to the kept documents as Parquet.

Takes the file, with `id` and `text`, and a folder to work in; prints its seconds of CPU time, and how many documents it keeps.
"""

import os
import resource
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def cpu_s() -> float:
    """Of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run(work: str, name: str, steps: list, tasks: int = 1) -> None:
    """One of the steps, its tasks one after the other."""
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()


if __name__ == "__main__":
    file, work = sys.argv[1:]
    reader = ParquetReader(str(Path(file).parent), glob_pattern=Path(file).name)
    config = MinhashConfig()
    before = cpu_s()
    run(work, "signatures", [reader, MinhashDedupSignature(f"{work}/signatures", config)])
    run(work, "buckets", [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], config.num_buckets)
    run(work, "cluster", [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)])
    run(work, "filter", [reader, MinhashDedupFilter(f"{work}/remove"), ParquetWriter(f"{work}/kept")])
    used = cpu_s() - before
    print(used, sum(pq.read_metadata(path).num_rows for path in Path(work, "kept").glob("*.parquet")))
