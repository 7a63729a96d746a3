from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.content_coding import BrokenCodingError, Decoder, TooLargeError

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
        ("br", brotli.compress(TEXT[:5000])),
    ],
    ids=["none", "identity", "gzip", "x-gzip", "two members", "garbage behind", "half a magic number behind", "brotli"],
)
def test_decodes_however_it_is_split(coding: str, body: bytes, step: int) -> None:
    assert decoded(coding, body, step) == TEXT[:5000]


@pytest.mark.parametrize("body", [zlib.compress(TEXT), raw_deflate(TEXT)], ids=["zlib", "raw"])
def test_deflate_is_zlib_or_raw(body: bytes) -> None:
    assert decoded("deflate", body) == TEXT


@given(st.binary(max_size=300_000), st.integers(1, 100_000))
def test_gzip_round_trip(data: bytes, step: int) -> None:
    assert decoded("gzip", gzip.compress(data, 1), step) == data


@given(st.binary(max_size=300_000), st.integers(1, 100_000))
def test_brotli_round_trip(data: bytes, step: int) -> None:
    assert decoded("br", brotli.compress(data, quality=1), step) == data


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_bomb_is_stopped_at_the_bound(coding: str) -> None:
    def pack(data: bytes) -> bytes:
        return gzip.compress(data) if coding == "gzip" else brotli.compress(data, quality=3)

    bomb = pack(b"\0" * 50_000_000)
    decoder = Decoder(coding, 1_000_000)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        decoder.feed(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4_000_000, "as much memory as the bound asks for, whatever the bomb holds"
    assert decoded(coding, pack(b"\0" * 1000), max_bytes=1000) == b"\0" * 1000


@pytest.mark.parametrize(
    "body",
    [gzip.compress(TEXT)[:-20], gzip.compress(TEXT)[:10], b"no gzip", gzip.compress(TEXT)[:200] + b"x" * 2000],
    ids=["cut", "head only", "text", "overwritten"],
)
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenCodingError):
        decoded("gzip", body)


@pytest.mark.parametrize(
    "body", [brotli.compress(TEXT)[:-2], b"no brotli at all", brotli.compress(TEXT) + b"x"], ids=["cut", "text", "more behind"]
)
def test_what_is_no_whole_brotli_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenCodingError):
        decoded("br", body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_no_body_at_all_is_no_broken_one(coding: str) -> None:
    assert decoded(coding, b"") == b""


def test_a_coding_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(BrokenCodingError, match="zstd"):
        Decoder("zstd", 100)
