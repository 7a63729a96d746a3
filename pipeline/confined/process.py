"""Requests are answered in a child process, so that one that never ends, or takes all memory, ends nothing but itself.

The child is kept from call to call. Requests are laid down together, in memory that both see, and answered one by one, so the
first without an answer is the one that ended the child. It is tried once more, alone in a new child, unless it used up its
processor time: what ended the child may have been another's left-overs, or someone's hand, and a request's fate is to depend on
neither.
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

from pipeline.confined import frames
from pipeline.confined.child import DONE, Limits
from pipeline.confined.frames import Frame
from pipeline.step import RowError

_START_TIMEOUT_S = 300  # for a child to load its libraries, or to compile kernels, on a busy machine
_WALL_SECONDS_OF_CPU_SECOND = 10  # a request that waits and does not work is given up in the end
_WALL_START_S = 60
_DEATH_PATIENCE_S = 10  # between the end of a process's answers and its own


class GivenUpError(RuntimeError):
    """Whoever asked does not want the answers any more."""


class Terms(NamedTuple):
    """Under which requests are answered: the task's settings in JSON, and what one request may take."""

    settings: str
    limits: Limits

    @property
    def wall_s(self) -> float:
        """How long an answer may take on a busy machine."""
        return _WALL_START_S + _WALL_SECONDS_OF_CPU_SECOND * self.limits.cpu_s


class _Child:
    """The process, and the files and pipes between it and this one. Raises RuntimeError where it does not start.

    `over` is as in `Confined.answers`.
    """

    def __init__(self, task: str, terms: Terms, over: int | None) -> None:
        self._task, self._given, self._answers = task, _shared_file(), _shared_file()
        self.over = over
        files = (self._given.fileno(), self._answers.fileno())
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        # An interrupt at the keyboard reaches the whole group at once, and this one says when the child ends: it is born with it blocked.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipeline.confined.child", task, *map(str, files)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=files,
                env={**os.environ, "PYTHONPATH": path, "RUST_BACKTRACE": "0"},  # to print one takes memory that is not there
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._ask_here, self._done = self.process.stdin, self.process.stdout
        self.agree(terms)

    def agree(self, terms: Terms) -> None:
        """Have it answer under these terms from now on."""
        self.terms = terms
        try:
            self._ask({"settings": terms.settings, "limits": terms.limits}, _START_TIMEOUT_S)
        except GivenUpError:
            self.end()
            self.close()
            raise
        except (EOFError, TimeoutError) as error:
            raise RuntimeError(f"the process of {self._task} did not start; its status is {self.end()}") from error

    def work(self, requests: Sequence[Frame]) -> None:
        """Have requests answered. Raises EOFError where the process ended, TimeoutError where it seems to do nothing."""
        self._given.seek(0)
        self._answers.truncate(0)
        for request in requests:
            frames.write(self._given.fileno(), request)
        self._ask({"requests": len(requests)}, self.terms.wall_s)

    def answers(self) -> Iterator[Frame | RowError]:
        """The answers, up to the request that is being worked on."""
        self._answers.seek(0)
        while True:
            try:
                yield frames.answer(frames.read(self._answers.fileno()))
            except EOFError:
                return

    def end(self, patience_s: float = 0.0) -> int:
        """End it, if it does not end by itself; the status that it ended with."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Close this side's ends of what is between the two."""
        for file in (self._ask_here, self._done, self._given, self._answers):
            file.close()

    def _ask(self, what: dict[str, Any], timeout_s: float) -> None:
        """Ask for something, and wait until it is done, as long as there is an answer more in every `timeout_s`, or until it is over."""
        try:
            frames.write(self._ask_here.fileno(), Frame(what))
        except BrokenPipeError as error:
            raise EOFError from error
        done, seen = select.poll(), -1
        done.register(self._done, select.POLLIN)
        if self.over is not None:
            done.register(self.over)
        while not (ready := done.poll(timeout_s * 1000)):
            size = os.fstat(self._answers.fileno()).st_size
            if size == seen:
                raise TimeoutError
            seen = size
        if (self._done.fileno(), select.POLLIN) not in ready and any(file == self.over for file, _ in ready):
            raise GivenUpError("the answers are not wanted any more")
        if not os.read(self._done.fileno(), len(DONE)):
            raise EOFError


def _shared_file() -> IO[bytes]:
    """An open file that lies in memory, where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("confined"), "w+b", buffering=0)
    return tempfile.TemporaryFile("w+b", buffering=0)


class Confined:
    """A task that is done in a child of this process, where it has one; one thread at a time talks to it."""

    def __init__(self, task: str) -> None:
        """`task` is the name of a module, as `child` says."""
        self._task, self._lock = task, threading.Lock()
        self._child: _Child | None = None
        self._over: int | None = None
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.stop)

    def answers(self, requests: Sequence[Frame], terms: Terms, over: int | None = None) -> list[Frame | RowError]:
        """The answer to each request, in order.

        Errors: the task's own; `timeout` and `memory` where a request went over its limits, and `failed` where it ended its
        process in another way. Other answers are as they would be without it. Raises RuntimeError where no process starts, and
        GivenUpError soon after the other end of the pipe `over` is closed.
        """
        with self._lock:
            self._over = over
            found: list[Frame | RowError] = []
            while len(found) < len(requests):
                answers, why = self._some(requests[len(found) :], terms)
                found += answers
                if why is not None and why.kind != "timeout":
                    answers, why = self._some([requests[len(found)]], terms)
                    found += answers
                if why is not None:
                    found.append(why)
            return found

    def stop(self) -> None:
        """End the child; the next request starts another."""
        with self._lock:
            self._drop()

    def _some(self, requests: Sequence[Frame], terms: Terms) -> tuple[list[Frame | RowError], RowError | None]:
        """The answers up to the first request that ended the child, and how that one did."""
        child, why = self._ready(terms), None
        try:
            child.work(requests)
        except EOFError:
            why = _fate(child.end(_DEATH_PATIENCE_S), terms.limits)
        except TimeoutError:
            child.end()
            why = RowError("timeout", f"no answer in {terms.wall_s:g} s")
        except BaseException:
            self._drop()
            raise
        found = list(child.answers())
        if found and isinstance(found[-1], RowError) and found[-1].kind == "memory":
            why = found[-1]
            found.pop()
        if why is not None:
            self._drop()
        return found, None if len(found) == len(requests) else why

    def _ready(self, terms: Terms) -> _Child:
        """A child that answers under these terms."""
        if self._child is not None:
            self._child.over = self._over
        if self._child is not None and self._child.terms != terms:
            try:
                self._child.agree(terms)
            except RuntimeError:  # it was there no more; a new one will say what is wrong, if anything is
                self._drop()
        if self._child is None:
            self._child = _Child(self._task, terms, self._over)
        return self._child

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
            child.close()

    def _forget(self) -> None:
        """In a forked process: the child is the other's, and must see its input end when that one does."""
        self._lock = threading.Lock()
        if self._child is not None:
            self._child.close()
            self._child.process.returncode = 0  # not ours to wait for
            self._child = None


def _fate(status: int, limits: Limits) -> RowError:
    """Why a request's process ended. Compiled code that gets no memory aborts."""
    match -status:
        case signal.SIGPROF:
            return RowError("timeout", f"more than {limits.cpu_s:g} s of processor time")
        case signal.SIGABRT:
            return RowError("memory", f"more than {limits.memory_mb} MB")
        case _:
            return RowError("failed", f"its process ended with status {status}")
