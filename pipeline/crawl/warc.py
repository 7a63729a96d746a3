"""WARC 1.1 files (ISO 28500:2017): one gzip member a record, whole records only, closed under their final names.

A file being written has the suffix `.open`; what of it counts is up to the offset that the frontier has committed.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Self

from fastwarc.stream_io import GzipWriter
from fastwarc.warc import WarcRecord

from pipeline.crawl import records
from pipeline.crawl.records import Exchange

OPEN = ".open"
_GZIP_LEVEL = 6


def file_name(number: int) -> str:
    """The name of the crawl's WARC file of that number."""
    return f"crawl-{number:05}.warc.gz"


class Archive:
    """The WARC file being written: `number` and `offset` say where the next record comes to lie."""

    def __init__(self, folder: Path, number: int, offset: int, software: str) -> None:
        self._folder, self._software = folder, software
        self.number, self.offset = number, offset
        self._stream = self._resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def append(self, exchange: Exchange) -> int:
        """Write the records of an exchange; returns the offset of the first."""
        if self.offset == 0:
            self._write(records.information(file_name(self.number), self._software), None)
        at = self.offset
        for record, payload_sha1 in records.of(exchange):
            self._write(record, payload_sha1)
        return at

    def sync(self) -> None:
        """Everything written so far is on disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def next(self) -> None:
        """Close the file under its final name and go on with the next number. An empty file leaves no trace."""
        self.close()
        path = self._path()
        if self.offset:
            path.rename(path.with_name(file_name(self.number)))
            sync_folder(self._folder)
        else:
            path.unlink()
        self.number, self.offset = self.number + 1, 0
        self._stream = self._path().open("ab")

    def close(self) -> None:
        """Flush and close the file as it is."""
        self.sync()
        self._stream.close()

    def discard(self) -> None:
        """Take away the file that was begun and holds nothing."""
        self.close()
        self._path().unlink()

    def _path(self) -> Path:
        return self._folder / (file_name(self.number) + OPEN)

    def _resume(self) -> io.BufferedWriter:
        path = self._path()
        closed = path.with_name(file_name(self.number))
        if closed.exists():
            # Killed between the renaming and the commit that says so.
            closed.rename(path)
        present = path.stat().st_size if path.exists() else 0
        if present < self.offset:
            raise OSError(f"{path}: {present} bytes, expected at least the {self.offset} that the frontier has committed")
        stream = path.open("ab")
        stream.truncate(self.offset)
        return stream

    def _write(self, record: WarcRecord, payload_sha1: bytes | None) -> None:
        member = io.BytesIO()
        writer = GzipWriter(member, compression_level=_GZIP_LEVEL)
        record.write(writer, checksum_data=True, payload_digest=payload_sha1)
        writer.finish()
        self.offset += self._stream.write(member.getvalue())


def sync_folder(folder: Path) -> None:
    """A renamed file stays renamed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
