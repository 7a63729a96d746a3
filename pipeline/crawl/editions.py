"""A source's crawls: the first in the source's own folder, later ones in folders within it, each a crawl of its own."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.crawl import tables
from pipeline.crawl.errors import CrawlError
from pipeline.crawl.manifest import manifest

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # `crawl_log` is no edition


def place(source: Path, edition: str | None) -> Path:
    """The folder of an edition, or of the first crawl. Raises CrawlError where no folder can have that name."""
    if edition is None:
        return source
    if not _NAME.fullmatch(edition):
        raise CrawlError(f"edition {edition!r}: expected lower-case letters, digits, '-' and '.', such as a date")
    return source / edition


def earlier(source: Path, edition: str | None) -> Path | None:
    """The finished crawl of a source that one goes on from: the one, but for itself, that was finished last.

    `edition` is None for the crawl in the source's own folder. Raises CrawlError where it would begin beside one that is
    begun and not finished: two that go on from the same crawl would both keep what has changed since, each as its own.
    """
    own = place(source, edition)
    others = [path for path in _folders(source) if path != own]
    finished = [(done.get("finished_at", 0), path.name, path) for path in others if (done := manifest(path))]
    begun = [path for path in others if (path / tables.NAME).exists() and not manifest(path)]
    if begun and not manifest(own):
        left = begun[0]
        way = "without an edition), or delete its files" if left == source else f"edition {left.name!r}), or delete that folder"
        raise CrawlError(f"{left}: a crawl was begun here and is not finished; finish it first (the same command, {way}")
    return max(finished)[-1] if finished else None


def _folders(source: Path) -> list[Path]:
    return [source, *(path for path in sorted(source.iterdir()) if path.is_dir())]
