"""A source's crawls: the first in the source's own folder, later ones in folders within it, each a crawl of its own."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.crawl.report import manifest
from pipeline.crawl.tables import CrawlError

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")  # `crawl_log` is no edition


def place(source: Path, edition: str | None) -> Path:
    """The folder of an edition, or of the first crawl. Raises CrawlError where no folder can have that name."""
    if edition is None:
        return source
    if not _NAME.fullmatch(edition):
        raise CrawlError(f"edition {edition!r}: expected lower-case letters, digits, '-' and '.', such as a date")
    return source / edition


def earlier(source: Path, edition: str | None) -> Path | None:
    """The finished crawl that an edition goes on from: the one that was finished last. The first crawl goes on from none."""
    if edition is None:
        return None
    own = place(source, edition)
    finished = [(done.get("finished_at", 0), path.name, path) for path in _folders(source) if path != own and (done := manifest(path))]
    return max(finished)[-1] if finished else None


def _folders(source: Path) -> list[Path]:
    return [source, *(path for path in sorted(source.iterdir()) if path.is_dir())]
