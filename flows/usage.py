"""What cannot be done as the command line asks for it."""

from __future__ import annotations


class UsageError(ValueError):
    """One line: the option or argument, what was given where that helps, and what was expected."""

    def __init__(self, *parts: str) -> None:
        super().__init__(" ".join(": ".join(parts).split()))
