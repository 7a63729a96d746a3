"""The process in which pages are parsed: `python -m pipeline.extraction.child PAGES ANSWERS`, started by `guarded`.

PAGES and ANSWERS are numbers of open files. Frames on standard input say what to do, and a byte on standard output says that it
is done: a configuration, once all that takes long to load is there; or a count of pages, which begin at the start of PAGES, once
each has its answer in ANSWERS. An answer is written before the next page is looked at; the first that went out of memory is the
last. The kernel ends the process where a page takes more processor time than it may, whatever code is running. It ends by itself
when its input does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from pipeline.extraction import frames
from pipeline.extraction.frames import Frame
from pipeline.extraction.page import Config, parsed
from pipeline.step import RowError

DONE = b"."

_MEMORY_IN_PAGES = Path("/proc/self/statm")
_DATA_FIELD = 5  # proc_pid_statm(5): data and stack, in pages


def main() -> None:
    """Do what is asked until nothing more is."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # reaches the whole group at once: the parent says when this one ends
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages, answers, done = int(sys.argv[1]), int(sys.argv[2]), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints says nothing of being done
    config = Config()
    while asked := _asked():
        if "config" in asked:
            config = Config.model_validate_json(asked["config"])
            _prepare(config)
        else:
            _answer_pages(asked["pages"], pages, answers, config)
        os.write(done, DONE)


def _asked() -> dict[str, Any] | None:
    try:
        return frames.read(sys.stdin.fileno()).head
    except EOFError:
        return None


def _answer_pages(count: int, pages: int, answers: int, config: Config) -> None:
    for file in (pages, answers):
        os.lseek(file, 0, os.SEEK_SET)
    for _ in range(count):
        try:
            frames.write(answers, _answer(frames.read(pages), config))
        except MemoryError:
            frames.write(answers, Frame({"error": "memory", "detail": f"more than {config.max_memory_mb} MB"}))
            return


def _prepare(config: Config) -> None:
    """Load what the engine needs, then bound what a page may add to it."""
    parsed(b"<p>text</p>", None, None, config)
    limit = _held_bytes() + config.max_memory_mb * 1_000_000
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _held_bytes() -> int:
    """The memory that counts against the limit; where the system does not say, none."""
    if not _MEMORY_IN_PAGES.exists():
        return 0
    return int(_MEMORY_IN_PAGES.read_text("ascii").split()[_DATA_FIELD]) * resource.getpagesize()


def _answer(frame: Frame, config: Config) -> Frame:
    signal.setitimer(signal.ITIMER_PROF, config.page_timeout_s)
    found = parsed(frame.body, frame.head["charset"], frame.head["url"], config)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if isinstance(found, RowError):
        return Frame({"error": found.kind, "detail": found.detail})
    return Frame({"charset": found.charset, "metadata": found.metadata._asdict()}, found.text.encode())


if __name__ == "__main__":
    main()
