"""Where readers are found: a format that a recipe names is the module of that name here."""

from __future__ import annotations

import importlib
from types import ModuleType

from pipeline.recipe import Source


def reader(source: Source) -> ModuleType:
    """The module that reads the source's files."""
    return importlib.import_module(f"pipeline.ingest.{source.format}")
