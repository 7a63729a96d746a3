"""How work that falls into many tasks is run: here, in processes, or by an orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Made = TypeVar("Made")


class Each(Protocol):
    """What each task made, as it comes."""

    def __call__(self, what: str, /, work: Callable[[Task], Made], tasks: Sequence[Task]) -> Iterable[Made]:
        """`what` is a word for people, the same for all tasks; `work` and `tasks` can be sent to another process."""


def one_by_one(_: str, work: Callable[[Task], Made], tasks: Sequence[Task]) -> Iterable[Made]:
    """One after the other, here."""
    return map(work, tasks)
