"""WARC headers whose lines end in LF alone, written as ISO 28500 wants them: CRLF, which is all that fastwarc reads."""

from __future__ import annotations

import io
from collections import deque

from pipeline.ingest.raw import PIECE_BYTES

MAX_HEADER_BYTES = 1 << 20
MAX_DIGITS = 18  # of a length that a file can have
_LENGTH = b"content-length"


class Headers(io.RawIOBase):
    """The stream of a WARC file with CRLF in all its headers. What is no WARC record, and all behind it, comes as it is."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._ready, self._block, self._lost = memoryview(b""), 0, False  # _block: bytes to come that are no header's
        self._read, self._made = 0, 0
        self._added = deque([(0, 0)])  # where a header begins, and how many bytes have been added before it

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How many bytes have been given out."""
        return self._made - len(self._ready)

    def place(self, made: int) -> int:
        """Where in the stream as it was a record begins that is found here. For places in order."""
        while len(self._added) > 1 and self._added[1][0] <= made:
            self._added.popleft()
        return made - self._added[0][1]

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of what a buffer may be, this one is
        """Some bytes, 0 at the end."""
        if not self._ready:
            self._ready = memoryview(self._next())
        taken = min(len(buffer), len(self._ready))
        buffer[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken

    def _next(self) -> bytes:
        if self._lost or self._block:
            piece = self._stream.read1(PIECE_BYTES if self._lost else min(self._block, PIECE_BYTES))
            self._block -= 0 if self._lost else len(piece)
            made = piece
        else:
            piece = self._stream.readline(MAX_HEADER_BYTES)
            made = piece
            if piece.startswith(b"WARC/"):
                piece, made = self._header(piece)
            elif piece.strip():
                self._lost = True
        self._read, self._made = self._read + len(piece), self._made + len(made)
        return made

    def _header(self, version: bytes) -> tuple[bytes, bytes]:
        """A header as it is, and as it should be."""
        if self._made - self._read != self._added[-1][1]:
            self._added.append((self._made, self._made - self._read))
        lines, size, length = [version], len(version), b""
        while size < MAX_HEADER_BYTES and (line := self._stream.readline(MAX_HEADER_BYTES)):
            lines.append(line)
            size += len(line)
            if line in (b"\r\n", b"\n"):
                break
            name, _, value = line.partition(b":")
            if not length and name.strip().lower() == _LENGTH:
                length = value.strip()
        self._lost = not (length.isdigit() and len(length) <= MAX_DIGITS and lines[-1] in (b"\r\n", b"\n"))
        self._block = 0 if self._lost else int(length)
        return b"".join(lines), b"".join(map(_ended, lines))


def _ended(line: bytes) -> bytes:
    return line[:-1] + b"\r\n" if line.endswith(b"\n") and not line.endswith(b"\r\n") else line
