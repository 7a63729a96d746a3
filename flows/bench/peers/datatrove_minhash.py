"""datatrove's MinHash steps as they come, for the scripts beside it; they are run by `.venv-peers`."""

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets


def run(work: str, name: str, steps: list[PipelineStep], tasks: int = 1) -> None:
    """Part of a chain, its tasks one after the other."""
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()


def deduplicate(work: str, reader: PipelineStep, after: list[PipelineStep]) -> None:
    """All four: what the reader reads, without the duplicates, to the steps after."""
    config = MinhashConfig()
    run(work, "signatures", [reader, MinhashDedupSignature(f"{work}/signatures", config)])
    run(work, "buckets", [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], config.num_buckets)
    run(work, "cluster", [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)])
    run(work, "keep", [reader, MinhashDedupFilter(f"{work}/remove"), *after])
