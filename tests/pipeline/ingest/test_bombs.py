"""A small file that would take much memory does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.verify, pytest.mark.timeout(600)]
MEGABYTE = 1_000_000
WRITE = """
import sys, pyarrow as pa, pyarrow.parquet as pq
kind, path = sys.argv[1:]
if "dictionary" in kind:
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * 100 + [1]), pa.array(["x" * 60_000_000, "y"]))
else:
    cells = pa.array(["x" * 800_000_000, "y"], pa.large_string())
cells = pa.table({"text": cells})
if kind.endswith("parquet"):
    pq.write_table(cells, path, compression="zstd", use_dictionary="dictionary" in kind, write_statistics=False)
else:
    with pa.ipc.new_file(path, cells.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(cells)
"""
READ = """
import re, sys
from pathlib import Path
from pipeline import ingest, recount
from pipeline.ingest.inputs import Input
from pipeline.recipe import Source

path = Path(sys.argv[2])
source = Source(name="bomb", format=sys.argv[1], files=("x",))
given = Input(str(path.parent), path.name, path.name, "d", 0)
errors = [str(error) for batch in ingest.read(source, [given]) for error in batch["error"].to_pylist()]
assert len(errors) == recount.count(source, given)
peak_kb = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # that of `resource` knows the parent's too
print(*sorted(set(errors)), int(peak_kb) * 1024)
"""
LINES = {
    "objects": lambda size: b'{"text":"x","a":[' + b'{"":0},' * (size // 7 - 5) + b"1]}",
    "a character of four bytes": lambda size: ('{"text":"\U0001f600' + "x" * (size - 40) + '"}').encode(),
}


def peak(form: str, path: Path) -> tuple[list[str], int]:
    """The errors that reading a file gives, and the bytes of memory it takes at most."""
    said = subprocess.run([sys.executable, "-c", READ, form, path], check=True, capture_output=True, text=True).stdout
    *errors, memory = said.split()
    return errors, int(memory)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("size", "error"), [(15_990_000, "None"), (60_000_000, "too_big")])
def test_a_long_line_takes_less_than_a_gigabyte(tmp_path: Path, name: str, size: int, error: str) -> None:
    (tmp_path / "x").write_bytes(LINES[name](size) + b"\n")
    errors, memory = peak("jsonl", tmp_path / "x")
    assert errors == [error]
    assert memory < 1_000 * MEGABYTE


@pytest.mark.parametrize(
    ("kind", "errors"),
    [("parquet", ["unreadable"]), ("arrow", ["unreadable"]), ("dictionary parquet", ["None"]), ("dictionary arrow", ["None"])],
)
def test_a_cell_of_many_bytes_in_a_small_file_takes_less_than_a_gigabyte(tmp_path: Path, kind: str, errors: list[str]) -> None:
    subprocess.run([sys.executable, "-c", WRITE, kind, tmp_path / "x"], check=True)
    assert (tmp_path / "x").stat().st_size < 100_000
    found, memory = peak(kind.rpartition(" ")[2], tmp_path / "x")
    print(f"{kind}: {memory / 1e9:.2f} GB")
    assert found == errors
    assert memory < 1_000 * MEGABYTE
