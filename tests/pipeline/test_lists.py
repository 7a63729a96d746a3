"""Files with an entry a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import lists


def test_entries_come_with_their_lines_and_without_comments(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff# a list\r\n\r\n one \r\ntwo words\t# why\na#b\n#none\n   \n\u3000últ\u00a0\n".encode())
    found = lists.read(str(path))
    assert found.entries.to_pylist() == ["one", "two words", "a#b", "últ"]
    assert found.lines.tolist() == [3, 4, 5, 8]
    assert str(found.refusal(1, "one word")) == f"{path}, line 4: expected one word, not 'two words'"


def test_an_empty_list_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("")
    assert lists.read(str(tmp_path / "list.txt")).entries.to_pylist() == []


def test_what_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"one\n\ntw\xe9\n")
    with pytest.raises(ValueError, match=r"list\.txt, line 3: expected UTF-8"):
        lists.read(str(tmp_path / "list.txt"))


def test_a_file_has_another_state_once_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("one")
    before = lists.state(str(path))
    assert lists.state(str(path)) == before
    path.write_text("one\ntwo")
    assert lists.state(str(path)) != before
