"""What a table shows is what is in it, and none of it commands a terminal."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from rich.console import Console

from dashboards import table

HOSTILE = "<b>\x1b[31mred\x1b[0m \u202eright\u202c"
MIXED = pa.table(
    {
        "text": [HOSTILE, None, 'two\nlines, "quoted"\t\x00'],
        "count": [1234567, None, -1],
        "share": [0.123456, float("nan"), 12345.678],
        "at": [datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None, None],
        "rules": [["a.b.min", "c"], [], None],
        "big": pa.array([Decimal(2**70), None, Decimal(3)], pa.decimal128(38, 0)),
        "raw": [b"\x00\xff", None, b""],
        "kept": [True, None, False],
    }
)
COMMANDS = ["\x1b", "\x07", "\x00", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\r", "\x7f", "\x08"]


@pytest.mark.parametrize("sign", COMMANDS)
def test_no_sign_that_moves_a_terminal_comes_through(sign: str) -> None:
    given = pa.table({f"name{sign}": [f"a{sign}b"], "list": [[f"a{sign}b"]], "struct": [{"key": f"a{sign}b"}]})
    printed = [table.render(given, 120), *table.as_csv(given.column_names, given.to_batches()), *table.as_json(given.to_batches())]
    assert all(sign not in piece for piece in printed)


def test_visible_spells_out_what_has_no_shape_and_keeps_the_rest() -> None:
    assert table.visible("\x1b[31mrot é 漢字 😀\n\u202e") == "\\x1b[31mrot é 漢字 😀\\n\\u202e"
    assert table.visible("one\ntwo\r", keep="\n") == "one\ntwo\\r"


def test_rendered_text_is_never_markup() -> None:
    marked = pa.table({"[b]name": ["[bold red]text[/]"]})
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(table.grid(marked))
    for printed in (table.render(marked, 80), capture.get()):
        assert "[bold red]text[/]" in printed
        assert "[b]name" in printed


def test_rendered_values_are_for_people() -> None:
    lines = table.render(MIXED, 400)
    for said in (
        "1,234,567",
        "0.1235",
        "12,346",
        "2026-01-02T03:04:00+00:00",
        "a.b.min, c",
        "1,180,591,620,717,411,303,424",
        "00ff",
        "yes",
    ):
        assert said in lines


def test_long_cells_and_long_tables_are_cut_and_the_cut_is_said() -> None:
    printed = table.render(pa.table({"text": ["x" * 1000] * 5}), 400, max_rows=2)
    assert "x" * (table.MAX_CELL_CHARS - 1) + "…" in printed
    assert "x" * table.MAX_CELL_CHARS not in printed
    assert "2 of 5 rows" in printed


def test_a_value_wider_than_the_terminal_is_folded_not_lost() -> None:
    printed = table.render(pa.table({"text": ["abcdefghij" * 10]}), 40)
    assert "".join(line.strip() for line in printed.splitlines()).endswith("abcdefghij" * 10)


def test_columns_of_one_name_are_both_there() -> None:
    twins = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    assert table.render(twins, 40).split()[-2:] == ["1", "2"]
    assert "".join(table.as_csv(twins.column_names, twins.to_batches())) == "n,n\n1,2\n"


def test_csv_is_read_back_as_it_was_but_for_signs_without_a_shape() -> None:
    text = "".join(table.as_csv(MIXED.column_names, MIXED.to_batches()))
    header, *rows = csv.reader(io.StringIO(text))
    assert header == MIXED.column_names
    assert rows[2][:3] == ['two\nlines, "quoted"\t\\x00', "-1", "12345.678"]
    assert rows[0][4] == '["a.b.min", "c"]'
    assert rows[1] == ["", "", "", "", "[]", "", "", ""]


def test_json_loses_nothing() -> None:
    read = json.loads("".join(table.as_json(MIXED.to_batches(max_chunksize=1))))
    assert [row["text"] for row in read] == MIXED["text"].to_pylist()
    assert read[0]["big"] == 2**70
    assert read[1] == {"text": None, "count": None, "share": None, "at": None, "rules": [], "big": None, "raw": None, "kept": None}
    assert json.loads("".join(table.as_json([]))) == []
