"""One crawl, or fetch of a snapshot, at a time in a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.crawl.errors import CrawlError


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel frees it when the process dies. CrawlError where another process holds it."""
    with (folder / "crawl.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CrawlError(f"{folder}: another crawl is at work here") from None
        yield
