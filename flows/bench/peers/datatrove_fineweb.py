"""Run by `.venv-peers`, never imported: datatrove's FineWeb chain, less its URL and language filters, from WARC files to kept documents.

Takes the folder of WARC files, how they are called there, and a folder to work in; prints its seconds of CPU time, of all processes, how
many pages it read, and how many documents it keeps.
"""

import json
import os
import resource
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter


def cpu_s() -> float:
    """Of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run(work: str, name: str, steps: list, tasks: int = 1) -> None:
    """One part of the chain, its tasks one after the other."""
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()


def counted(work: str, part: str, step: int, count: str) -> int:
    """What a step of a part says that it counted."""
    said = json.loads(Path(work, "logs", part, "stats.json").read_text())[step]["stats"][count]
    return said["total"] if isinstance(said, dict) else said


if __name__ == "__main__":
    folder, names, work = sys.argv[1:]
    config = MinhashConfig()
    chain = [
        WarcReader(folder, glob_pattern=names),
        Trafilatura(favour_precision=True),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        JsonlWriter(f"{work}/filtered"),
    ]
    before = cpu_s()
    run(work, "filter", chain)
    run(work, "signatures", [JsonlReader(f"{work}/filtered"), MinhashDedupSignature(f"{work}/signatures", config)])
    run(work, "buckets", [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], config.num_buckets)
    run(work, "cluster", [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)])
    kept = [JsonlReader(f"{work}/filtered"), MinhashDedupFilter(f"{work}/remove"), PIIFormatter(), JsonlWriter(f"{work}/kept")]
    run(work, "keep", kept)
    used = cpu_s() - before
    print(used, counted(work, "filter", 0, "documents"), counted(work, "keep", 3, "total"))
