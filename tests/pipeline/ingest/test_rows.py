"""What a record's row says of its payload."""

from __future__ import annotations

from pathlib import Path

import xxhash
from conftest import warc_bytes

from .reading import read


def test_the_digest_is_of_the_payload_or_of_the_text_that_came_in_its_place(tmp_path: Path) -> None:
    (page,) = read(tmp_path, warc_bytes([("response", "http://h.example/", "<p>é".encode())]), "warc")
    (text,) = read(tmp_path, '{"text": "<p>é"}\n'.encode())
    assert page["digest"] == text["digest"] == xxhash.xxh3_128_digest("<p>é".encode())
    assert [row["digest"] for row in read(tmp_path, b'{"no": "text"}\n')] == [None]
