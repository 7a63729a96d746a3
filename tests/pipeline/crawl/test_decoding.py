from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.decoding import BrokenCodingError, Decoder, TooLargeError

TEXT = b"the quick brown fox " * 20_000


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def decoded(coding: str, body: bytes, step: int = 1 << 16, max_bytes: int = 10**7) -> bytes:
    decoder = Decoder(coding, max_bytes)
    out = b"".join(piece for at in range(0, len(body), step) for piece in decoder.feed(body[at : at + step]))
    decoder.close()
    return out


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("", TEXT[:5000]),
        ("identity", TEXT[:5000]),
        ("gzip", gzip.compress(TEXT[:5000])),
        ("x-gzip", gzip.compress(TEXT[:5000])),
        ("GZIP", gzip.compress(TEXT[:2000]) + gzip.compress(TEXT[2000:5000])),
        ("gzip", gzip.compress(TEXT[:5000]) + b"\0\0garbage"),
        ("gzip", gzip.compress(TEXT[:5000]) + b"\x1f"),
    ],
    ids=["none", "identity", "gzip", "x-gzip", "two members", "garbage behind", "half a magic number behind"],
)
def test_decodes_however_it_is_split(coding: str, body: bytes, step: int) -> None:
    assert decoded(coding, body, step) == TEXT[:5000]


@pytest.mark.parametrize("body", [zlib.compress(TEXT), raw_deflate(TEXT)], ids=["zlib", "raw"])
def test_deflate_is_zlib_or_raw(body: bytes) -> None:
    assert decoded("deflate", body) == TEXT


@given(st.binary(max_size=300_000), st.integers(1, 100_000))
def test_gzip_round_trip(data: bytes, step: int) -> None:
    assert decoded("gzip", gzip.compress(data, 1), step) == data


def test_a_bomb_is_stopped_at_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    decoder = Decoder("gzip", 1_000_000)
    with pytest.raises(TooLargeError):
        decoder.feed(bomb)
    assert decoded("gzip", gzip.compress(b"\0" * 1000), max_bytes=1000) == b"\0" * 1000


@pytest.mark.parametrize(
    "body",
    [gzip.compress(TEXT)[:-20], gzip.compress(TEXT)[:10], b"no gzip", gzip.compress(TEXT)[:200] + b"x" * 2000],
    ids=["cut", "head only", "text", "overwritten"],
)
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenCodingError):
        decoded("gzip", body)


def test_a_coding_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(BrokenCodingError, match="br"):
        Decoder("br", 100)
