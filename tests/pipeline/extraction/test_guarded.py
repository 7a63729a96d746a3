"""A page that never ends, or takes all memory, ends nothing but itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from nasty import PROSE

from pipeline.extraction import guarded
from pipeline.extraction.guarded import Request, read
from pipeline.extraction.page import Config, Page, parsed
from pipeline.step import RowError

ROOT = Path(__file__).parents[3]
LIMITS = {"max_depth": 10**9, "max_options": 10**9}  # out of the way of what is tested here

SLOW = b"<div>" * 20_000 + b"text"  # seconds, in compiled code
LARGE = b"<p>lorem ipsum</p>" * 500_000
NEIGHBOURS = [f"<title>{name}</title><p>{PROSE} {name}</p>".encode() for name in ("one", "two", "three", "four")]


def requests(*pages: bytes) -> list[Request]:
    return [Request(page, None, None) for page in pages]


def alone(page: bytes, config: Config) -> Page | RowError:
    return parsed(page, None, None, config)


def process_id() -> int:
    assert guarded._held.child is not None
    return guarded._held.child.process.pid


def is_running(process: int) -> bool:
    """Whether there is such a process, and not only its number."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_pages_come_out_as_they_do_without_a_child() -> None:
    config = Config(engine="best")
    assert read(requests(*NEIGHBOURS), config) == [alone(page, config) for page in NEIGHBOURS]
    assert read([], config) == []


def test_a_page_without_end_is_stopped_and_its_neighbours_are_not() -> None:
    config = Config(page_timeout_s=0.2, **LIMITS)
    one, two, *rest = NEIGHBOURS
    found = read(requests(one, SLOW, two, SLOW, *rest), config)
    assert found[1] == found[3] == RowError("timeout", "more than 0.2 s of processor time")
    assert [found[0], found[2], *found[4:]] == [alone(page, config) for page in NEIGHBOURS]


def test_a_page_that_takes_all_memory_is_stopped_and_its_neighbours_are_not() -> None:
    config = Config(max_memory_mb=30, **LIMITS)
    one, two, *rest = NEIGHBOURS
    found = read(requests(one, LARGE, two, *rest), config)
    assert found[1] == RowError("memory", "more than 30 MB")
    assert [found[0], *found[2:]] == [alone(page, config) for page in NEIGHBOURS]
    assert isinstance(read(requests(LARGE), Config(max_memory_mb=2000, **LIMITS))[0], Page)


def test_the_child_is_kept_from_batch_to_batch() -> None:
    read(requests(NEIGHBOURS[0]), Config())
    first = process_id()
    read(requests(NEIGHBOURS[1]), Config(engine="raw"))
    assert process_id() == first


def test_a_child_that_was_killed_between_batches_is_replaced() -> None:
    for config in (Config(), Config(engine="best")):
        read(requests(NEIGHBOURS[0]), Config())
        os.kill(process_id(), signal.SIGKILL)
        assert read(requests(*NEIGHBOURS), config) == [alone(page, config) for page in NEIGHBOURS]


def test_a_child_that_is_killed_at_work_costs_no_page() -> None:
    config = Config(**LIMITS)
    pages = NEIGHBOURS * 100 + [b"<div>" * 4_000 + b"text"] + NEIGHBOURS * 100
    expected = read(requests(*pages), config)
    first = process_id()
    killer = threading.Timer(0.1, os.kill, (first, signal.SIGKILL))
    killer.start()
    assert read(requests(*pages), config) == expected
    killer.join()
    assert process_id() != first


def test_a_page_that_ends_its_process_every_time_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(**LIMITS)
    read(requests(NEIGHBOURS[0]), config)
    ends = []

    def killed(child: guarded._Child, patience_s: float = 0.0) -> int:
        ends.append(child)
        return end(child, patience_s)

    end = guarded._Child.end
    read_pages = guarded._Child.read

    def dying(child: guarded._Child, given: list[Request]) -> None:
        if SLOW in [request.content for request in given]:
            threading.Timer(0.3, os.kill, (child.process.pid, signal.SIGSEGV)).start()
        read_pages(child, given)

    monkeypatch.setattr(guarded._Child, "end", killed)
    monkeypatch.setattr(guarded._Child, "read", dying)
    found = read(requests(NEIGHBOURS[0], SLOW, NEIGHBOURS[1]), config)
    assert found[1] == RowError("failed", f"its process ended with status {-signal.SIGSEGV}")
    assert [found[0], found[2]] == [alone(page, config) for page in NEIGHBOURS[:2]]
    assert len(set(map(id, ends))) == 2


def test_a_child_that_does_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_WALL_START_S", 0.2)
    config = Config(page_timeout_s=0.05)
    read(requests(NEIGHBOURS[0]), config)
    os.kill(process_id(), signal.SIGSTOP)
    found = read(requests(*NEIGHBOURS), config)
    assert found[0] == RowError("timeout", "no answer in 0.7 s")
    assert found[1:] == [alone(page, config) for page in NEIGHBOURS[1:]]


def test_a_child_that_cannot_start_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.stop()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start; its status is 1"):
        read(requests(NEIGHBOURS[0]), Config())


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"])
def test_the_child_ends_with_its_parent(end: str) -> None:
    source = (
        "import os\nfrom pipeline.extraction import guarded\nfrom pipeline.extraction.page import Config\n"
        "guarded.read([guarded.Request(b'<p>x', None, None)], Config())\n"
        f"print(guarded._held.child.process.pid, flush=True)\n{end}\n"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    child = int(done.stdout)
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.1)
    assert not is_running(child)


def test_a_forked_process_has_a_child_of_its_own() -> None:
    config = Config()
    expected = read(requests(*NEIGHBOURS), config)
    first = process_id()
    forked = os.fork()
    if not forked:
        right = read(requests(*NEIGHBOURS), config) == expected and process_id() != first
        guarded.stop()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    assert read(requests(*NEIGHBOURS), config) == expected
    assert process_id() == first


def test_what_a_library_prints_does_no_harm() -> None:
    source = (
        "import os, sys\nfrom pipeline.extraction import child, page\n"
        "parsed = page.parsed\n"
        "def loud(*given):\n    print('loud', flush=True)\n    os.write(1, b'louder')\n    return parsed(*given)\n"
        "child.parsed = loud\nchild.main()\n"
    )
    config = Config()
    with guarded._shared_file() as pages, guarded._shared_file() as answers:
        files = (pages.fileno(), answers.fileno())
        guarded.frames.write(files[0], guarded.Frame({"charset": None, "url": None}, NEIGHBOURS[0]))
        asked, ask = os.pipe()
        guarded.frames.write(ask, guarded.Frame({"config": config.model_dump_json()}))
        guarded.frames.write(ask, guarded.Frame({"pages": 1}))
        os.close(ask)
        done = subprocess.run(
            [sys.executable, "-c", source, *map(str, files)], cwd=ROOT, stdin=asked, capture_output=True, pass_fds=files, check=True
        )
        os.close(asked)
        assert done.stdout == guarded.DONE * 2
        assert b"louder" in done.stderr
        answers.seek(0)
        assert PROSE.encode() in guarded.frames.read(files[1]).body
