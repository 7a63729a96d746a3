"""Run by `.venv-peers`, never imported: datatrove's own way from WARC files to extracted documents on disk, in one process.

Prints its seconds of CPU time, of all processes.
"""

import os
import resource
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import JsonlWriter


def cpu_s() -> float:
    """Of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    warcs, work = sys.argv[1:]
    steps = [WarcReader(warcs, glob_pattern="*.warc.gz"), Trafilatura(favour_precision=True), JsonlWriter(f"{work}/text")]
    before = cpu_s()
    LocalPipelineExecutor(pipeline=steps, tasks=1, workers=1, logging_dir=f"{work}/logs").run()
    print(cpu_s() - before)
