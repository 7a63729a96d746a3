"""What is in no manifest does not exist; what is in one is whole: on a disk and on an object store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.store import MANIFEST, Store, Version, canonical, fingerprint

NUMBERS = pa.schema([pa.field("n", pa.int64(), nullable=False)])
SPEC = {"version": 1, "of": "tests"}
PLACE = f"things/{fingerprint(SPEC)}"


@pytest.fixture(params=["disk", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A root of each kind."""
    return str(tmp_path / "root") if request.param == "disk" else f"{request.getfixturevalue('bucket')}/some/prefix"


def table(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64())}, schema=NUMBERS)


def write(version: Version) -> dict[str, int]:
    version.table("rows/part-00000.parquet", table(1, 2, 3))
    with version.parquet("rows/part-00001.parquet", NUMBERS) as rows:
        rows.write(table(4))
        rows.write(table(5))
    version.write("note.txt", b"hello")
    return {"rows": 5}


def forbidden(version: Version) -> dict[str, int]:
    raise AssertionError("what is there is not made again")


def damage(store: Store, relative: str, data: bytes) -> None:
    """Put other bytes in a file's place, past all care."""
    with store.fs.open_output_stream(store.path(relative)) as stream:
        stream.write(data)


def test_a_version_is_made_once_and_read_back(root: str) -> None:
    store = Store(root)
    made = store.build("things", SPEC, write)
    assert (made.made, made.path) == (True, PLACE)
    again = Store(root).build("things", SPEC, forbidden)
    assert (again.made, again.path) == (False, PLACE)
    assert again.manifest.counts == {"rows": 5}
    assert again.manifest.fingerprint == made.manifest.fingerprint == fingerprint(SPEC)
    assert again.manifest.paths("rows") == ["rows/part-00000.parquet", "rows/part-00001.parquet"]
    assert [part.rows for part in again.manifest.files] == [None, 3, 2]
    assert store.table(f"{PLACE}/rows/part-00001.parquet", ["n"])["n"].to_pylist() == [4, 5]
    assert [batch.num_rows for batch in store.batches(f"{PLACE}/rows/part-00000.parquet", rows=2)] == [2, 1]
    assert store.read(f"{PLACE}/note.txt") == b"hello"


def test_manifest_digests_are_those_of_the_files(root: str) -> None:
    import hashlib

    store = Store(root)
    for part in store.build("things", SPEC, write).manifest.files:
        data = store.read(f"{PLACE}/{part.path}")
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part.bytes, part.sha256)


def test_a_writer_that_raises_in_the_middle_leaves_nothing_that_exists(root: str) -> None:
    store = Store(root)

    def fail(version: Version) -> dict[str, int]:
        version.write("note.txt", b"hello")
        with version.parquet("rows/part-00000.parquet", NUMBERS) as rows:
            rows.write(table(1))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        store.build("things", SPEC, fail)
    assert store.manifest(PLACE) is None
    assert store.build("things", SPEC, write).made
    assert store.manifest(PLACE).counts == {"rows": 5}
    assert not [name for name in store.list(f"{PLACE}/rows") if not name.endswith(".parquet")]


@pytest.mark.parametrize("lost", ["rows/part-00001.parquet", "note.txt", MANIFEST])
@pytest.mark.parametrize("how", ["truncated", "missing", "longer"])
def test_a_damaged_file_makes_a_version_not_exist(root: str, lost: str, how: str) -> None:
    store = Store(root)
    store.build("things", SPEC, write)
    data = store.read(f"{PLACE}/{lost}")
    if how == "missing":
        store.fs.delete_file(store.path(f"{PLACE}/{lost}"))
    else:
        damage(store, f"{PLACE}/{lost}", data[:-1] if how == "truncated" else data + b"x")
    assert store.manifest(PLACE) is None
    assert store.build("things", SPEC, write).made
    assert store.read(f"{PLACE}/{lost}") == data


