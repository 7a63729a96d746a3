"""The last answer of a function over an array is kept, so that steps that follow each other on one batch ask it once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, TypeVar

import pyarrow as pa

_Answer = TypeVar("_Answer")


class kept(Generic[_Answer]):  # noqa: N801  # a decorator
    """The function, with the last answer of each thread kept for arrays of the same memory."""

    def __init__(self, function: Callable[[pa.Array], _Answer]) -> None:
        self._function = function
        self._recent = threading.local()
        update_wrapper(self, function)

    def __call__(self, array: pa.Array) -> _Answer:
        """The answer, kept or new."""
        answer = self.known(array)
        if answer is None:
            answer = self._function(array)
            self.keep(array, answer)
        return answer

    def known(self, array: pa.Array) -> _Answer | None:
        """The answer where it is kept."""
        answer: _Answer | None = self._recent.answer if getattr(self._recent, "key", None) == _key(array) else None
        return answer

    def keep(self, array: pa.Array, answer: _Answer) -> None:
        """Keep an answer that was come by in another way."""
        # The array is held as well: while it lives, no other can have its addresses.
        self._recent.key, self._recent.array, self._recent.answer = _key(array), array, answer


def _key(array: pa.Array) -> tuple[int, ...]:
    return (array.offset, len(array), *(buffer.address if buffer else 0 for buffer in array.buffers()[1:]))
