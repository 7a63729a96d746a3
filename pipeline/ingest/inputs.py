"""The closed list of raw files that a source holds now, large ones in parts."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.crawl.manifest import MANIFEST
from pipeline.ingest import files
from pipeline.ingest.files import File
from pipeline.ingest.known import Known, Look
from pipeline.ingest.readers import reader
from pipeline.recipe import Source
from pipeline.store import Store, fingerprint


@dataclass(frozen=True)
class Input:
    """A raw file, or a part of one. Its place says where to open it; its name, digest and limits say what it is."""

    root: str
    path: str  # relative to the root
    name: str
    digest: str  # SHA-256 of the whole file's bytes, in hexadecimal
    bytes: int  # of a part: an equal share of the file's, near enough to say what is small and what takes long
    start: int = 0  # of the part, in the reader's own terms: bytes, row groups, or which of several equal pages
    end: int | None = None  # None: where the file ends
    first_row: int = 0  # the part's first, where the reader counts rows
    error: str | None = None  # why the file cannot be opened


@dataclass(frozen=True)
class Closed:
    """A raw file as the manifest of its crawl tells of it; `path` is relative to the root, `records` are documents."""

    path: str
    name: str
    bytes: int
    sha256: str
    records: int | None  # None where nobody has counted them


def find(store: Store, source: Source, folder: Path) -> list[Input]:
    """The inputs of a source in order of name and place: the files its recipe names, or what its crawl has closed.

    Raises RecipeError where a pattern matches no file, FileNotFoundError where nothing has been crawled yet.
    """
    found = _named(store, source, folder) if source.files else _crawled(store, source)
    return sorted(found, key=lambda each: (each.name, each.digest, each.start))


def editions(store: Store, source: Source) -> list[str]:
    """The finished crawls of a source, as folders within its own that end in a slash; the first is the source's folder itself."""
    folder = _folder(source)
    named = (f"{name}/" for name in store.folders(folder))
    return [edition for edition in ("", *named) if store.exists(f"{folder}/{edition}{MANIFEST}")]


def _folder(source: Source) -> str:
    return f"raw/{source.crawled or source.name}"


def closed(store: Store, source: Source) -> list[Closed]:
    """What the source's crawl has closed, and its later editions, each in a folder of its own.

    Raises FileNotFoundError where nothing has been crawled yet.
    """
    folder = _folder(source)
    found = editions(store, source)
    if not found:
        raise FileNotFoundError(f"{store.uri(folder)}: the crawl {folder.rpartition('/')[2]!r} has closed nothing yet; crawl first")
    return [
        Closed(f"{folder}/{edition}{file['name']}", f"{edition}{file['name']}", file["bytes"], file["sha256"], file.get("records"))
        for edition in found
        for file in json.loads(store.read(f"{folder}/{edition}{MANIFEST}"))["files"]
    ]


def _crawled(store: Store, source: Source) -> list[Input]:
    told = closed(store, source)
    found = files.listed(store, [each.path for each in told], [each.name for each in told])
    return _looked_at(store, source, [_as_told(file, each) for file, each in zip(found, told, strict=True)])


def _as_told(file: File, told: Closed) -> File:
    """The file, with an error where it cannot be what its crawl has closed. That its bytes are others shows when they are read."""
    if file.error is None and file.bytes != told.bytes:
        file = replace(file, error=f"{file.bytes:,} bytes, where {MANIFEST} says {told.bytes:,}")
    return replace(file, sha256=told.sha256)


def _named(store: Store, source: Source, folder: Path) -> list[Input]:
    return list(_told_apart(source, _looked_at(store, source, list(files.find(source, folder)))))


def _told_apart(source: Source, found: list[Input]) -> Iterator[Input]:
    """The same bytes twice are the same records twice, whatever their files are called, and one input.

    Each page and each file that cannot be read is one of its own, those of one name and the same bytes numbered.
    """
    seen: Counter[tuple[str, str, int]] = Counter()
    for each in sorted(found, key=lambda each: each.name):
        own = source.format == "pages" or each.error is not None
        key = (each.name if own else "", each.digest, each.start)
        if own or not seen[key]:
            yield replace(each, start=seen[key]) if own else each
        seen[key] += 1


def _looked_at(store: Store, source: Source, listed: list[File]) -> list[Input]:
    """The files with their digests and in their parts; what is known of a file that has not changed is not read again."""
    known = Known(store, source)
    with ThreadPoolExecutor() as threads:
        looks = list(threads.map(lambda file: known.get(file) or _look(file, source), listed))
    known.keep(dict(zip(listed, looks, strict=True)))
    return [part for file, look in zip(listed, looks, strict=True) for part in _parts(file, look)]


def _look(file: File, source: Source) -> Look:
    if file.error:
        return _unreadable(file, file.error)
    every = source.split_mb * 1_000_000
    try:
        with Store(file.root).open(file.path) as stream:
            digest = files.digest(stream)
            if file.sha256 not in (None, digest):
                return _unreadable(file, f"other bytes than {MANIFEST} says: their SHA-256 is {digest}")
            return Look(digest, tuple(reader(source).cuts(stream, every, source)) if file.bytes > every else (), None)
    except PermissionError:
        return _unreadable(file, os.strerror(errno.EACCES))


def _unreadable(file: File, why: str) -> Look:
    return Look(fingerprint({"name": file.name, "error": why}), (), why)


def _parts(file: File, look: Look) -> Iterator[Input]:
    whole = Input(file.root, file.path, file.name, look.digest, file.bytes, error=look.error)
    ends = [*(cut.at for cut in look.cuts), None]
    starts = [(0, 0), *look.cuts]
    size = file.bytes // len(ends)
    for (start, row), end in zip(starts, ends, strict=True):
        yield replace(whole, bytes=size, start=start, end=end, first_row=row)
