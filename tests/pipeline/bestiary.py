"""Bad inputs of every kind, each with the fates that its records must have."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
from ingest.reading import arrow_bytes, csv_bytes, json_bytes, parquet_bytes, zstd

Make = Callable[[Path], Any]


class Beast(NamedTuple):
    """`make` writes the file at a path; `fates`: a rule, or `kept`, for each of its records in order."""

    name: str
    format: str
    make: Make
    fates: list[str]
    settings: Mapping[str, Any] = MappingProxyType({})
    suffix: str = ""


GOOD = "A good page has enough words to be kept, and says so in a sentence."
TEXTS = [{"text": f"{GOOD} {number}", "url": f"http://h.example/{number}"} for number in range(3)]
KEPT = ["kept"] * 3
HTML = f"<html><head><title>t</title></head><body><article><p>{GOOD}</p></article></body></html>".encode()


def raw(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


# WARC


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK", kind: bytes = b"text/html") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + kind, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def record(block: bytes, *headers: bytes, kind: bytes = b"response", number: int = 0, length: int | None = None) -> bytes:
    lines = [
        b"WARC/1.1",
        b"WARC-Type: " + kind,
        b"WARC-Record-ID: <urn:uuid:%d>" % number,
        b"WARC-Target-URI: http://h.example/%d" % number,
        b"WARC-Date: 2026-01-02T03:04:05Z",
        b"Content-Type: " + (b"application/http; msgtype=response" if kind == b"response" else b"text/plain"),
        *headers,
        b"Content-Length: %d" % (len(block) if length is None else length),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + block + b"\r\n\r\n"


def page(body: bytes, *headers: bytes, status: bytes = b"200 OK", kind: bytes = b"text/html") -> Make:
    """One page in a WARC of its own, between two good ones."""
    good = (gzip.compress(record(http(HTML), number=number)) for number in (1, 2))
    return raw(next(good) + gzip.compress(record(http(body, *headers, status=status, kind=kind))) + next(good))


def member(number: int) -> bytes:
    return gzip.compress(record(http(HTML + b"<p>%d" % number), number=number), mtime=0)


def damaged(data: bytes, at: float) -> bytes:
    place = int(len(data) * at)
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def between(rule: str) -> list[str]:
    return ["kept", rule, "kept"]


TWO = member(1) + member(2)
BIG_PLAIN = record(http(b"<p>" + b"x" * 70_000_000))

WARCS = [
    Beast("a whole file", "warc", raw(TWO), ["kept"] * 2),
    Beast("an empty file", "warc", raw(b""), []),
    Beast("an empty gzip member", "warc", raw(gzip.compress(b"") + TWO), ["kept"] * 2),
    Beast(
        "empty gzip members between others", "warc", raw(member(1) + gzip.compress(b"") * 2 + member(2) + gzip.compress(b"")), ["kept"] * 2
    ),
    Beast("NULs", "warc", raw(b"\0" * 10_000), ["ingest.unreadable"]),
    Beast("NULs behind the last member", "warc", raw(TWO + b"\0" * 512), ["kept"] * 2 + ["ingest.unreadable"]),
    Beast("text that is no WARC", "warc", raw(b"hello world\n" * 100), ["ingest.unreadable"]),
    Beast("HTML that is no WARC", "warc", raw(HTML), ["ingest.unreadable"]),
    Beast("garbage behind the last member", "warc", raw(TWO + b"garbage"), ["kept"] * 2 + ["ingest.unreadable"]),
    Beast("gzip cut in the middle of a member", "warc", raw(TWO[:-40]), ["kept", "ingest.truncated"]),
    Beast("gzip cut in the checksum", "warc", raw(TWO[:-4]), ["kept"] * 2 + ["ingest.truncated"]),
    Beast("gzip cut behind its magic", "warc", raw(member(1) + TWO[:2]), ["kept", "ingest.truncated"]),
    Beast("a flipped byte in a member", "warc", raw(member(1) + damaged(member(2), 0.5)), ["kept", "ingest.unreadable"]),
    Beast("a wrong checksum", "warc", raw(member(1) + damaged(member(2), 0.999)), ["kept", "ingest.unreadable"]),
    Beast("a plain record cut off", "warc", raw(record(http(HTML)) + record(http(HTML), number=1)[:-60]), ["kept", "ingest.truncated"]),
    Beast("a header cut off", "warc", raw(record(http(HTML)) + b"WARC/1.1\r\nWARC-Type: resp"), ["kept", "ingest.truncated"]),
    Beast("a length that promises more", "warc", raw(gzip.compress(record(http(HTML), length=10**6))), ["ingest.truncated"]),
    Beast("a length of letters", "warc", raw(record(http(HTML)).replace(b"Content-Length: ", b"Content-Length: x")), ["ingest.truncated"]),
    Beast("a record of 70 MB", "warc", raw(gzip.compress(BIG_PLAIN, 1) + member(1)), ["ingest.too_big", "kept"]),
    Beast("zstd cut in a frame", "warc", raw(zstd(record(http(HTML))) + zstd(record(http(HTML)))[:-9]), ["kept", "ingest.unreadable"]),
    Beast(
        "a wrong block digest",
        "warc",
        raw(record(http(HTML), b"WARC-Block-Digest: sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") + record(http(HTML), number=1)),
        ["ingest.bad_digest", "kept"],
    ),
    Beast("an error page", "warc", page(HTML, status=b"404 Not Found"), between("ingest.http_status")),
    Beast("a redirect", "warc", page(b"", b"Location: /x", status=b"302 Found"), between("ingest.http_status")),
    Beast("no HTTP at all", "warc", page(b"", status=b"\xff\xfe"), between("extract.empty")),
    Beast("an empty block", "warc", raw(record(b"")), ["extract.empty"]),
    Beast("an empty page", "warc", page(b""), between("extract.empty")),
    Beast("a page of menus and scripts alone", "warc", page(b"<script>x()</script><style>p{}</style>"), between("extract.empty")),
    Beast("a picture that says it is a page", "warc", page(b"\x89PNG\r\n\x1a\n" + b"\0" * 99), between("extract.not_html")),
    Beast("a PDF that says what it is", "warc", page(b"%PDF-1.7", kind=b"application/pdf"), between("extract.not_html")),
    Beast("a page of NULs", "warc", page(b"\0" * 5000), between("extract.not_html")),
    Beast("a page decoded by its archiver", "warc", page(HTML, b"Content-Encoding: gzip"), ["kept"] * 3),
    Beast("brotli that is none", "warc", page(HTML, b"Content-Encoding: br"), between("ingest.undecodable")),
    Beast("gzip that ends early", "warc", page(gzip.compress(HTML * 99)[:-9], b"Content-Encoding: gzip"), between("ingest.undecodable")),
    Beast("a gzip bomb", "warc", page(gzip.compress(b"\0" * 10**8), b"Content-Encoding: gzip"), between("ingest.too_big")),
    Beast("chunks of garbage", "warc", page(b"zz\r\n" + HTML, b"Transfer-Encoding: chunked"), between("ingest.undecodable")),
    Beast("HTML 100,000 deep", "warc", page(b"<div>" * 100_000 + GOOD.encode()), between("extract.failed")),
    Beast("100,000 options", "warc", page(b"<select>" + b"<option>x" * 100_000 + GOOD.encode()), between("extract.failed")),
    Beast("a page of 30 MB", "warc", page(b"<p>word " * 4_000_000), between("extract.too_big")),
    Beast("UTF-7", "warc", page(HTML.replace(b"<p>", b"<p>+AGEAYg-"), kind=b"text/html; charset=utf-7"), ["kept"] * 3),
    Beast("a charset that is none", "warc", page(HTML, kind=b"text/html; charset=klingon"), ["kept"] * 3),
    Beast("half a UTF-16", "warc", page(HTML.decode().encode("utf-16")[:-1]), ["kept"] * 3),
    Beast("invalid surrogates in UTF-8", "warc", page(HTML + b"\xed\xa0\x80\xed\xb0\x80"), ["kept"] * 3),
    Beast("a URL of surrogates", "warc", raw(record(http(HTML)).replace(b"/0", b"/\xed\xa0\x80")), ["kept"]),
    Beast("a date that is none", "warc", raw(record(http(HTML)).replace(b"2026-01-02", b"2026-13-99")), ["kept"]),
]

# Lines and tables


def lines(*middle: bytes) -> bytes:
    good = json_bytes(TEXTS)
    return good[: good.index(b"\n") + 1] + b"".join(line + b"\n" for line in middle) + good[good.index(b"\n") + 1 :]


def jsonl(name: str, line: bytes, rule: str, **settings: Any) -> Beast:
    return Beast(name, "jsonl", raw(lines(line)), ["kept", rule, "kept", "kept"], settings)


LINES = [
    Beast("an empty file", "jsonl", raw(b""), []),
    Beast("half a line at the end", "jsonl", raw(json_bytes(TEXTS)[:-20]), ["kept"] * 2 + ["ingest.not_json"]),
    jsonl("half a line in the middle", b'{"text": "half', "ingest.not_json"),
    jsonl("an empty line", b"", "ingest.not_json"),
    jsonl("a line of NULs", b"\0" * 1000, "ingest.not_json"),
    jsonl("100,000 brackets", b"[" * 100_000, "ingest.not_json"),
    jsonl("a number of 5,000 digits", b"1" * 5000, "ingest.not_json"),
    jsonl("Latin-1", b'{"text": "\xe4"}', "ingest.not_json"),
    jsonl("a list", b"[1, 2]", "ingest.no_text"),
    jsonl("no text", b'{"body": "x"}', "ingest.no_text"),
    jsonl("a text that is a number", b'{"text": 5}', "ingest.no_text"),
    jsonl("an empty text", b'{"text": ""}', "extract.empty"),
    jsonl("lone surrogates", rb'{"text": "\ud800 has enough words to be kept"}', "kept"),
    Beast("no id", "jsonl", raw(lines()), ["ingest.no_id"] * 3, {"id_key": "id"}),
    jsonl("a line of 70 MB", b'{"text": "' + b"x" * 70_000_000 + b'"}', "ingest.too_big"),
    Beast("gzip cut in the middle", "jsonl", raw(gzip.compress(json_bytes(TEXTS), 0)[:-60]), ["kept"] * 2 + ["ingest.unreadable"]),
    Beast("zstd cut in its second frame", "jsonl", raw(zstd(lines()) + zstd(lines())[:-9]), [*KEPT, "ingest.unreadable"]),
    Beast("an HTML page for each line", "jsonl", raw(json_bytes([{"html": HTML.decode()}])), ["kept"], {"html_key": "html"}),
    Beast("a URL that is none", "jsonl", raw(json_bytes([{"text": GOOD, "url": "http://[bad/"}])), ["kept"]),
]

HEAD, *BODY = csv_bytes(TEXTS).splitlines(keepends=True)


def table(name: str, line: bytes, *rules: str) -> Beast:
    return Beast(name, "csv", raw(HEAD + BODY[0] + line + b"".join(BODY[1:])), ["kept", *rules])


TABLES = [
    Beast("an empty file", "csv", raw(b""), []),
    Beast("a heading alone", "csv", raw(HEAD), []),
    table("a line too short", b"alone\n", "ingest.not_csv", "kept", "kept"),
    table("a line too long", b"a,b,c,d\n", "ingest.not_csv", "kept", "kept"),
    table("an empty line", b"\n", "ingest.not_csv", "kept", "kept"),
    table("a quote that the next line ends", b'"open,x\n', "ingest.not_csv", "kept"),
    Beast("a quote that never ends", "csv", raw(HEAD + BODY[0] + b'x,"open\n' + b"a,b\n" * 99), ["kept", "ingest.not_csv"]),
    table("a quote within a field", b'5" of rain has enough words to be kept,x\n', "kept", "kept", "kept"),
    table("text behind a quote", b'"a"b,c\n', "ingest.not_csv", "kept", "kept"),
    table("an end of line between quotes", f'"{GOOD}\nand more",x\n'.encode(), "kept", "kept", "kept"),
    Beast("UTF-16", "csv", raw(csv_bytes(TEXTS).decode().encode("utf-16")), ["ingest.unreadable"]),
    Beast("a byte order mark", "csv", raw(b"\xef\xbb\xbf" + csv_bytes(TEXTS)), KEPT),
    Beast("tabs", "csv", raw(csv_bytes(TEXTS, "\t")), KEPT, {"delimiter": "\t"}),
    Beast("the wrong column", "csv", raw(csv_bytes(TEXTS)), ["ingest.no_text"] * 3, {"text_key": "body"}),
    Beast("gzip cut in the middle", "csv", raw(gzip.compress(csv_bytes(TEXTS), 0)[:-60]), ["kept"] * 2 + ["ingest.unreadable"]),
    Beast("the wrong column", "parquet", raw(parquet_bytes(TEXTS)), ["ingest.no_text"] * 3, {"text_key": "body"}),
    Beast("a column of numbers", "parquet", raw(parquet_bytes([{"text": 5}])), ["ingest.no_text"]),
    Beast("nulls", "parquet", raw(parquet_bytes([{"text": None}, *TEXTS])), ["ingest.no_text", *KEPT]),
    Beast("bytes for a text", "parquet", raw(parquet_bytes([{"text": GOOD.encode("utf-16")}])), ["kept"]),
    Beast("a field within another", "parquet", raw(parquet_bytes([{"a": {"b": GOOD}}])), ["kept"], {"text_key": "a.b"}),
    Beast("an empty file", "parquet", raw(b""), ["ingest.unreadable"]),
    Beast("no Parquet", "parquet", raw(b"PAR1" + b"x" * 100 + b"PAR1"), ["ingest.unreadable"]),
    Beast("cut off", "parquet", raw(parquet_bytes(TEXTS)[:-5]), ["ingest.unreadable"]),
    Beast("a damaged page", "parquet", lambda path: path.write_bytes(_damaged_group()), [*KEPT, "ingest.unreadable"]),
    Beast("a folder named x.parquet", "parquet", lambda path: path.mkdir(), ["ingest.unreadable"], suffix=".parquet"),
    Beast("an empty file", "arrow", raw(b""), ["ingest.unreadable"]),
    Beast("no Arrow", "arrow", raw(b"ARROW1\0\0" + b"x" * 100), ["ingest.unreadable"]),
    Beast("a file", "arrow", raw(arrow_bytes(TEXTS)), KEPT),
    Beast("a stream cut off", "arrow", raw(arrow_bytes(TEXTS, stream=True, batch=2)[:-150]), ["kept"] * 2 + ["ingest.unreadable"]),
    Beast("text that is no UTF-8", "arrow", lambda path: path.write_bytes(_bad_text()), ["kept", "ingest.undecodable", "kept"]),
]


def _damaged_group() -> bytes:
    """Two row groups, the second's text overwritten."""
    data = bytearray(parquet_bytes([*TEXTS, *({"text": "second " * 40, "url": "x" * 40} for _ in range(3))], group=3))
    place = data.index(b"PAR1", 4)
    import io

    import pyarrow.parquet as pq

    column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    assert place > 4
    return bytes(data)


