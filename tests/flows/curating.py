"""Make a recipe's corpus on two processes, without an orchestrator: `curating.py RECIPE ROOT`."""

from __future__ import annotations

import sys
from functools import partial

from flows import job, line, stages

if __name__ == "__main__":
    for stage in stages.curate(job.make(sys.argv[1], sys.argv[2]), partial(line.in_processes, 2)):
        print(stage.name, stage.counts, flush=True)
