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

from flows.bench.peer import WARCS, warcs
from flows.bench.texts import extracted


def of_warcs() -> list[str]:
    """The texts of the pages in the folder that WARCS names, those that are English."""
    return extracted(warcs(), language="en") if WARCS in os.environ else []


def of_pydoc() -> Iterator[str]:
    """What `pydoc` says of the standard library's modules, those that importing does nothing but define."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtledemo", "lib2to3"}):
            if pkgutil.find_loader(name) is not None and not name.startswith("_"):
                yield pydoc.plain(pydoc.render_doc(name, renderer=pydoc.plaintext))


def of_documentation() -> Iterator[str]:
    """The read-me files, licences and change logs of `/usr/share/doc`."""
    for path in sorted(Path("/usr/share/doc").rglob("*")):
        if path.is_file() and path.name.split(".")[0] in ("README", "copyright", "changelog", "NEWS", "FAQ", "TODO", "AUTHORS"):
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            yield data.decode(errors="replace")
