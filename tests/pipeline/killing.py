"""Processes that end by SIGKILL at a place that a test names."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from typing import Any

# A process that has imported what children need and runs nothing: they start at once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pipeline.crawl", "pipeline.corpus", "pytest", "aiohttp.web", "warcio.archiveiterator"])


def die_at(owner: str, name: str, when: str, call: int) -> None:
    """Kill this process before or after the given call of a function."""
    module, _, class_ = owner.partition(":")
    holder: Any = importlib.import_module(module)
    holder = getattr(holder, class_) if class_ else holder
    real, calls = getattr(holder, name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, deadly)
