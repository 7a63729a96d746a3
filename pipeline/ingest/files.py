"""The files that a recipe's patterns name, on this machine or in an object store."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from pipeline.recipe import Source
from pipeline.store import Store
from pipeline.typed import RecipeError

_MAGIC = re.compile(r"[*?\[]")
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class File:
    """A raw file as it lies there. `error`: why it cannot be read."""

    root: str
    path: str  # relative to the root
    name: str  # relative to the recipe's folder, or to what of a pattern from elsewhere is no pattern
    bytes: int
    sha256: str | None = None  # where somebody has told it
    changed_ns: int | None = None
    error: str | None = None

    @property
    def uri(self) -> str:
        """Its place, for a person and for a memory of it."""
        return f"{self.root}/{self.path}"


def digest(stream: pa.NativeFile) -> str:
    """SHA-256 of an open file's bytes, in hexadecimal; the file is then at its beginning again."""
    sha = hashlib.sha256()
    while piece := stream.read(_PIECE_BYTES):
        sha.update(piece)
    stream.seek(0)
    return sha.hexdigest()


def find(source: Source, folder: Path) -> Iterator[File]:
    """The files of a source's patterns, each once. Raises RecipeError where a pattern matches nothing."""
    seen: set[str] = set()
    for pattern in source.files:
        matched = False
        for file in _remote(pattern) if "://" in pattern else _local(folder, pattern):
            matched = True
            if (place := os.path.realpath(file.uri) if file.error is None and "://" not in pattern else file.uri) not in seen:
                seen.add(place)
                yield file
        if not matched:
            place = pattern if "://" in pattern else str(folder.absolute() / pattern)
            raise RecipeError("", f"source.{source.name}.files", f"expected a file that exists; none matches {place!r}")


def listed(store: Store, paths: Sequence[str], names: Sequence[str]) -> list[File]:
    """Files of a root by their paths in it, under the names they are to have; with an error where there is none."""
    found = []
    for path, name, info in zip(paths, names, store.fs.get_file_info([store.path(path) for path in paths]), strict=True):
        if info.type != fs.FileType.File:
            found.append(File(store.root, path, name, bytes=0, error=os.strerror(errno.ENOENT)))
            continue
        changed_ns = Path(info.path).stat().st_ctime_ns if store.local else info.mtime_ns
        found.append(File(store.root, path, name, info.size, changed_ns=changed_ns))
    return found


def _local(folder: Path, pattern: str) -> Iterator[File]:
    literal = folder / pattern
    relative = not PurePosixPath(pattern).is_absolute()
    if os.path.lexists(literal):
        yield _file(literal, os.path.relpath(literal, folder) if relative else literal.name)
        return
    plain = folder if relative else os.path.join(folder, *takewhile(lambda part: not _MAGIC.search(part), PurePosixPath(pattern).parts))
    for path in sorted(glob.glob(os.path.join(glob.escape(str(folder)), pattern), recursive=True)):
        # A folder that only a bare `*` matches was not meant; one named like the files was.
        if not (Path(path).is_dir() and PurePosixPath(pattern).name in ("*", "**")):
            yield _file(Path(path), os.path.relpath(path, plain))


def _file(path: Path, name: str) -> File:
    path = path.absolute()
    place = (str(path.parent), path.name, name)
    if not _is_text(str(path)):
        folder, file, shown = (part.encode("utf-8", "replace").decode() for part in place)
        return File(folder, file, shown, bytes=0, error="its name is not UTF-8")
    try:
        found = path.stat()
    except OSError as error:
        return File(*place, bytes=0, error=error.strerror or str(error))
    if not stat.S_ISREG(found.st_mode):
        what = "a folder; name the files in it" if stat.S_ISDIR(found.st_mode) else "no regular file"
        return File(*place, bytes=0, error=what)
    return File(*place, bytes=found.st_size, changed_ns=found.st_ctime_ns)  # no tool can set it to what it was


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _remote(pattern: str) -> Iterator[File]:
    """The objects under `s3://bucket/…` that a pattern matches; `**` stands for any folders."""
    scheme, _, rest = pattern.partition("://")
    bucket, _, path = rest.partition("/")
    parts = tuple(path.split("/"))
    fixed = parts[: next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)]
    store = Store(f"{scheme}://{bucket}")
    literal = not _MAGIC.search(path)
    under = [store.path(path)] if literal else fs.FileSelector(store.path("/".join(fixed)), recursive=True, allow_not_found=True)
    for info in store.fs.get_file_info(under):
        key = info.path.removeprefix(f"{bucket}/")
        if info.type == fs.FileType.File and (literal or _matches(tuple(key.split("/")), parts)):
            yield File(store.root, key, "/".join(key.split("/")[len(fixed) :]), info.size, changed_ns=info.mtime_ns)


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path's parts are as a pattern says."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
