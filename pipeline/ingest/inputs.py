"""The closed list of raw files that a source holds now."""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.recipe import RecipeError, Source
from pipeline.step import digest
from pipeline.store import Store

CRAWLED = "crawl.json"  # a crawl's manifest, written last


@dataclass(frozen=True)
class Input:
    """A raw file. Its place says where to open it; its name and digest say what it is."""

    root: str
    path: str  # relative to the root
    name: str
    digest: str  # SHA-256 of its bytes, in hexadecimal
    bytes: int


def find(store: Store, source: Source, folder: Path) -> list[Input]:
    """The inputs of a source in order of name: the files its recipe names, or what its crawl has closed.

    Raises RecipeError where a pattern matches no file, FileNotFoundError where nothing has been crawled yet.
    """
    return sorted(_crawled(store, source) if source.crawl else _named(source, folder), key=lambda found: (found.name, found.digest))


def _crawled(store: Store, source: Source) -> list[Input]:
    """What the source's crawl has closed, and its later editions, each in a folder of its own."""
    folder = f"raw/{source.name}"
    editions = [f"{name}/" for name in store.folders(folder) if store.exists(f"{folder}/{name}/{CRAWLED}")]
    closed = [edition for edition in ("", *editions) if store.exists(f"{folder}/{edition}{CRAWLED}")]
    if not closed:
        raise FileNotFoundError(f"{store.uri(folder)}: the crawl {source.name!r} has closed nothing yet; crawl first")
    found = []
    for edition in closed:
        for file in json.loads(store.read(f"{folder}/{edition}{CRAWLED}"))["files"]:
            name = f"{edition}{file['name']}"
            found.append(Input(store.root, f"{folder}/{name}", name, file["sha256"], file["bytes"]))
    return found


def _named(source: Source, folder: Path) -> list[Input]:
    found = []
    for pattern in source.files:
        literal = folder / pattern
        matches = [literal] if literal.exists() else glob.glob(os.path.join(glob.escape(str(folder)), pattern), recursive=True)
        paths = sorted(path.absolute() for path in map(Path, matches) if path.is_file())
        if not paths:
            raise RecipeError(str(folder), f"source.{source.name}.files", f"expected a file that exists; none matches {pattern!r}")
        found += [_input(path) for path in paths]
    # The same bytes twice are the same records twice: what a file is called does not make them others.
    return list({given.digest: given for given in sorted(found, key=lambda given: given.name, reverse=True)}.values())


def _input(path: Path) -> Input:
    return Input(str(path.parent), path.name, path.name, digest(path), path.stat().st_size)
