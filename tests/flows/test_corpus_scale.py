"""A corpus of many short documents on two processes: its memory, with time and disk beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from flows.bench import generated

RECIPE = """
name = "scale"
[[source]]
name = "made"
format = "parquet"
files = ["made-*.parquet"]
id_key = "id"
[split]
validation = 0.001
test = 0.001
"""
WORDS = (30, 71)  # a document: 50 in the mean
FILE_DOCUMENTS = 100_000
BASE_BYTES, DOCUMENT_BYTES = 1_000_000_000, 700  # 8 GB at ten million documents
SIZES = (100_000, 1_000_000, *map(int, os.environ.get("CORPUSMILL_SCALE_DOCUMENTS", "").split()))


class Peak(NamedTuple):
    """The most that was seen at a time, in bytes: in memory of no file, of all resident pages, and on disk."""

    anonymous: int = 0
    resident: int = 0
    disk: int = 0


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it ended
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def seen(pid: int, root: Path) -> Peak:
    """What a process, all that it started and their folder take now."""
    held = {"RssAnon": 0, "RssShmem": 0, "VmRSS": 0}
    for each in tree(pid):
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        for name, _, rest in (line.partition(":") for line in lines):
            if name in held:
                held[name] += 1024 * int(rest.split()[0])
    return Peak(held["RssAnon"] + held["RssShmem"], held["VmRSS"], sum(map(size, root.rglob("*"))))


def size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:  # it was removed or renamed meanwhile
        return 0


@pytest.mark.verify
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("documents", SIZES)
def test_memory_grows_with_documents_and_by_no_more_than_allowed(documents: int, tmp_path: Path) -> None:
    (tmp_path / "scale.toml").write_text(RECIPE)
    for number, first in enumerate(range(0, documents, FILE_DOCUMENTS)):
        generated.write(tmp_path / f"made-{number:04d}.parquet", min(FILE_DOCUMENTS, documents - first), number, WORDS)
    root = tmp_path / "root"
    root.mkdir()
    script = Path(__file__).with_name("curating.py")
    peak, ended = Peak(), threading.Event()
    process = subprocess.Popen([sys.executable, script, tmp_path / "scale.toml", root], stdout=subprocess.PIPE, text=True)

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.5):
            peak = Peak(*map(max, peak, seen(process.pid, root)))

    watching = threading.Thread(target=watch)
    watching.start()
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    ended.set()
    watching.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert f"'records': {documents}," in said
    seconds = used.ru_utime + used.ru_stime
    gigabytes = ", ".join(f"{name} {value / 1e9:.2f} GB" for name, value in peak._asdict().items())
    print(f"\n{documents:,} documents: {seconds:.0f} s of CPU time, {1e6 * seconds / documents:.0f} µs each; {gigabytes}\n{said}")
    assert peak.anonymous < BASE_BYTES + DOCUMENT_BYTES * documents
