"""The manifest that a finished crawl, or fetch of a snapshot, leaves last in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MANIFEST = "crawl.json"


def manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder's finished crawl; None where there is none."""
    path = folder / MANIFEST
    return json.loads(path.read_bytes()) if path.exists() else None
