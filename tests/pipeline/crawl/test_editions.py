from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.crawl import CrawlError, editions


def finished(folder: Path, at: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crawl.json").write_text(json.dumps({} if at is None else {"finished_at": at}))


def test_an_edition_goes_on_from_the_crawl_that_was_finished_last(tmp_path: Path) -> None:
    (tmp_path / "crawl_log").mkdir()
    assert editions.earlier(tmp_path, "new") is None
    finished(tmp_path, 5)
    assert editions.earlier(tmp_path, "new") == tmp_path
    finished(tmp_path / "b", 7)
    finished(tmp_path / "a", 9)
    (tmp_path / "unfinished").mkdir()
    assert editions.earlier(tmp_path, "new") == tmp_path / "a"
    assert editions.earlier(tmp_path, "a") == tmp_path / "b", "not from itself"
    finished(tmp_path / "old", None)
    assert editions.earlier(tmp_path, "new") == tmp_path / "a"


def test_the_first_crawl_goes_on_from_none(tmp_path: Path) -> None:
    finished(tmp_path / "a", 9)
    assert editions.earlier(tmp_path, None) is None
    assert editions.place(tmp_path, None) == tmp_path


@pytest.mark.parametrize("name", ["", "..", "a/b", "crawl_log", "-a", "A", "a b", "x" * 65, ".hidden"])
def test_a_name_that_is_no_edition(tmp_path: Path, name: str) -> None:
    with pytest.raises(CrawlError, match="edition"):
        editions.place(tmp_path, name)
    assert editions.place(tmp_path, "2026-11-23.b") == tmp_path / "2026-11-23.b"
