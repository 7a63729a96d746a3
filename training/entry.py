"""How a process of ours takes its job and tells its outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.store import Built
from training.settings import Job, read_job, say


def run(kind: type[Job], work: Callable[[Job], Built]) -> None:
    """Do the job in the file that the command line names; the last line of standard output tells where the result lies."""
    with failures_in_one_line():
        built = work(job(kind))
    say(status="finished" if built.made else "there already", path=built.path)


def job(kind: type[Job]) -> Job:
    """The job in the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} JOB.json")
    return read_job(sys.argv[1], kind)


@contextmanager
def failures_in_one_line() -> Iterator[None]:
    """Exit code 2 where the job cannot be done as it stands, 1 where it failed; why, in a line."""
    try:
        yield
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except (FloatingPointError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
