"""Models as they were last read, so that a step reads each once a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

Model = TypeVar("Model")
_MODELS = 8  # in memory at once


def model(load: Callable[[Path], Model], path: str) -> Model:
    """What `load` makes of a file, read again only where that has changed."""
    found = Path(path).stat()
    made: Model = _loaded(load, path, found.st_size, found.st_mtime_ns)
    return made


@lru_cache(maxsize=_MODELS)
def _loaded(load: Callable[[Path], Any], path: str, _size: int, _changed_ns: int) -> Any:
    return load(Path(path))
