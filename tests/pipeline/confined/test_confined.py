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

from pipeline.confined import frames, process
from pipeline.confined.child import DONE, Limits
from pipeline.confined.frames import Frame
from pipeline.confined.process import Confined, GivenUpError, Terms
from pipeline.extraction.confined import Request, parser, read
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
    assert parser._child is not None
    return parser._child.process.pid


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

    def killed(child: process._Child, patience_s: float = 0.0) -> int:
        ends.append(child)
        return end(child, patience_s)

    end = process._Child.end
    read_pages = process._Child.work

    def dying(child: process._Child, given: list[Frame]) -> None:
        if SLOW in [request.body for request in given]:
            threading.Timer(0.3, os.kill, (child.process.pid, signal.SIGSEGV)).start()
        read_pages(child, given)

    monkeypatch.setattr(process._Child, "end", killed)
    monkeypatch.setattr(process._Child, "work", dying)
    found = read(requests(NEIGHBOURS[0], SLOW, NEIGHBOURS[1]), config)
    assert found[1] == RowError("failed", f"its process ended with status {-signal.SIGSEGV}")
    assert [found[0], found[2]] == [alone(page, config) for page in NEIGHBOURS[:2]]
    assert len(set(map(id, ends))) == 2


def test_a_child_that_does_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_WALL_START_S", 0.2)
    config = Config(page_timeout_s=0.05)
    read(requests(NEIGHBOURS[0]), config)
    os.kill(process_id(), signal.SIGSTOP)
    found = read(requests(*NEIGHBOURS), config)
    assert found[0] == RowError("timeout", "no answer in 0.7 s")
    assert found[1:] == [alone(page, config) for page in NEIGHBOURS[1:]]


@pytest.mark.parametrize("started", [True, False], ids=["at work", "being started"])
def test_whoever_gives_up_waits_no_longer(started: bool) -> None:
    over, open_ = os.pipe()
    asked = Confined("pipeline.extraction.confined")
    terms = Terms(Config().model_dump_json(), Limits(60.0, 2_000))
    if started:
        asked.answers([Frame({"charset": None, "url": None}, b"<p>x")], terms)
        assert asked._child
        os.kill(asked._child.process.pid, signal.SIGSTOP)
    threading.Timer(0.05, os.close, [open_]).start()
    began = time.monotonic()
    with pytest.raises(GivenUpError):
        asked.answers([Frame({"charset": None, "url": None}, b"<p>y")], terms, over)
    assert time.monotonic() - began < 5
    assert asked._child is None
    os.close(over)
    assert len(asked.answers([Frame({"charset": None, "url": None}, b"<p>y")], terms)) == 1
    asked.stop()


def test_a_child_that_cannot_start_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    parser.stop()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start; its status is 1"):
        read(requests(NEIGHBOURS[0]), Config())


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"])
def test_the_child_ends_with_its_parent(end: str) -> None:
    source = (
        "import os\nfrom pipeline.extraction import confined\nfrom pipeline.extraction.page import Config\n"
        "confined.read([confined.Request(b'<p>x', None, None)], Config())\n"
        f"print(confined.parser._child.process.pid, flush=True)\n{end}\n"
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
        parser.stop()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    assert read(requests(*NEIGHBOURS), config) == expected
    assert process_id() == first


def test_what_a_library_prints_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import os\ndef load(settings):\n    def answer(request):\n        print('loud', flush=True)\n"
        "        os.write(1, b'louder')\n        return request\n    return answer\n"
    )
    with process._shared_file() as requests, process._shared_file() as answers:
        files = (requests.fileno(), answers.fileno())
        frames.write(files[0], Frame({}, b"ready"))
        asked, ask = os.pipe()
        frames.write(ask, Frame({"settings": "", "limits": (5.0, 1_000)}))
        frames.write(ask, Frame({"requests": 1}))
        os.close(ask)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.confined.child", "loud", *map(str, files)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}"},
            stdin=asked,
            capture_output=True,
            pass_fds=files,
            check=True,
        )
        os.close(asked)
        assert done.stdout == DONE * 2
        assert b"louder" in done.stderr
        answers.seek(0)
        assert frames.read(files[1]) == Frame({}, b"ready")
