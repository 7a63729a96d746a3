"""Messages between two processes: the sizes of head and body as little-endian 32 and 64 bit numbers, the head in JSON, the body."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, NamedTuple

from pipeline.step import RowError

_SIZES = struct.Struct("<IQ")


class Frame(NamedTuple):
    """One message."""

    head: dict[str, Any]
    body: bytes = b""


def failure(error: RowError) -> Frame:
    """The answer that there is none."""
    return Frame({"error": error.kind, "detail": error.detail})


def answer(frame: Frame) -> Frame | RowError:
    """What an answer is: itself, or why there is none."""
    return RowError(frame.head["error"], frame.head["detail"]) if "error" in frame.head else frame


def write(file: int, frame: Frame) -> None:
    """Write a frame to an open file or pipe, whole."""
    head = json.dumps(frame.head).encode()
    left = memoryview(b"".join((_SIZES.pack(len(head), len(frame.body)), head, frame.body)))
    while left:
        left = left[os.write(file, left) :]


def read(file: int) -> Frame:
    """The next frame of an open file or pipe. Raises EOFError where there is none, or not all of it."""
    head_bytes, body_bytes = _SIZES.unpack(_take(file, _SIZES.size))
    head = json.loads(_take(file, head_bytes))
    return Frame(head, _take(file, body_bytes))


def _take(file: int, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        more = os.read(file, size - len(taken))
        if not more:
            raise EOFError
        taken = taken + more if taken else more
    return taken
