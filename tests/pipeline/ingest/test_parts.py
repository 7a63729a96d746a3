"""A large file is read in parts: together they give what it gives whole, whoever reads them."""

from __future__ import annotations

import gzip
import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.ingest import cuts, raw
from pipeline.recipe import Source

from .reading import Records, arrow_bytes, csv_bytes, found, json_bytes, parquet_bytes, rows, source, warc, zstd

MEGABYTE = 1_000_000


def records(count: int = 4000, size: int = 1500) -> Records:
    """More than five megabytes that no compression makes small."""
    rng = random.Random(1)
    return [
        {"text": f'{number} "q", {rng.randbytes(size // 2).hex()}\nsecond line', "url": f"http://h.example/{number}"}
        for number in range(count)
    ]


def several(given: Records) -> bytes:
    """A WARC file with seven records in each member."""
    return b"".join(gzip.compress(warc(given[start : start + 7], "plain"), 1) for start in range(0, len(given), 7))


def chunked(plain: bytes) -> bytes:
    """Gzip members that end wherever a piece of this size does, as some parallel packers make them."""
    return b"".join(gzip.compress(plain[start : start + 33_333], 1) for start in range(0, len(plain), 33_333))


RECORDS = records()
FORMS: dict[str, tuple[str, Callable[[Records], bytes]]] = {
    "warc gzip": ("warc", warc),
    "warc of many records a member": ("warc", several),
    "warc plain": ("warc", lambda given: warc(given, "plain")),
    "jsonl": ("jsonl", json_bytes),
    "csv": ("csv", csv_bytes),
    "parquet": ("parquet", parquet_bytes),
    "arrow": ("arrow", arrow_bytes),
}
WHOLE = {
    "warc zstd": ("warc", lambda given: warc(given, "zstd")),
    "warc in one member": ("warc", lambda given: gzip.compress(warc(given, "plain"), 1)),
    "warc in members of any size": ("warc", lambda given: chunked(warc(given, "plain"))),
    "jsonl gzip": ("jsonl", lambda given: gzip.compress(json_bytes(given), 1)),
    "jsonl zstd": ("jsonl", lambda given: zstd(json_bytes(given))),
    "csv zstd": ("csv", lambda given: zstd(csv_bytes(given))),
    "arrow stream": ("arrow", lambda given: arrow_bytes(given, stream=True)),
}


@pytest.mark.parametrize("form", [*FORMS, *WHOLE])
def test_parts_together_are_the_whole(tmp_path: Path, form: str) -> None:
    format_, make = {**FORMS, **WHOLE}[form]
    (tmp_path / "big").write_bytes(make(RECORDS))
    whole = found(tmp_path, source(format_, "big"))
    parts = found(tmp_path, source(format_, "big", split_mb=1))
    assert len(whole) == 1
    assert (len(parts) > 1) == (form in FORMS)
    assert rows(source(format_, "big"), parts) == rows(source(format_, "big"), whole)
    assert [row["text"] for row in rows(source(format_, "big"), parts)] == [record["text"] for record in RECORDS]


def test_a_record_that_holds_a_warc_is_not_cut(tmp_path: Path) -> None:
    """A page can carry, as it is, what begins as a member of a WARC file does."""
    inner = warc([{"text": "inner", "url": "http://evil.example/"}]) * 40_000
    outer = [{"text": "before", "url": "http://h.example/1"}]
    data = warc(outer) + _stored(inner) + warc(outer)
    (tmp_path / "big").write_bytes(data)
    parts = found(tmp_path, source("warc", "big", split_mb=1))
    assert [row["url"] for row in rows(source("warc"), parts)] == ["http://h.example/1", "http://h.example/big", "http://h.example/1"]


def _stored(payload: bytes) -> bytes:
    head = b"WARC/1.1\r\nWARC-Type: resource\r\nWARC-Target-URI: http://h.example/big\r\n".replace(b"resource", b"conversion")
    return gzip.compress(head + b"WARC-Record-ID: <urn:uuid:big>\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload + b"\r\n\r\n", 0)


def test_a_damaged_file_is_cut_before_its_damage(tmp_path: Path) -> None:
    data = bytearray(warc(RECORDS))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "big").write_bytes(data)
    parts = found(tmp_path, source("warc", "big", split_mb=1))
    assert parts[-1].start < len(data) // 2
    assert [row["error"] for row in rows(source("warc"), parts)][-2:] == [None, "unreadable"]


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 20])
def test_cuts_depend_on_no_piece_of_reading(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    data = json_bytes(RECORDS[:20])
    expected = list(cuts.by_lines(raw.window(io.BytesIO(data)), 3000))
    monkeypatch.setattr(cuts, "PIECE_BYTES", piece)
    assert list(cuts.by_lines(raw.window(io.BytesIO(data)), 3000)) == expected
    assert all(data[cut.at - 1 : cut.at] == b"\n" for cut in expected)
    assert len(expected) > 5


def test_what_is_known_of_a_file_is_not_looked_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.ingest import files, known

    monkeypatch.setattr(known, "RACY_NS", 0)
    path, given = tmp_path / "big", source("jsonl", "big", split_mb=1)
    path.write_bytes(json_bytes(RECORDS))
    stamp = path.stat().st_mtime_ns
    first = found(tmp_path, given)
    looked: list[object] = []
    real = files.digest
    monkeypatch.setattr(files, "digest", lambda stream: looked.append(stream) or real(stream))
    assert found(tmp_path, given) == first
    assert looked == []
    path.write_bytes(json_bytes(RECORDS[::-1]))  # as many bytes, other content
    os.utime(path, ns=(stamp, stamp))  # as a copy that keeps times does
    assert found(tmp_path, given) != first
    assert len(looked) == 1


def test_a_file_that_has_just_changed_is_looked_at_again(tmp_path: Path) -> None:
    path, given = tmp_path / "small", Source(name="books", format="jsonl", files=("small",))
    path.write_text('{"text": "a"}\n')
    stamp = path.stat().st_mtime_ns
    first = found(tmp_path, given)
    path.write_text('{"text": "b"}\n')
    os.utime(path, ns=(stamp, stamp))  # within one tick of a coarse clock
    assert found(tmp_path, given) != first


def test_nothing_is_cut_off_at_the_end_of_a_file() -> None:
    assert list(cuts.by_lines(raw.window(io.BytesIO(b"a\n" * 4)), 4)) == [cuts.Cut(4, 2)]
