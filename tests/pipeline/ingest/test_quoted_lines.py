"""Rows of CSV are found alike by the reader and by the second count, wherever a long one is taken apart."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline import recount
from pipeline.ingest import csv

from .reading import read


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_rows_are_counted_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delimiter: str) -> None:
    drawn = random.Random(0)
    for piece_bytes in (1, 2, 3, 7, 1 << 20):
        monkeypatch.setattr(recount, "_PIECE_BYTES", piece_bytes)
        for _ in range(100):
            rows = "".join(drawn.choices(["a", '"', '""', delimiter, "\n", "\r\n", f'{delimiter}"', f'"{delimiter}'], k=40))
            read(tmp_path, f"text{delimiter}url\n{rows}".encode(), "csv", delimiter=delimiter)


def test_a_row_longer_than_the_bound_is_one_wherever_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random.Random(0)
    for bound in (20, 21, 22, 23, 24):
        monkeypatch.setattr(csv, "MAX_LINE_BYTES", bound)
        for _ in range(100):
            rows = "".join(drawn.choices(["a", '"', '""', ",", "\n", ',"', '",'], k=80))
            read(tmp_path, f"text,url\n{rows}".encode(), "csv")


@pytest.mark.parametrize("heading", ['"text', '"text"x,url\n', "x" * 20_000_000 + "\n", '"te\nxt'])
def test_a_heading_that_is_none_is_one_record(tmp_path: Path, heading: str) -> None:
    assert [row["error"] for row in read(tmp_path, heading.encode(), "csv")] == ["unreadable"]
