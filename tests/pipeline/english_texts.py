"""Real English texts: what WARC files have, Python's own documentation, and what lies in this machine's documentation folder."""

from __future__ import annotations

import gzip
import os
import pkgutil
import pydoc
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from flows.bench.peer import WARCS, warcs
from flows.bench.texts import extracted
from pipeline.kernels import characters


def of_warcs() -> list[str]:
    """The English texts of the pages in the folder that WARCS names, without those that have a word which English rules do not cut."""
    if WARCS not in os.environ:
        return []
    return _cut_by_english_rules(extracted(warcs(), language="en"))


def _cut_by_english_rules(texts: list[str]) -> list[str]:
    unspaced = characters.count(pa.array(texts, pa.large_string()), characters.UNSPACED, 1)
    return [text for text, some in zip(texts, unspaced, strict=True) if not some]


def of_pydoc() -> Iterator[str]:
    """What `pydoc` says of the standard library's modules, those that importing does nothing but define."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtledemo", "lib2to3"}):
            if pkgutil.find_loader(name) is not None and not name.startswith("_"):
                yield pydoc.plain(pydoc.render_doc(name, renderer=pydoc.plaintext))


def of_documentation() -> list[str]:
    """The read-me files, licences and change logs of `/usr/share/doc`, without those that have a word which English rules do not cut."""
    return _cut_by_english_rules(list(_documentation()))


def _documentation() -> Iterator[str]:
    for path in sorted(Path("/usr/share/doc").rglob("*")):
        if path.is_file() and path.name.split(".")[0] in ("README", "copyright", "changelog", "NEWS", "FAQ", "TODO", "AUTHORS"):
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            yield data.decode(errors="replace")
