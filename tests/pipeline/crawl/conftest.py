"""Servers, and a crawl with settings for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.config import CrawlConfig
from pipeline.crawl.engine import crawl

from .loopback import Crawled, Servers


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.stop()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Crawled]:
    """Crawl with settings for tests: no delay, short back-off, seeds' hosts allowed, no sitemaps."""

    def crawled(*seeds: str, folder: str = "raw", earlier: str | None = None, **settings: Any) -> Crawled:
        hosts = [seed.split("/")[2] for seed in seeds]
        given = {"seeds": list(seeds), "allow_hosts": hosts, "delay_s": 0, "backoff_s": 0.01, "page_timeout_s": 20.0, "hosts_at_once": 16}
        given["sitemaps"] = False
        config = CrawlConfig.model_validate({**given, **settings})
        before = tmp_path / earlier if earlier else None
        return Crawled(tmp_path / folder, crawl(config, tmp_path / folder, earlier=before))

    return crawled
