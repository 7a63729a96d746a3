"""The files that a pattern names, here and in an object store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.ingest import files
from pipeline.store import Store
from pipeline.typed import RecipeError

from .reading import found, json_bytes, rows, source, warc

RECORDS = [{"text": f"text {number}", "url": f"http://h.example/{number}"} for number in range(5)]


@pytest.fixture
def objects(bucket: str) -> str:
    store = Store(bucket)
    for name in ("a.jsonl", "b.jsonl", "deep/c.jsonl", "deep/er/d.jsonl", "deep/er/e.warc.gz", "other/f.txt"):
        store.write(f"texts/{name}", warc(RECORDS) if name.endswith("gz") else json_bytes([{"text": name}]))
    return bucket


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("texts/*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("texts/a.jsonl", ["a.jsonl"]),
        ("texts/**/*.jsonl", ["a.jsonl", "b.jsonl", "deep/c.jsonl", "deep/er/d.jsonl"]),
        ("texts/deep/**/*.jsonl", ["c.jsonl", "er/d.jsonl"]),
        ("texts/*/*.jsonl", ["deep/c.jsonl"]),
        ("texts/deep/er/[de].*", ["d.jsonl", "e.warc.gz"]),
        (
            "**",
            [
                "texts/a.jsonl",
                "texts/b.jsonl",
                "texts/deep/c.jsonl",
                "texts/deep/er/d.jsonl",
                "texts/deep/er/e.warc.gz",
                "texts/other/f.txt",
            ],
        ),
    ],
)
def test_patterns_in_an_object_store(objects: str, pattern: str, names: list[str]) -> None:
    assert sorted(file.name for file in files.find(source("jsonl", f"{objects}/{pattern}"), Path())) == names


@pytest.mark.parametrize("pattern", ["texts/*.csv", "texts/none.jsonl", "nowhere/*", "texts"])
def test_a_pattern_that_matches_no_object_is_told_in_one_line(objects: str, pattern: str) -> None:
    with pytest.raises(RecipeError, match="expected a file that exists; none matches"):
        list(files.find(source("jsonl", f"{objects}/{pattern}"), Path()))


def test_what_lies_in_an_object_store_is_read_as_from_a_disk(objects: str, tmp_path: Path) -> None:
    (tmp_path / "e.warc.gz").write_bytes(warc(RECORDS))
    remote = source("warc", f"{objects}/texts/**/*.warc.gz")
    far, near = rows(remote, found(tmp_path, remote)), rows(source("warc"), found(tmp_path, source("warc", "e.warc.gz")))
    assert [row["text"] for row in far] == [row["text"] for row in near] == [record["text"] for record in RECORDS]


def test_large_objects_are_read_in_parts(bucket: str, tmp_path: Path) -> None:
    records = [{"text": os.urandom(600).hex()} for _ in range(2000)]
    Store(bucket).write("big.jsonl", json_bytes(records))
    given = source("jsonl", f"{bucket}/big.jsonl", split_mb=1)
    parts = found(tmp_path, given)
    assert len(parts) == 3
    assert [row["text"] for row in rows(given, parts)] == [record["text"] for record in records]


def test_a_root_in_an_object_store_remembers_what_it_has_looked_at(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.ingest import inputs, known

    monkeypatch.setattr(known, "RACY_NS", 0)

    (tmp_path / "a.jsonl").write_bytes(json_bytes(RECORDS))
    store, given = Store(f"{bucket}/root"), source("jsonl", "a.jsonl")
    assert inputs.find(store, given, tmp_path) == inputs.find(store, given, tmp_path)
    assert store.exists("inputs/books.json")
