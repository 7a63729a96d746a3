"""`explain` shows the lines that were cut from a document."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from flows import explain, job, line, stages

RECIPE = """
name = "small"
[[source]]
name = "texts"
format = "jsonl"
files = ["texts.jsonl"]
url_key = "url"
[[step]]
use = "text_statistics"
[dedup]
near = false
host_lines = { min_pages = 3 }
substrings = { min_bytes = 50 }
"""
MENU = [f"entry {letter} of the menu" for letter in "abcdefghijkl"]

QUOTE = "what one page says another says too, word for word, and the third"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> job.Job:
    folder: Path = tmp_path_factory.mktemp("cut")
    texts = ["\n".join(["\x1b[31mHead\x1b[0m" if number else MENU[0], *MENU, f"page {letter}"]) for number, letter in enumerate("abcd")]
    texts.append("\n".join(MENU))
    texts += [f"{number} {QUOTE} {number}" for number in "123"]
    rows = [json.dumps({"text": text, "url": f"http://h.example/{number}"}) + "\n" for number, text in enumerate(texts)]
    (folder / "texts.jsonl").write_text("".join(rows))
    (folder / "small.toml").write_text(RECIPE)
    found = job.make(str(folder / "small.toml"), str(folder / "root"), workers=1)
    stages.curate(found, partial(line.in_processes, 1))
    return found


def explained(made: job.Job, which: str) -> list[str]:
    out = Console(file=io.StringIO(), width=140)
    explain.show(out, made, which)
    return [" ".join(each.split()) for each in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_how_many_lines_went_and_the_first_of_them(made: job.Job) -> None:
    said = explained(made, "http://h.example/0")
    assert "cuts 13" in said
    assert f"bytes {sum(len(each) + 1 for each in [*MENU, MENU[0]])}" in said
    assert [each for each in said if "of the menu" in each and each[0] == "5"] == [f"5 {each}" for each in [MENU[0], *MENU[:9]]]


def test_a_document_of_nothing_else_says_what_became_of_it(made: job.Job) -> None:
    assert "rule host_lines.empty" in explained(made, "http://h.example/4")


def test_a_line_that_means_harm_is_shown_in_words(made: job.Job) -> None:
    said = explained(made, "http://h.example/1")
    assert any(each.startswith("3 ") and "Head" in each for each in said)
    assert not any("\x1b[31m" in each for each in said)


def test_runs_of_bytes_stand_beside_the_lines(made: job.Job) -> None:
    page = next(number for number in (6, 7) if "rule substrings.repeated" in explained(made, f"http://h.example/{number}"))
    said = explained(made, f"http://h.example/{page}")
    assert "cuts 1" in said
    assert f"bytes {len(QUOTE) + 2}" in said
    assert {"pages 3", f"text {QUOTE}"} <= set(said)
