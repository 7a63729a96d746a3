"""Parquet and Arrow tables that say what they are not, or that hold more than was asked for."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.reading import read
from pipeline.ingest import arrow, parquet, tables

ROWS = 11_111  # a number that stands nowhere else in a footer
NANOSECONDS = 1_700_000_000_123_456_789


def parquet_table(table: pa.Table, **settings: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **settings)
    return out.getvalue()


def arrow_stream(table: pa.Table, **settings: Any) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**settings)) as writer:
        writer.write_table(table, max_chunksize=1)
    return out.getvalue()


def arrow_table(table: pa.Table, **settings: Any) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(**settings)) as writer:
        writer.write_table(table)
    return out.getvalue()


WRITERS = {"parquet": parquet_table, "arrow": arrow_table}


def varint(number: int) -> bytes:
    """Thrift's zigzag varint."""
    number, out = number << 1 ^ number >> 63, b""
    while number > 127:
        number, out = number >> 7, out + bytes([number & 127 | 128])
    return out + bytes([number])


def claiming(rows_: int, groups: int = 1) -> bytes:
    """A file of groups of ROWS rows whose footer says there are others."""
    data = parquet_table(pa.table({"text": ["x"] * ROWS * groups, "n": [7] * ROWS * groups}), row_group_size=ROWS)
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8].replace(b"\x16" + varint(ROWS), b"\x16" + varint(rows_))
    return data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize("key", ["text", "none"], ids=["mapped", "nothing mapped"])
def test_rows_that_a_footer_invents_are_one(tmp_path: Path, key: str) -> None:
    found = read(tmp_path, claiming(10**12, groups=2), "parquet", text_key=key)
    errors = [None if key == "text" else "no_text"] * ROWS + ["unreadable"]
    assert [row["error"] for row in found] == errors * 2
    assert found[ROWS]["error_detail"].startswith("11,111 of the 1,000,000,000,000 rows that a row group says it has")


@pytest.mark.parametrize("said", [1 << 41, 1 << 62])
def test_a_number_of_rows_beyond_belief_costs_its_group(tmp_path: Path, said: int) -> None:
    assert [row["error"] for row in read(tmp_path, claiming(said, groups=3), "parquet")] == ["unreadable"] * 3


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_beside_a_mapped_field_in_a_struct_costs_no_row(tmp_path: Path, form: str) -> None:
    kind = pa.struct([("text", pa.string()), ("at", pa.timestamp("ns")), ("took", pa.duration("ns")), ("hour", pa.time64("ns"))])
    struct = pa.array([{"text": "one", "at": NANOSECONDS, "took": 5, "hour": 7}, None, {"text": "three"}], kind)
    found = read(tmp_path, WRITERS[form](pa.table({"m": struct})), form, text_key="m.text", date_key="m.at")
    at = datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert [(row["text"], row["fetched_at"], row["error"]) for row in found] == [
        ("one", at, None),
        (None, None, "no_text"),
        ("three", None, None),
    ]


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(
    "dates",
    [
        pa.array([2**62], pa.timestamp("us")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([{"a": NANOSECONDS}], pa.struct([("a", pa.timestamp("ns"))])),
        pa.array([[NANOSECONDS]], pa.list_(pa.timestamp("ns"))),
        pa.array([1], pa.time64("ns")),
    ],
    ids=str,
)
def test_a_date_that_is_none_leaves_the_row(tmp_path: Path, form: str, dates: pa.Array) -> None:
    (found,) = read(tmp_path, WRITERS[form](pa.table({"text": ["x"], "at": dates})), form, date_key="at")
    assert (found["text"], found["fetched_at"], found["error"]) == ("x", None, None)


@pytest.mark.parametrize("form", WRITERS)
def test_a_list_or_a_struct_is_no_text(tmp_path: Path, form: str) -> None:
    for values in ([["a"]], [{"a": 1}]):
        (found,) = read(tmp_path, WRITERS[form](pa.table({"text": values})), form)
        assert found["error"] == "no_text"
        assert found["error_detail"] == f"expected a text under 'text', not {type(pa.array(values).type).__name__}"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
@pytest.mark.parametrize("form", WRITERS)
def test_a_text_that_is_too_big_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, kind: pa.DataType) -> None:
    monkeypatch.setattr(tables, "MAX_PAYLOAD_BYTES", 1_000)
    texts = ["a", "b" * 1_001, None, "c" * 1_000]
    found = read(tmp_path, WRITERS[form](pa.table({"text": pa.array(texts).cast(kind)})), form)
    assert [row["error"] for row in found] == [None, "too_big", "no_text", None]
    assert [row["bytes"] for row in found] == [1, 1_001, 0, 1_000]


