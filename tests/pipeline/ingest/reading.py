"""Files of every format, and what their reader makes of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import as_input, warc_bytes

from pipeline import ingest, recount, schema
from pipeline.ingest import inputs
from pipeline.ingest.inputs import Input
from pipeline.recipe import Source
from pipeline.store import Store

Records = list[dict[str, Any]]


def source(format_: str = "jsonl", *files: str, **settings: Any) -> Source:
    return Source(name="books", format=format_, files=files or ("x",), **settings)


def rows(given: Source, parts: list[Input]) -> Records:
    """The rows of some inputs, each id once; as many as the second path counts in their files."""
    found = []
    for batch in ingest.read(given, parts):
        batch.validate(full=True)
        assert batch.schema == schema.INPUT
        found += batch.to_pylist()
    assert len(found) == sum(recount.count(given, each) for each in {each.path: each for each in parts}.values())
    assert len({row["doc_id"] for row in found}) == len(found)
    return found


def read(tmp_path: Path, data: bytes, format_: str = "jsonl", name: str = "x", **settings: Any) -> Records:
    (tmp_path / name).write_bytes(data)
    return rows(source(format_, **settings), [as_input(tmp_path / name)])


def found(tmp_path: Path, given: Source) -> list[Input]:
    return inputs.find(Store(tmp_path / "root"), given, tmp_path)


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def csv_bytes(records: Records, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def parquet_bytes(records: Records, group: int = 100) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), out, row_group_size=group)
    return out.getvalue()


def arrow_bytes(records: Records, stream: bool = False, batch: int = 100) -> bytes:
    out, table = io.BytesIO(), pa.Table.from_pylist(records)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)
    return out.getvalue()


def warc(records: Records, pack: str = "gz") -> bytes:
    pages = [("conversion", record["url"], record["text"].encode()) for record in records]
    if pack == "plain":
        return warc_bytes(pages, gz=False)
    if pack == "gz":
        return warc_bytes(pages)
    whole = warc_bytes(pages)
    frames, rest = [], io.BytesIO(whole)
    for member in _members(rest.getvalue()):
        frames.append(zstd(gzip.decompress(member)))
    return b"".join(frames)


def _members(data: bytes) -> list[bytes]:
    import zlib

    members = []
    while data:
        opened = zlib.decompressobj(wbits=31)
        opened.decompress(data)
        members.append(data[: len(data) - len(opened.unused_data)])
        data = opened.unused_data
    return members


def json_bytes(records: Records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