def _bad_text() -> bytes:
    import io

    texts = pa.array([GOOD.encode(), b"\xff\xfe", GOOD.encode()], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    out = io.BytesIO()
    batch = pa.record_batch({"text": column})
    with pa.ipc.new_file(out, batch.schema) as writer:
        writer.write(batch)
    return out.getvalue()


# Files


def _link(path: Path) -> None:
    path.symlink_to(path.name)


def _gone(path: Path) -> None:
    path.symlink_to("nowhere")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path is short
        opened.bind(path.name)
        os.chdir(here)


FILES = [
    Beast("a symlink loop", "jsonl", _link, ["ingest.unreadable"]),
    Beast("a link to nothing", "jsonl", _gone, ["ingest.unreadable"]),
    Beast("a folder", "warc", lambda path: path.mkdir(), ["ingest.unreadable"], suffix=".warc.gz"),
    Beast("a pipe that nobody writes", "jsonl", os.mkfifo, ["ingest.unreadable"]),
    Beast("a socket", "csv", _socket, ["ingest.unreadable"]),
    Beast("HTML", "pages", raw(HTML), ["kept"], suffix=".html"),
    Beast("packed HTML", "pages", raw(gzip.compress(HTML)), ["kept"], suffix=".html.gz"),
    Beast("Markdown", "pages", raw(f"# Title\n\n{GOOD}\n".encode()), ["kept"], suffix=".md"),
    Beast("plain text", "pages", raw(GOOD.encode()), ["kept"], suffix=".txt"),
    Beast("an empty page", "pages", raw(b""), ["extract.empty"], suffix=".html"),
    Beast("a picture", "pages", raw(b"\x89PNG\r\n\x1a\n"), ["extract.not_html"], suffix=".html"),
    Beast(
        "a page of 200 MB",
        "pages",
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 200_000_000),
        ["ingest.too_big"],
        suffix=".html",
    ),
    Beast("a packed page cut off", "pages", raw(gzip.compress(HTML)[:-9]), ["ingest.unreadable"], suffix=".html.gz"),
    Beast("a name of odd characters", "pages", raw(HTML), ["kept"], suffix="\n'\"; \u202e ä.html"),
]

ALL = [*WARCS, *LINES, *TABLES, *FILES]
UNREADABLE = [beast for beast in FILES if beast.fates == ["ingest.unreadable"]]
