"""The bytes of a raw file, or of a part of it, unpacked where they are packed.

Two things can go wrong, and are told apart: a file that is damaged is a record's fate (`DAMAGE`); a disk or a network that
fails is the machine's fault, and stops the run (`ReadFailedError`).
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO, cast

import pyarrow as pa

PIECE_BYTES = 1 << 20  # read at once
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
Stream = BinaryIO  # an open raw file: one of Python's or of Arrow's
DAMAGE = (OSError, EOFError, zlib.error)


class ReadFailedError(RuntimeError):
    """Bytes that are there could not be read."""


class _Window(io.RawIOBase):
    """Bytes `start` to `end` of a file, as a file of their own."""

    def __init__(self, stream: Stream, start: int, end: int | None) -> None:
        self._stream, self._start, self._end, self._position = stream, start, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            position += (self._stream.seek(0, io.SEEK_END) if self._end is None else self._end) - self._start
        elif whence == io.SEEK_CUR:
            position += self._position
        self._position = position
        return position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of what a buffer may be, this one is
        wanted = len(buffer) if self._end is None else min(len(buffer), self._end - self._start - self._position)
        if wanted <= 0:
            return 0
        try:
            self._stream.seek(self._start + self._position)
            data = self._stream.read(wanted)
        except OSError as error:
            raise ReadFailedError(f"a raw file could not be read: {error}") from error
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class Frames(io.RawIOBase):
    """What Zstandard frames hold (RFC 8878): all of it that comes before a damage, then an OSError."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._position, self._damaged = stream, 0, False
        self._plain = self._opened()

    def _opened(self) -> pa.NativeFile:
        self._stream.seek(0)
        return pa.CompressedInputStream(pa.PythonFile(self._stream, mode="r"), "zstd")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of what a buffer may be, this one is
        """Some plain bytes, 0 at the end."""
        try:
            data = self._plain.read(1 if self._damaged else len(buffer))
        except OSError:
            if self._damaged:
                raise
            # Arrow gives nothing of a read that fails: the same again, a byte at a time. Let go of, it would close the file.
            self._damaged, self._spent, self._plain = True, self._plain, self._opened()
            left = self._position
            while left:
                left -= len(self._plain.read(min(left, PIECE_BYTES)))
            return self.readinto(buffer)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def window(stream: Stream, start: int = 0, end: int | None = None) -> io.BufferedReader:
    """A part of an open file as a stream that begins at 0. Its reads raise ReadFailedError where the file's do."""
    return io.BufferedReader(_Window(stream, start, end), PIECE_BYTES)


def guarded(stream: Stream) -> pa.NativeFile:
    """The whole of an open file for Arrow's readers, which raise ReadFailedError where it fails."""
    return pa.PythonFile(window(stream), mode="r")


def unpacked(stream: io.BufferedReader) -> BinaryIO:
    """The stream as it is, or what its gzip members or Zstandard frames hold. Its reads raise one of DAMAGE."""
    head = stream.peek(4)[:4]
    if head.startswith(GZIP_MAGIC):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if head == ZSTD_MAGIC:
        return io.BufferedReader(Frames(stream), PIECE_BYTES)
    return stream


def is_packed(stream: io.BufferedReader) -> bool:
    """Whether a stream begins as gzip or Zstandard do."""
    return stream.peek(4)[:4].startswith((GZIP_MAGIC, ZSTD_MAGIC))
