"""HTTP content codings (RFC 9110 section 8.4) undone within a bound on what comes out."""

from __future__ import annotations

import zlib

import brotli

ACCEPTED = "gzip, deflate, br"
_CHUNK_BYTES = 65_536
_GZIP = b"\x1f\x8b"


class TooLargeError(ValueError):
    """More comes out than was allowed."""


class BrokenCodingError(ValueError):
    """The body is not what its Content-Encoding says."""


class Decoder:
    """A body's coding undone piece by piece. `coding` is the header's value; `BrokenCodingError` where it is not one we asked for."""

    def __init__(self, coding: str, max_bytes: int) -> None:
        self._coding = coding.strip().lower().removeprefix("x-")
        if self._coding not in ("", "identity", "gzip", "deflate", "br"):
            raise BrokenCodingError(f"content coding {coding!r}, which was not asked for")
        self._max, self._bytes = max_bytes, 0
        self._inflater: zlib._Decompress | None = None  # of the member under way
        self._after = b""  # a member's end: the first bytes behind it, until they show whether another follows
        self._brotli: brotli.Decompressor | None = None  # from the first byte on
        self._ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """The decoded pieces of what came in."""
        if self._coding in ("", "identity"):
            return [self._counted(data)]
        try:
            return self._unbrotli(data) if self._coding == "br" else self._inflate(data)
        except (zlib.error, brotli.error) as error:
            raise BrokenCodingError(f"{self._coding}: {error}") from None

    def close(self) -> None:
        """The body is over: `BrokenCodingError` where its coding is not."""
        if self._inflater is not None or (self._brotli and not self._brotli.is_finished()):
            raise BrokenCodingError(f"{self._coding} body ends early")

    def _unbrotli(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        decompressor = self._brotli = self._brotli or brotli.Decompressor()
        while not decompressor.is_finished():
            pieces.append(self._counted(decompressor.process(data, output_buffer_limit=_CHUNK_BYTES)))
            # What came in is taken; while room for what comes out is missing, only that is asked for.
            data = b""
            if decompressor.can_accept_more_data():
                break
        return pieces

    def _inflate(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        while data and not self._ended:
            if self._inflater is None:
                data = self._after + data
                if not self._begins(data):
                    break
                self._after, self._inflater = b"", zlib.decompressobj(self._window(data))
            data = self._drain(self._inflater, data, pieces)
        return pieces

    def _begins(self, data: bytes) -> bool:
        """Whether a member begins here. What follows a body's end and is no further gzip member is ignored, as browsers do."""
        if self._bytes == 0 or data.startswith(_GZIP):
            return True
        self._after, self._ended = data, not _GZIP.startswith(data)
        return False

    def _drain(self, inflater: zlib._Decompress, data: bytes, pieces: list[bytes]) -> bytes:
        """Decode to the end of the data or of the member; returns what lies behind the member."""
        while True:
            piece = inflater.decompress(data, _CHUNK_BYTES)
            pieces.append(self._counted(piece))
            data = inflater.unconsumed_tail
            if inflater.eof:
                self._inflater, self._ended = None, self._coding == "deflate"
                return inflater.unused_data
            # Input may be used up while output still waits inside.
            if not data and len(piece) < _CHUNK_BYTES:
                return b""

    def _window(self, data: bytes) -> int:
        if self._coding == "gzip":
            return 31
        # "deflate" is zlib's format by RFC 9110, and raw deflate by some servers.
        is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS

    def _counted(self, piece: bytes) -> bytes:
        self._bytes += len(piece)
        if self._bytes > self._max:
            raise TooLargeError(f"more than {self._max} bytes decoded")
        return piece