def test_the_same_version_has_the_same_bytes(root: str, tmp_path: Path) -> None:
    one, other = Store(root), Store(tmp_path / "other")
    for store in (one, other):
        store.build("things", SPEC, write)
    for part in [*one.manifest(PLACE).paths("rows"), MANIFEST]:
        assert one.read(f"{PLACE}/{part}") == other.read(f"{PLACE}/{part}")


def test_a_version_of_no_files_exists(root: str) -> None:
    store = Store(root)
    store.build("things", SPEC, lambda version: {})
    assert store.manifest(PLACE).files == ()


def test_a_parquet_file_without_rows_is_read_back(root: str) -> None:
    store = Store(root)

    def nothing(version: Version) -> dict[str, int]:
        with version.parquet("rows/part-00000.parquet", NUMBERS) as rows:
            pass
        return {"rows": rows.count}

    store.build("things", SPEC, nothing)
    found = store.table(f"{PLACE}/rows/part-00000.parquet")
    assert (found.schema, len(found)) == (NUMBERS, 0)


def test_current_names_a_version(root: str) -> None:
    store = Store(root)
    assert store.current("things") is None
    store.point("things", "abc")
    store.point("things", "def")
    assert store.current("things") == "def"


def test_listing_is_sorted_and_empty_where_there_is_nothing(root: str) -> None:
    store = Store(root)
    assert store.list("nowhere") == []
    assert not store.exists("nowhere")
    for name in ("b", "a"):
        store.write(f"folder/{name}", b"1")
    assert store.list("folder") == ["a", "b"]
    assert store.exists("folder")
    assert store.exists("folder/a")


@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/etc/passwd", ".."])
def test_a_path_that_leaves_the_root_is_refused(root: str, path: str) -> None:
    store = Store(root)
    for act in (store.read, store.exists, store.list, store.uri, lambda name: store.write(name, b"")):
        with pytest.raises(ValueError, match="expected a path inside the root"):
            act(path)


def test_only_a_local_root_has_folders(root: str) -> None:
    store = Store(root)
    if store.local:
        assert store.folder("a/b").is_dir()
    else:
        with pytest.raises(ValueError, match="a local root is needed for a/b"):
            store.folder("a/b")
        assert store.uri("a").startswith("s3://")


def test_fingerprints_depend_on_content_alone() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": (1, 2), "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert canonical({"ä": 1.5}) == b'{"\\u00e4":1.5}'
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_two_at_once_make_a_version_once(tmp_path: Path) -> None:
    made, gate = [], threading.Barrier(4)

    def build() -> None:
        gate.wait()
        made.append(Store(tmp_path).build("things", SPEC, write).made)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]


HOLD = """
import sys, time
from pipeline.store import Store
def write(version):
    version.write("note.txt", b"half")
    with version.store._sink(version.place + "/rows/part-00000.parquet") as sink:
        sink.write(b"x" * 1000)
        print("held", flush=True)
        time.sleep(60)
Store(sys.argv[1]).build("things", {"version": 1, "of": "tests"}, write)
"""


def test_a_killed_builder_frees_its_lock_and_leaves_nothing_that_exists(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        store, waited = Store(tmp_path), threading.Event()

        def build() -> None:
            store.build("things", SPEC, write)
            waited.set()

        waiting = threading.Thread(target=build)
        waiting.start()
        assert not waited.wait(0.3), "the lock is held while its holder lives"
        assert store.manifest(PLACE) is None
        os.kill(holder.pid, signal.SIGKILL)
        assert waited.wait(20), "the lock died with its holder"
        waiting.join()
    assert store.manifest(PLACE).counts == {"rows": 5}
    assert store.read(f"{PLACE}/note.txt") == b"hello"
    assert not [path for path in tmp_path.rglob("*.aside") if path.is_file()]


def test_a_file_holds_what_was_written_whatever_its_name(root: str) -> None:
    for name in ("a.gz", "a.zst", "a.bz2", "a.json"):
        Store(root).write(name, b"as it is")
        assert Store(root).read(name) == b"as it is"
