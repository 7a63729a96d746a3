"""How a process of ours takes its job and tells its outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.store import Built
from training.settings import Job, read_job, say


def run(kind: type[Job], work: Callable[[Job], Built]) -> None:
    """Do the job in the file that the command line names; the last line of standard output tells where the result lies.

    Exit code 2: the job cannot be done as it stands; 1: a failure.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} JOB.json")
    try:
        built = work(read_job(sys.argv[1], kind))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    say(status="finished" if built.made else "there already", path=built.path)
