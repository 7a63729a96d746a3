"""Where things lie, and how they come to lie there whole.

A root is a folder or `s3://bucket/prefix`. Every file is written aside, flushed and renamed (an object store makes
a file appear whole by itself). A version is a folder named by its fingerprint whose manifest is written last: what
is in no manifest does not exist, so a process killed anywhere leaves nothing that anyone reads.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

MANIFEST = "manifest.json"
Spec = Mapping[str, Any]


def canonical(value: object) -> bytes:
    """One JSON text for equal values: sorted keys, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def fingerprint(spec: Spec) -> str:
    """128 bits of SHA-256 over the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(spec)).hexdigest()[:32]


@dataclass(frozen=True)
class Part:
    """One file of a version. `path` is relative to the version's folder; `rows` is None for what is not a table."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What a version holds. `spec` is what its fingerprint hashes; `counts` are totals worth reading without opening a file."""

    spec: Spec
    files: tuple[Part, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the spec, and the name of the version's folder."""
        return fingerprint(self.spec)

    def paths(self, under: str) -> list[str]:
        """The paths of the files in one of the version's folders, in order."""
        return [part.path for part in self.files if part.path.startswith(under + "/")]


@dataclass(frozen=True)
class Built:
    """A version that is there now, and whether this call made it."""

    path: str
    manifest: Manifest
    made: bool


class _Hashing:
    """A file-like sink that counts and digests what goes through it."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.bytes, self.sha = stream, 0, hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.stream.write(view)
        self.bytes += view.nbytes
        self.sha.update(view)
        return view.nbytes

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        self.closed = True


class Store:
    """A root, and the files under it by relative POSIX paths."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        if self.root.startswith("s3://"):
            # AWS_ENDPOINT_URL (and the usual AWS_* variables) name the server and its credentials: never a file of ours.
            endpoint = os.environ.get("AWS_ENDPOINT_URL")
            self.fs: fs.FileSystem = fs.S3FileSystem(endpoint_override=endpoint) if endpoint else fs.S3FileSystem()
            self.base = self.root.removeprefix("s3://")
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", self.root):
            raise ValueError(f"{self.root}: a folder or s3://bucket/prefix was expected as the root")
        else:
            self.fs = fs.LocalFileSystem()
            self.base = os.path.abspath(self.root)
            if Path(self.base).exists() and not Path(self.base).is_dir():
                raise NotADirectoryError(f"{self.root}: a folder was expected as the root, not a file")

    @property
    def local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return isinstance(self.fs, fs.LocalFileSystem)

    def path(self, relative: str) -> str:
        """The path that `self.fs` knows. A relative path that would leave the root is refused."""
        if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
            raise ValueError(f"expected a path inside the root, not {relative!r}")
        return f"{self.base}/{relative}" if relative else self.base

    def uri(self, relative: str) -> str:
        """The path that people and DuckDB know."""
        return self.path(relative) if self.local else f"s3://{self.path(relative)}"

    def folder(self, relative: str) -> Path:
        """A local folder, made if need be; only a local root has one."""
        if not self.local:
            raise ValueError(f"{self.root}: a local root is needed for {relative}")
        made = Path(self.path(relative))
        made.mkdir(parents=True, exist_ok=True)
        return made

    def exists(self, relative: str) -> bool:
        """Whether a file or folder is there."""
        return self.fs.get_file_info(self.path(relative)).type != fs.FileType.NotFound

    def list(self, relative: str) -> list[str]:
        """Names of what lies directly under a folder, sorted; none where there is no such folder."""
        return sorted(info.base_name for info in self._under(relative))

    def folders(self, relative: str) -> Sequence[str]:
        """As `list`, of folders alone."""
        return sorted(info.base_name for info in self._under(relative) if info.type == fs.FileType.Directory)

    def _under(self, relative: str) -> Sequence[fs.FileInfo]:
        found: Sequence[fs.FileInfo] = self.fs.get_file_info(fs.FileSelector(self.path(relative), allow_not_found=True))
        return found

    def open(self, relative: str) -> pa.NativeFile:
        """A file to read from, a context manager."""
        return self.fs.open_input_file(self.path(relative))

    def read(self, relative: str) -> bytes:
        """A whole file."""
        with self.open(relative) as stream:
            return stream.read()

    def table(self, relative: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole Parquet file."""
        with self.open(relative) as stream:
            return pq.ParquetFile(stream).read(columns=columns)

    def columns(self, relative: str) -> Sequence[str]:
        """The names of a Parquet file's columns."""
        with self.open(relative) as stream:
            names: Sequence[str] = pq.read_schema(stream).names
            return names

    def batches(self, relative: str, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.RecordBatch]:
        """A table's rows, a bounded number at a time."""
        with self.open(relative) as stream:
            yield from pq.ParquetFile(stream).iter_batches(batch_size=rows, columns=columns)

    @contextmanager
    def _sink(self, relative: str) -> Iterator[_Hashing]:
        target = self.path(relative)
        if not self.local:
            with self.fs.open_output_stream(target, compression=None) as stream:  # by its name, a .gz would be packed
                yield _Hashing(stream)
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        aside = f"{target}.aside"
        with open(aside, "wb") as stream:
            yield _Hashing(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, target)
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def write(self, relative: str, data: bytes) -> Part:
        """A whole file at once, or not at all."""
        with self._sink(relative) as sink:
            sink.write(data)
        return Part(relative, sink.bytes, sink.sha.hexdigest())

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """One holder at a time on this machine; the kernel frees it when the holder dies.

        An object store needs none: a version's place is its content, so two writers write the same bytes.
        """
        if not self.local:
            yield
            return
        with (self.folder("locks") / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def manifest(self, relative: str) -> Manifest | None:
        """The manifest of a version whose files are all there at their full size, else None."""
        if not self.exists(f"{relative}/{MANIFEST}"):
            return None
        try:
            raw = json.loads(self.read(f"{relative}/{MANIFEST}"))
        except ValueError:  # no JSON: cut short by a copy or a failing disk: as good as not there
            return None
        found = Manifest(raw["spec"], tuple(Part(**part) for part in raw["files"]), raw["counts"])
        infos = self.fs.get_file_info([self.path(f"{relative}/{part.path}") for part in found.files])
        return found if all(info.size == part.bytes for info, part in zip(infos, found.files, strict=True)) else None

    def build(self, relative: str, spec: Spec, write: Callable[[Version], Mapping[str, int]]) -> Built:
        """The version at `<relative>/<fingerprint of spec>`: as it is, or made now by `write`, which returns its counts."""
        place = f"{relative}/{fingerprint(spec)}"
        if found := self.manifest(place):
            return Built(place, found, made=False)
        with self.lock(place):
            if found := self.manifest(place):
                return Built(place, found, made=False)
            version = Version(self, place)
            counts = write(version)
            return Built(place, version.commit(spec, counts), made=True)

    def point(self, relative: str, target: str) -> None:
        """Make `<relative>/current` name a version."""
        with self.lock(f"{relative}/current"):
            self.write(f"{relative}/current", target.encode())

    def current(self, relative: str) -> str | None:
        """The version that `<relative>/current` names."""
        return self.read(f"{relative}/current").decode().strip() if self.exists(f"{relative}/current") else None


class Version:
    """A version being written."""

    def __init__(self, store: Store, place: str) -> None:
        self.store, self.place, self._parts = store, place, list[Part]()

    def write(self, name: str, data: bytes) -> None:
        """A whole file of the version."""
        part = self.store.write(f"{self.place}/{name}", data)
        self._parts.append(Part(name, part.bytes, part.sha256))

    def table(self, name: str, table: pa.Table) -> None:
        """A Parquet file of one table."""
        with self.parquet(name, table.schema) as writer:
            writer.write(table)

    @contextmanager
    def parquet(self, name: str, schema: pa.Schema) -> Iterator[Rows]:
        """A Parquet file written batch by batch: each batch is a row group, so that memory is a batch."""
        with self._rows(name, lambda stream: pq.ParquetWriter(stream, schema, compression="zstd")) as rows:
            yield rows

    @contextmanager
    def arrow(self, name: str, schema: pa.Schema) -> Iterator[Rows]:
        """An Arrow file (IPC) written batch by batch: to be mapped into memory, and read in part."""
        with self._rows(name, lambda stream: pa.ipc.new_file(stream, schema)) as rows:
            yield rows

    @contextmanager
    def _rows(self, name: str, open_: Callable[[pa.PythonFile], Any]) -> Iterator[Rows]:
        with self.store._sink(f"{self.place}/{name}") as sink, open_(pa.PythonFile(sink, "w")) as writer:
            rows = Rows(writer)
            yield rows
        self._parts.append(Part(name, sink.bytes, sink.sha.hexdigest(), rows.count))

    @property
    def parts(self) -> Sequence[Part]:
        """The files written so far."""
        return tuple(self._parts)

    def include(self, parts: Sequence[Part]) -> None:
        """Count files as the version's that were written into its folder otherwise."""
        self._parts.extend(parts)

    def commit(self, spec: Spec, counts: Mapping[str, int]) -> Manifest:
        """Write the manifest: from now on the version exists."""
        manifest = Manifest(spec, tuple(sorted(self._parts, key=lambda part: part.path)), counts)
        text = json.dumps({**asdict(manifest), "fingerprint": manifest.fingerprint}, indent=1, sort_keys=True)
        self.store.write(f"{self.place}/{MANIFEST}", text.encode())
        return manifest


class Rows:
    """Where the rows of one file go, counted."""

    def __init__(self, writer: pq.ParquetWriter | pa.RecordBatchFileWriter) -> None:
        self._writer, self.count = writer, 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows, in the file's schema."""
        self._writer.write(rows)
        self.count += rows.num_rows
