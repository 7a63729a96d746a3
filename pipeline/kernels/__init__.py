"""Compiled loops over Arrow buffers: words, lines, n-grams, hashes.

They read offsets and bytes as Arrow lays them out, make no Python object for each word, and let go of the
interpreter's lock. Machine code is cached in a folder named by the hash of all sources that compile any, because
numba itself notices a change only in the file of the function that it compiles, not in those that it calls.
The folder lies in the user's cache folder, or under `NUMBA_CACHE_DIR` where that is set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import entrypoints

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled_sources() -> list[Path]:
    kernels = Path(__file__).parent
    compiled = (path for path in kernels.parent.rglob("*.py") if path.parent == kernels or b"@kernel" in path.read_bytes())
    return sorted(compiled)


def cache_folder() -> Path:
    """Where the machine code of these sources is kept."""
    digest = hashlib.sha256()
    for path in _compiled_sources():
        digest.update(path.read_bytes())
    named = os.environ.get("NUMBA_CACHE_DIR")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corpusmill"
    return (Path(named) if named else caches) / f"kernels-{digest.hexdigest()[:16]}"


numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
# What other packages add to numba takes up to a second to load (awkward, say), and no kernel sees a value of their types.
entrypoints._already_initialized = True


def kernel(function: _Function) -> _Function:
    """Compile a function when it is first called.

    It goes without numba's counting of references, which costs more than the work in small functions: so a kernel
    allocates nothing, and writes into arrays that its caller made.
    """
    compiled: _Function = numba.njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]
    return compiled
