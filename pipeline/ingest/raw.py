"""The bytes of a raw file, or of a part of it, unpacked where they are packed.

Two things can go wrong, and are told apart: a file that is damaged is a record's fate (`DAMAGE`); a disk or a network that
fails is the machine's fault, and stops the run (`ReadFailedError`).
"""

from __future__ import annotations

import io
import zlib
from collections import deque
from typing import BinaryIO

import pyarrow as pa
from fastwarc.stream_io import ZstdReader

PIECE_BYTES = 1 << 20  # read at once
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60)))  # frames, skippable ones
HELD_BYTES = 16 << 20  # of a gzip member, until its checksum has proven right
_PACKED_BYTES = 1 << 16  # unpacked at once: what is left over at the end of a member is copied
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


class Members(io.RawIOBase):
    """What gzip members hold (RFC 1952), as one stream.

    A member of up to HELD_BYTES is given out once its checksum has proven right, so nothing comes out of a damaged one; of a
    larger one, what precedes its damage. EOFError behind what there is of a last member that is not whole. A reader that reads
    ahead would lose by an error what it has: to a `quiet` one the stream ends there, and `damage` says why.
    """

    def __init__(self, stream: Stream, *, quiet: bool = False) -> None:
        self._stream, self._data, self._at, self._plain = stream, b"", 0, 0
        self._quiet = quiet
        self._member: zlib._Decompress | None = None  # the one under way
        self.damage: EOFError | zlib.error | None = None
        self._held, self._ready, self._given = bytearray(), memoryview(b""), 0
        self._starts: deque[tuple[int, int]] = deque()  # in plain bytes, and in the file

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How many plain bytes have been given out."""
        return self._given

    def start(self, plain: int) -> tuple[int, int]:
        """Where the member begins in which a plain byte lies: in plain bytes, and in the file. For places in order."""
        while len(self._starts) > 1 and self._starts[1][0] <= plain:
            self._starts.popleft()
        return self._starts[0] if self._starts else (0, 0)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of what a buffer may be, this one is
        """Some plain bytes, 0 at the end."""
        while not self._ready:
            try:
                if self.damage or not self._advance():
                    return 0
            except (EOFError, zlib.error) as error:
                if not self._quiet:
                    raise
                self.damage = error
        taken = min(len(buffer), len(self._ready))
        buffer[:taken] = self._ready[:taken]
        self._ready, self._given = self._ready[taken:], self._given + taken
        return taken

    def _advance(self) -> bool:
        """Unpack a piece more. False at the end."""
        self._data = self._data or self._stream.read(_PACKED_BYTES)
        if self._member is None:
            if not self._data:
                return False
            self._member = zlib.decompressobj(wbits=31)
            self._starts.append((self._plain, self._at))
        before = len(self._data)
        piece = self._member.decompress(self._data, PIECE_BYTES)
        self._data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._at += before - len(self._data)
        self._plain += len(piece)
        if self._member.eof and not self._held:
            self._ready = memoryview(piece)
        else:
            self._held += piece
        cut_off = not before and not piece and not self._member.eof
        if self._held and (self._member.eof or cut_off or len(self._held) > HELD_BYTES):
            self._ready, self._held = memoryview(bytes(self._held)), bytearray()
        if self._member.eof:
            self._member = None
        elif cut_off and not self._ready:
            raise EOFError("the file ends inside a gzip member")
        return True


class Frames(io.RawIOBase):
    """What Zstandard frames hold (RFC 8878), with a dictionary where the first one is that: all of it that comes before a damage.

    Then an OSError; to a `quiet` one the stream ends there, and `damage` says why, as of Members.
    """

    def __init__(self, stream: Stream, *, quiet: bool = False) -> None:
        self._stream, self._position, self._damaged, self._quiet = stream, 0, False, quiet
        self._plain = self._opened()
        self.damage: OSError | None = None

    def _opened(self) -> ZstdReader:
        self._stream.seek(0)
        return ZstdReader(self._stream)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of what a buffer may be, this one is
        """Some plain bytes, 0 at the end."""
        if self.damage:
            return 0
        try:
            data = self._plain.read(1 if self._damaged else len(buffer))
        except OSError as error:
            if self._damaged:
                if not self._quiet:
                    raise
                self.damage = error
                return 0
            # Nothing is given of a read that fails: the same again, a byte at a time.
            self._damaged, self._plain = True, self._opened()
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


def size_of(stream: Stream) -> int:
    """Bytes of an open file."""
    return stream.seek(0, io.SEEK_END)


def piece(stream: Stream, at: int, size: int) -> bytes:
    """Up to so many bytes of an open file, fewer where it ends, none where there is no such place. Raises ReadFailedError."""
    end = size_of(stream)
    if not (0 <= at < end and size > 0):
        return b""
    wanted = min(size, end - at)
    return io.BufferedReader(_Window(stream, at, at + wanted), wanted).read(wanted)


def guarded(stream: Stream) -> pa.NativeFile:
    """The whole of an open file for Arrow's readers, which raise ReadFailedError where it fails."""
    return pa.PythonFile(window(stream), mode="r")


def unpacked(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream as it is, or what its gzip members or Zstandard frames hold. Its reads raise one of DAMAGE."""
    head = stream.peek(4)[:4]
    if head.startswith(GZIP_MAGIC):
        return io.BufferedReader(Members(stream), PIECE_BYTES)
    return io.BufferedReader(Frames(stream), PIECE_BYTES) if head in ZSTD_MAGICS else stream


def is_packed(stream: io.BufferedReader) -> bool:
    """Whether a stream begins as gzip or Zstandard do."""
    return stream.peek(4)[:4].startswith((GZIP_MAGIC, *ZSTD_MAGICS))
