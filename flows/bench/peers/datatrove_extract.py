"""Run by `.venv-peers`, never imported: datatrove's own way from WARC files to extracted documents on disk, in one process.

Prints its seconds of CPU time, of all processes.
"""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import JsonlWriter
from measured import cpu_s

if __name__ == "__main__":
    warcs, work = sys.argv[1:]
    steps = [WarcReader(warcs, glob_pattern="*.warc.gz"), Trafilatura(favour_precision=True), JsonlWriter(f"{work}/text")]
    before = cpu_s()
    LocalPipelineExecutor(pipeline=steps, tasks=1, workers=1, logging_dir=f"{work}/logs").run()
    print(cpu_s() - before)
