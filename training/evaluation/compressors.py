"""General compressors on the same text: of each document on its own, of all as one stream, and of that stream behind train."""

from __future__ import annotations

import lzma
import zlib
from collections import deque
from typing import Protocol

GZIP_WINDOW_BITS = 31  # zlib's way to ask for gzip's format
XZ_PRESET = 6
XZ_WINDOW_BYTES = 2**23  # what xz looks back at this preset, so what there is to gain from what went before


class Compressor(Protocol):
    """What zlib and lzma have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be written of `data`, and of what came before it."""
        ...

    def flush(self) -> bytes:
        """What is left to write; nothing may follow."""
        ...


def compressors() -> dict[str, Compressor]:
    """gzip at its best level, and xz at its usual one."""
    return {"gzip": zlib.compressobj(9, zlib.DEFLATED, GZIP_WINDOW_BITS), "xz": lzma.LZMACompressor(preset=XZ_PRESET)}


def compressed(text: bytes) -> dict[str, int]:
    """The bytes of a document on its own, by each compressor."""
    return {name: len(made.compress(text)) + len(made.flush()) for name, made in compressors().items()}


class Concatenated:
    """The bytes of documents compressed as one stream, by each compressor."""

    def __init__(self) -> None:
        self._compressors = compressors()
        self._sizes = dict.fromkeys(self._compressors, 0)

    def add(self, text: bytes) -> None:
        """Put one more document at the end."""
        for name, made in self._compressors.items():
            self._sizes[name] += len(made.compress(text))

    def sizes(self) -> dict[str, int]:
        """The bytes of all of it; nothing may be added afterwards."""
        return {name: self._sizes[name] + len(made.flush()) for name, made in self._compressors.items()}


class Tail:
    """The end of a run of texts, of at most `XZ_WINDOW_BYTES`."""

    def __init__(self) -> None:
        self._texts: deque[bytes] = deque()
        self._bytes = 0

    def add(self, text: bytes) -> None:
        """One more text; what no longer fits is let go from the front."""
        self._texts.append(text[-XZ_WINDOW_BYTES:])
        self._bytes += len(self._texts[-1])
        while self._bytes - len(self._texts[0]) >= XZ_WINDOW_BYTES:
            self._bytes -= len(self._texts.popleft())

    def text(self) -> bytes:
        """The end of it all."""
        return b"".join(self._texts)[-XZ_WINDOW_BYTES:]


def primed(tail: bytes, text: bytes) -> int:
    """What `text` adds to the size of `tail` by xz. Its format has no preset dictionary: so one is put before the text."""
    return len(lzma.compress(tail + text, preset=XZ_PRESET)) - len(lzma.compress(tail, preset=XZ_PRESET))
