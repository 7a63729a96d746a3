"""Memory does not grow with a file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTE = 1_000_000
PROGRAM = """
import resource, sys
from pathlib import Path
from pipeline import shard, step
from pipeline.ingest import inputs
from pipeline.recipe import Source, StepUse
from pipeline.store import Store

folder = Path(sys.argv[1])
source = Source(name="big", format=sys.argv[2], files=("big",), split_mb=10**6)
store = Store(folder / "root")
given = inputs.find(store, source, folder)
use = StepUse("extract", "extract", step.find("extract").Config())
made = shard.process(store, shard.Shard(source, tuple(given), (use,)))
# Of this program alone: getrusage would count what the process that started it held before.
(own,) = [int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(made.manifest.counts["records"], (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)
"""


def grown(path: Path, bytes_: int) -> int:
    """A WARC file of pages and of plain texts, as large as told; how many records it holds."""
    block = b"".join(_member(number) for number in range(500))
    with path.open("wb") as stream:
        blocks = 0
        while stream.tell() < bytes_:
            stream.write(block)
            blocks += 1
    return blocks * 500


def _member(number: int) -> bytes:
    text = f"A page has words, and this is sentence number {number} of them. ".encode() * 300
    kind, block = (b"conversion", text)
    if number % 10 == 0:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
        kind, block = b"response\r\nContent-Type: application/http; msgtype=response", head + b"<html><body><article><p>" + text
    record = b"WARC/1.1\r\nWARC-Type: %b\r\nWARC-Record-ID: <urn:uuid:%d>\r\nContent-Length: %d\r\n\r\n%b\r\n\r\n"
    return gzip.compress(record % (kind, number, len(block), block), 0)


def peak(folder: Path, bytes_: int) -> int:
    """Bytes of memory that reading such a file took at most."""
    records = grown(folder / "big", bytes_)
    said = subprocess.run([sys.executable, "-c", PROGRAM, folder, "warc"], check=True, capture_output=True, text=True).stdout
    counted, memory = map(int, said.split())
    assert counted == records
    return memory


def test_ten_times_the_file_takes_no_more_memory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert peak(tmp_path / "b", 300 * MEGABYTE) < peak(tmp_path / "a", 30 * MEGABYTE) + 200 * MEGABYTE


@pytest.mark.verify
@pytest.mark.timeout(3000)
def test_five_gigabytes_are_read_in_less_than_one(tmp_path: Path) -> None:
    memory = peak(tmp_path, 5_000 * MEGABYTE)
    print(f"5 GB read in {memory / 1e9:.2f} GB of memory")
    assert memory < 1_000 * MEGABYTE
