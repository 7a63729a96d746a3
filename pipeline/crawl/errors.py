"""What a crawl, or the fetch of a snapshot, cannot go on with."""

from __future__ import annotations


class CrawlError(ValueError):
    """A folder, or what is beside it, is not as this crawl needs it. The message says what was expected."""
