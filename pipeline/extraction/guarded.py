"""Pages are parsed in a child process, so that one that never ends, or takes all memory, ends nothing but itself.

There is one child for a process, kept from batch to batch. Pages are laid down together, in memory that both see, and answered
one by one, so the first without an answer is the one that ended the child. It is tried once more, alone in a new child, unless
it used up its processor time: what ended the child may have been another page's left-overs, or someone's hand, and a page's fate
is to depend on neither.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from pipeline.extraction import frames
from pipeline.extraction.child import DONE
from pipeline.extraction.frames import Frame
from pipeline.extraction.metadata import Metadata
from pipeline.extraction.page import Config, Page
from pipeline.step import RowError

_START_TIMEOUT_S = 300  # for a child to load its libraries, or to compile kernels, on a busy machine
_WALL_SECONDS_OF_CPU_SECOND = 10  # a page that waits and does not work is given up in the end
_WALL_START_S = 60
_DEATH_PATIENCE_S = 10  # between the end of a process's answers and its own


class Request(NamedTuple):
    """A page to parse: its bytes, and what the server said of them."""

    content: bytes
    charset: str | None
    url: str | None


class _Child:
    """The process, and the files and pipes between it and this one. Raises RuntimeError where it does not start."""

    def __init__(self, config: Config) -> None:
        self._pages, self._answers = _shared_file(), _shared_file()
        files = (self._pages.fileno(), self._answers.fileno())
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.extraction.child", *map(str, files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=files,
            env={**os.environ, "PYTHONPATH": path, "RUST_BACKTRACE": "0"},  # to print one takes memory that is not there
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests, self._done = self.process.stdin, self.process.stdout
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Have it read by this configuration from now on."""
        self.config = config
        try:
            self._ask({"config": config.model_dump_json()}, _START_TIMEOUT_S)
        except (EOFError, TimeoutError) as error:
            raise RuntimeError(f"the process that parses pages did not start; its status is {self.end()}") from error

    def read(self, requests: Sequence[Request]) -> None:
        """Have pages read. Raises EOFError where the process ended, TimeoutError where it seems to do nothing."""
        self._pages.seek(0)
        self._answers.truncate(0)
        for request in requests:
            frames.write(self._pages.fileno(), Frame({"charset": request.charset, "url": request.url}, request.content))
        self._ask({"pages": len(requests)}, _wall_s(self.config))

    def answers(self) -> Iterator[Page | RowError]:
        """What was in the pages, up to the one that is being read."""
        self._answers.seek(0)
        while True:
            try:
                head, body = frames.read(self._answers.fileno())
            except EOFError:
                return
            if "error" in head:
                yield RowError(head["error"], head["detail"])
            else:
                yield Page(str(body, "utf-8"), head["charset"], Metadata(**head["metadata"]))

    def end(self, patience_s: float = 0.0) -> int:
        """End it, if it does not end by itself; the status that it ended with."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Close this side's ends of what is between the two."""
        for file in (self._requests, self._done, self._pages, self._answers):
            file.close()

    def _ask(self, what: dict[str, Any], timeout_s: float) -> None:
        """Ask for something, and wait until it is done, as long as there is an answer more in every `timeout_s`."""
        try:
            frames.write(self._requests.fileno(), Frame(what))
        except BrokenPipeError as error:
            raise EOFError from error
        done, seen = select.poll(), -1
        done.register(self._done, select.POLLIN)
        while not done.poll(timeout_s * 1000):
            size = os.fstat(self._answers.fileno()).st_size
            if size == seen:
                raise TimeoutError
            seen = size
        if not os.read(self._done.fileno(), len(DONE)):
            raise EOFError


def _shared_file() -> IO[bytes]:
    """An open file that lies in memory, where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("pages"), "w+b", buffering=0)
    return tempfile.TemporaryFile("w+b", buffering=0)


class _Held:
    """The child of this process, where it has one; one thread at a time talks to it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.child: _Child | None = None

    def ready(self, config: Config) -> _Child:
        """A child that reads by this configuration."""
        if self.child is not None and self.child.config != config:
            try:
                self.child.configure(config)
            except RuntimeError:  # it was there no more; a new one will say what is wrong, if anything is
                self.drop()
        if self.child is None:
            self.child = _Child(config)
        return self.child

    def drop(self) -> None:
        """End the child, where there is one."""
        child, self.child = self.child, None
        if child is not None:
            child.end()
            child.close()

    def forget(self) -> None:
        """In a forked process: the child is the other's, and must see its input end when that one does."""
        self.lock = threading.Lock()
        if self.child is not None:
            self.child.close()
            self.child.process.returncode = 0  # not ours to wait for
            self.child = None


_held = _Held()
os.register_at_fork(after_in_child=_held.forget)


@atexit.register
def stop() -> None:
    """End the child; the next page starts another."""
    with _held.lock:
        _held.drop()


def read(requests: Sequence[Request], config: Config) -> list[Page | RowError]:
    """What is in each page, in order.

    Errors: those of `page.parsed`; `timeout` and `memory` where a page went over its limits, and `failed` where it ended its
    process in another way. Other pages are as they would be without it. Raises RuntimeError where no process starts.
    """
    with _held.lock:
        found: list[Page | RowError] = []
        while len(found) < len(requests):
            answers, why = _pages(requests[len(found) :], config)
            found += answers
            if why is not None and why.kind != "timeout":
                answers, why = _pages([requests[len(found)]], config)
                found += answers
            if why is not None:
                found.append(why)
        return found


def _pages(requests: Sequence[Request], config: Config) -> tuple[list[Page | RowError], RowError | None]:
    """What is in the pages up to the first that ended the child, and how that one did."""
    child, why = _held.ready(config), None
    try:
        child.read(requests)
    except EOFError:
        why = _fate(child.end(_DEATH_PATIENCE_S), config)
    except TimeoutError:
        child.end()
        why = RowError("timeout", f"no answer in {_wall_s(config):g} s")
    except BaseException:
        _held.drop()
        raise
    found = list(child.answers())
    if found and isinstance(found[-1], RowError) and found[-1].kind == "memory":
        why = found[-1]
        found.pop()
    if why is not None:
        _held.drop()
    return found, None if len(found) == len(requests) else why


def _fate(status: int, config: Config) -> RowError:
    """Why a page's process ended. Compiled code that gets no memory aborts."""
    match -status:
        case signal.SIGPROF:
            return RowError("timeout", f"more than {config.page_timeout_s:g} s of processor time")
        case signal.SIGABRT:
            return RowError("memory", f"more than {config.max_memory_mb} MB")
        case _:
            return RowError("failed", f"its process ended with status {status}")


def _wall_s(config: Config) -> float:
    return _WALL_START_S + _WALL_SECONDS_OF_CPU_SECOND * config.page_timeout_s
