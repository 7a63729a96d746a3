"""Lists that a recipe names: UTF-8 files with an entry a line.

White space about an entry counts for nothing, nor do blank lines, nor what follows a number sign that begins a line or stands
behind white space.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


class Listed(NamedTuple):
    """The entries of a file, and on which line each stands."""

    path: str
    entries: pa.Array
    lines: npt.NDArray[np.int64]

    def refusal(self, place: int, expected: str) -> ValueError:
        """What to raise of an entry that is not what was expected."""
        return ValueError(f"{self.path}, line {self.lines[place]}: expected {expected}, not {self.entries[place].as_py()!r}")


class State(NamedTuple):
    """What tells a file from itself after a change: a key for what was made of its content."""

    path: str
    modified_ns: int
    bytes: int


def state(path: str) -> State:
    """The state of a file."""
    found = Path(path).stat()
    return State(path, found.st_mtime_ns, found.st_size)


def read(path: str) -> Listed:
    """The entries of a file in their order. Raises ValueError where it is not UTF-8."""
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: expected UTF-8 ({error.reason})") from None
    lines = pc.split_pattern(pa.array([text], pa.large_string()), "\n").flatten()
    entries = pc.utf8_trim_whitespace(pc.replace_substring_regex(lines, r"(^|\s)#.*", ""))
    filled = pc.not_equal(entries, "")
    return Listed(path, entries.filter(filled), np.flatnonzero(filled.to_numpy(zero_copy_only=False)) + 1)
