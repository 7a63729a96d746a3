from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.crawl import editions
from pipeline.crawl.errors import CrawlError


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


def test_the_first_crawl_goes_on_from_an_edition_that_came_before_it(tmp_path: Path) -> None:
    assert editions.place(tmp_path, None) == tmp_path
    assert editions.earlier(tmp_path, None) is None
    finished(tmp_path / "a", 9)
    assert editions.earlier(tmp_path, None) == tmp_path / "a"


@pytest.mark.parametrize(
    ("left", "other", "said"),
    [
        ("e1", "e2", r"/e1: .*not finished; .*edition 'e1'\), or delete that folder$"),
        ("e1", None, r"/e1: .*not finished"),
        (None, "e2", r"not finished; .*without an edition\), or delete its files$"),
    ],
)
def test_no_crawl_begins_beside_an_unfinished_one(tmp_path: Path, left: str | None, other: str | None, said: str) -> None:
    finished(tmp_path / "e0", 5)
    unfinished = editions.place(tmp_path, left)
    unfinished.mkdir(exist_ok=True)
    (unfinished / "frontier.sqlite").touch()
    with pytest.raises(CrawlError, match=said):
        editions.earlier(tmp_path, other)
    assert editions.earlier(tmp_path, left) == tmp_path / "e0", "it may itself go on"
    editions.earlier(tmp_path, "e0")  # a finished one has nothing to begin
    finished(unfinished, 7)
    assert editions.earlier(tmp_path, other) == unfinished


@pytest.mark.parametrize("name", ["", "..", "a/b", "crawl_log", "-a", "A", "a b", "x" * 65, ".hidden"])
def test_a_name_that_is_no_edition(tmp_path: Path, name: str) -> None:
    with pytest.raises(CrawlError, match="edition"):
        editions.place(tmp_path, name)
    assert editions.place(tmp_path, "2026-11-23.b") == tmp_path / "2026-11-23.b"
