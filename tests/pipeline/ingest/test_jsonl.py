"""A row for each line, whatever stands on it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import ingest, recount, schema
from pipeline.ingest import jsonl, rows
from pipeline.ingest.inputs import Input
from pipeline.ingest.raw import ReadFailedError
from pipeline.recipe import Source


def source(**settings: Any) -> Source:
    return Source(name="books", format="jsonl", files=("x",), **settings)


def read(tmp_path: Path, data: bytes, **settings: Any) -> list[dict[str, Any]]:
    """The rows of a file of these bytes, counted by the second path as well."""
    (tmp_path / "x.jsonl").write_bytes(data)
    given = Input(str(tmp_path), "x.jsonl", "x.jsonl", "d1gest", len(data))
    found = []
    for batch in ingest.read(source(**settings), [given]):
        batch.validate(full=True)
        assert batch.schema == schema.INPUT
        found += batch.to_pylist()
    assert len(found) == recount.count(source(**settings), given)
    assert len({row["doc_id"] for row in found}) == len(found)
    return found


LINES = b'{"text": "one"}\n{"text": "two", "url": "http://User@H.Example:80/x"}\r\n{"text": ""}\n'


@pytest.mark.parametrize(
    "data",
    [LINES, gzip.compress(LINES), gzip.compress(LINES[:20]) + gzip.compress(LINES[20:]), LINES[:-1]],
    ids=["plain", "gzip", "two members", "no end"],
)
def test_plain_and_gzip_and_a_last_line_without_an_end(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, data)
    assert [(row["text"], row["offset"], row["error"]) for row in found] == [("one", 0, None), ("two", 1, None), ("", 2, None)]
    assert [(row["url"], row["host"]) for row in found] == [(None, None), ("http://User@H.Example:80/x", "h.example:80"), (None, None)]
    assert {(row["source"], row["file"], row["content"]) for row in found} == {("books", "x.jsonl", None)}
    assert found[0]["bytes"] == len(b'{"text": "one"}\n')


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_an_empty_file_has_no_records(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"text": "half a li', "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"text": "\xff"}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"1" * 5_000, "not_json"),
        (b'["text"]', "no_text"),
        (b"null", "no_text"),
        (b'{"title": "x"}', "no_text"),
        (b'{"text": null}', "no_text"),
        (b'{"text": ["x"]}', "no_text"),
    ],
)
def test_a_line_that_is_no_document_says_why(tmp_path: Path, line: bytes, error: str) -> None:
    before, bad, after = read(tmp_path, b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n')
    assert (before["text"], bad["text"], after["text"]) == ("a", None, "b")
    assert (bad["error"], bad["offset"], bad["bytes"]) == (error, 1, len(line) + 1)
    assert bad["error_detail"]


def test_lone_surrogates_become_replacement_characters(tmp_path: Path) -> None:
    data = rb'{"text": "a\ud800b \ud83d\ude00 c\udc00", "url": "http://h.example/\udfff"}'
    found = read(tmp_path, data)[0]
    assert (found["text"], found["url"]) == ("a\ufffdb \U0001f600 c\ufffd", "http://h.example/\ufffd")


def test_characters_that_are_odd_but_whole_stay(tmp_path: Path) -> None:
    text = "\ufeff\x00\u202e שלום \U0001f468\u200d\U0001f469 \u2028"
    assert read(tmp_path, json.dumps({"text": text}).encode())[0]["text"] == text


def test_a_url_that_is_none_leaves_the_record(tmp_path: Path) -> None:
    data = b'{"text": "a", "url": 5}\n{"text": "a", "url": "http://[bad/"}\n{"text": "a", "url": "no url"}\n'
    assert [(row["url"], row["host"]) for row in read(tmp_path, data)] == [(None, None), ("http://[bad/", None), ("no url", None)]


def test_keys_are_those_that_the_recipe_names(tmp_path: Path) -> None:
    data = b'{"body": "a", "link": "http://h.example/", "id": "x1"}\n'
    found = read(tmp_path, data, text_key="body", url_key="link", id_key="id")[0]
    assert (found["text"], found["url"]) == ("a", "http://h.example/")


def test_ids_identify_a_record_wherever_it_stands(tmp_path: Path) -> None:
    lines = [b'{"text": "a", "id": "x\\ud800"}\n', b'{"text": "b", "id": 7}\n', b'{"text": "c"}\n', b'{"text": "d", "id": 1.5}\n']
    found = read(tmp_path, b"".join(lines), id_key="id")
    assert [row["error"] for row in found] == [None, None, "no_id", "no_id"]
    moved = read(tmp_path, b"".join(reversed(lines)), id_key="id")
    assert [row["doc_id"] for row in found[:2]] == [row["doc_id"] for row in reversed(moved[2:])]
    assert found[1]["doc_id"].bytes == schema.doc_id("books", b"7")
    assert [row["id"] for row in found] == ["x\\xed\\xa0\\x80", "7", None, None]


def test_without_ids_the_files_digest_and_the_line_identify_a_record(tmp_path: Path) -> None:
    (found,) = read(tmp_path, b'{"text": "a", "id": "x1"}\n')
    assert (found["doc_id"].bytes, found["id"]) == (schema.doc_id("books", b"d1gest:0"), None)


def test_a_gzip_file_cut_anywhere_ends_with_a_record_that_says_so(tmp_path: Path) -> None:
    whole = gzip.compress(LINES * 3, mtime=0)
    for cut in range(2, len(whole)):
        found = read(tmp_path, whole[:cut])
        assert [row["error"] for row in found] == [None] * (len(found) - 1) + ["unreadable"]


def test_a_damaged_gzip_file_ends_with_a_record_that_says_so(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(LINES * 50, mtime=0))
    for damaged in (12, len(whole) // 2, len(whole) - 6):
        data = bytearray(whole)
        data[damaged] ^= 0xFF
        found = read(tmp_path, bytes(data))
        assert found[-1]["error"] == "unreadable"
    found = read(tmp_path, bytes(whole) + b"garbage")
    assert [row["error"] for row in found] == [None] * 150 + ["unreadable"]


def test_a_disk_that_fails_stops_the_run(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ReadFailedError, match="Input/output error"):
        list(jsonl.read(Failing(LINES), Input("", "x", "x", "d", 0), source()))


def test_batches_are_bounded_in_rows_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", 3)
    monkeypatch.setattr(rows, "MAX_BYTES", 100)
    data = b"".join(json.dumps({"text": "x" * size}).encode() + b"\n" for size in (1, 1, 1, 1, 50, 50, 500, 1))
    (tmp_path / "x.jsonl").write_bytes(data)
    given = Input(str(tmp_path), "x.jsonl", "x.jsonl", "d", len(data))
    assert [batch.num_rows for batch in ingest.read(source(), [given])] == [3, 2, 1, 1, 1]


def test_a_line_that_is_too_long_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b'{"text": "%b"}\n' % (b"x" * count) for count in (10, 11, 500, 5)]
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", len(lines[0]))
    found = read(tmp_path, b"".join(lines))
    assert [(row["error"], row["bytes"]) for row in found] == [
        (error, len(line)) for error, line in zip((None, "too_big", "too_big", None), lines, strict=True)
    ]
