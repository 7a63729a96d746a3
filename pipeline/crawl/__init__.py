"""The polite crawler: from seeds to WARC files and a log with a row for every URL seen."""

from __future__ import annotations

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import CrawlReport, Progress, crawl
from pipeline.crawl.errors import CrawlError

__all__ = ["CrawlConfig", "CrawlError", "CrawlReport", "Progress", "crawl"]
