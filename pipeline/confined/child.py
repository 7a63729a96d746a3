"""The process in which hostile input is worked on: `python -m pipeline.confined.child TASK REQUESTS ANSWERS`.

TASK is a module with `load(settings)`, which loads all that takes long and gives what makes an answer of a request. REQUESTS and
ANSWERS are numbers of open files. Frames on standard input say what to do, and a byte on standard output says that it is done:
settings and limits, once the task is loaded; or a count of requests, which begin at the start of REQUESTS, once each has its answer
in ANSWERS. An answer is written before the next request is looked at; the first that went out of memory is the last. The kernel
ends the process where a request takes more processor time than it may, whatever code is running. It ends by itself when its input
does.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.confined import frames
from pipeline.confined.frames import Frame
from pipeline.step import RowError

DONE = b"."

_MEMORY_IN_PAGES = Path("/proc/self/statm")
_DATA_FIELD = 5  # proc_pid_statm(5): data and stack, in pages


Answer = Callable[[Frame], Frame | RowError]  # may raise MemoryError


class Limits(NamedTuple):
    """What one request may take."""

    cpu_s: float
    memory_mb: int  # beyond what the process holds anyway


def main() -> None:
    """Do what is asked until nothing more is."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task: Any = importlib.import_module(sys.argv[1])
    requests, answers, done = int(sys.argv[2]), int(sys.argv[3]), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints says nothing of being done
    while asked := _asked():
        if "settings" in asked:
            limits: Limits = Limits(*asked["limits"])
            answer: Answer = task.load(asked["settings"])
            _limit_memory(limits)
        else:
            for file in (requests, answers):
                os.lseek(file, 0, os.SEEK_SET)
            _answer_all(asked["requests"], requests, answers, answer, limits)
        os.write(done, DONE)


def _asked() -> dict[str, Any] | None:
    try:
        return frames.read(sys.stdin.fileno()).head
    except EOFError:
        return None


def _answer_all(count: int, requests: int, answers: int, answer: Answer, limits: Limits) -> None:
    for _ in range(count):
        request = frames.read(requests)
        try:
            signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
            found = answer(request)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except MemoryError:
            signal.setitimer(signal.ITIMER_PROF, 0)
            frames.write(answers, frames.failure(RowError("memory", f"more than {limits.memory_mb} MB")))
            return
        frames.write(answers, frames.failure(found) if isinstance(found, RowError) else found)


def _limit_memory(limits: Limits) -> None:
    limit = _held_bytes() + limits.memory_mb * 1_000_000
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _held_bytes() -> int:
    """The memory that counts against the limit; where the system does not say, none."""
    if not _MEMORY_IN_PAGES.exists():
        return 0
    return int(_MEMORY_IN_PAGES.read_text("ascii").split()[_DATA_FIELD]) * resource.getpagesize()


if __name__ == "__main__":
    main()