@pytest.mark.parametrize("count", [1, 3])
def test_a_page_that_is_too_big_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    schema = pa.schema([pa.field("text", pa.string(), nullable=False), pa.field("other", pa.binary())])
    table = pa.table([["x" * 10_000] * count, [b"y" * 100_000] * count], schema=schema)
    settings = {"use_dictionary": False, "compression": "zstd"}
    monkeypatch.setattr(parquet, "MAX_PAGES_BYTES", 10_004 * count)
    assert [row["error"] for row in read(tmp_path, parquet_table(table, **settings), "parquet")] == [None] * count
    monkeypatch.setattr(parquet, "MAX_PAGES_BYTES", 10_004 * count - 1)
    (found,) = read(tmp_path, parquet_table(table, **settings), "parquet")
    assert found["error"] == ("too_big" if count == 1 else "unreadable")
    assert f"pages of {10_004 * count:,} bytes" in found["error_detail"]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
@pytest.mark.parametrize("pack", ["zstd", "lz4", None])
def test_a_batch_that_is_too_big_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: str | None, kind: pa.DataType
) -> None:
    table = pa.table({"other": [b"y" * 300_000], "text": pa.array(["x" * 10_000]).cast(kind), "n": [1]})
    bytes_ = 10_000 + 2 * 4 + 4 * pa.types.is_dictionary(kind)  # the text, where it begins and ends, and which it is
    monkeypatch.setattr(arrow, "MAX_UNPACKED_BYTES", bytes_)
    assert [row["error"] for row in read(tmp_path, arrow_table(table, compression=pack), "arrow")] == [None]
    monkeypatch.setattr(arrow, "MAX_UNPACKED_BYTES", bytes_ - 1)
    (found,) = read(tmp_path, arrow_table(table, compression=pack), "arrow")
    assert found["error"] == ("unreadable" if pack else None)  # what is not packed is no larger than its file


def test_what_follows_a_batch_that_is_too_big_is_read_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "MAX_UNPACKED_BYTES", 5_000)
    texts = pa.table({"text": ["a", "b", *["x" * 10_000] * 4, "d", "e"]})
    out = io.BytesIO()
    with pa.ipc.new_file(out, texts.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(texts, max_chunksize=2)
    found = read(tmp_path, out.getvalue(), "arrow")
    assert [(row["offset"], row["text"]) for row in found] == [(0, "a"), (1, "b"), (2, None), (4, None), (6, "d"), (7, "e")]
    assert all(row["error_detail"].startswith("the 2 rows of a batch were not read: ") for row in found[2:4])


def test_a_stream_ends_before_a_batch_that_is_too_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "MAX_UNPACKED_BYTES", 5_000)
    data = arrow_stream(pa.table({"text": ["a", "b", "x" * 10_000, "d"]}), compression="zstd")
    found = read(tmp_path, data, "arrow")
    assert [row["error"] for row in found] == [None, None, "unreadable"]
    assert found[-1]["error_detail"].startswith("from here on nothing was read: ")


@pytest.mark.parametrize("stream", [True, False])
def test_rows_that_are_not_there_are_not_believed(tmp_path: Path, stream: bool) -> None:
    batch = pa.record_batch([pa.nulls(2_000_000)], names=["text"])
    out = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, batch.schema) as writer:
        writer.write_batch(batch.slice(0, 5))
        writer.write_batch(batch)
    found = read(tmp_path, out.getvalue(), "arrow")
    assert [row["error"] for row in found] == ["no_text"] * 5 + ["unreadable"]


@pytest.mark.parametrize("form", [arrow_table, arrow_stream])
def test_damage_anywhere_in_a_table_never_raises(tmp_path: Path, form: Any) -> None:
    data, choice = form(pa.table({"text": pa.array(["one", "two", "one"]).dictionary_encode()}), compression="zstd"), random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[choice.randrange(len(data))] ^= choice.randrange(1, 256)
        read(tmp_path, bytes(damaged), "arrow")


def test_damage_in_any_page_never_raises(tmp_path: Path) -> None:
    data, choice = parquet_table(pa.table({"text": ["one", "two", "one"] * 5}), row_group_size=5), random.Random(0)
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(300):
        damaged = bytearray(data)
        damaged[choice.randrange(4, pages)] ^= choice.randrange(1, 256)
        read(tmp_path, bytes(damaged), "parquet")


def test_a_footer_that_ends_who_reads_it_is_an_unreadable_file(tmp_path: Path) -> None:
    data = parquet_table(pa.table({"text": ["one", "two"], "at": [{"day": 1}, {"day": 2}]}))
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    rng, details = random.Random(0), []
    for _ in range(500):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(footer, len(data) - 8)] = rng.randrange(256)
        details += [row["error_detail"] for row in read(tmp_path, bytes(damaged), "parquet")]
    assert "its footer ends the process that reads it" in details
    assert None in details
