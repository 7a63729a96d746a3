"""`corpusmill try`: a step on a file, and `explain`: a document's text from step to step."""

from __future__ import annotations

import gzip
import io
import json
import re
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows import changes, explain, job, line, stages
from flows.cli import app

PROSE = "The tide comes in and goes out with the moon, and that of spring is high. "
RECIPE = """
name = "small"
[[source]]
name = "texts"
format = "jsonl"
files = ["texts.jsonl"]
url_key = "url"
[[step]]
use = "c4_lines"
keep.sentences = { min = 3 }
gate = true
[[step]]
use = "gopher_quality"
[limits]
max_error_share = 1
[dedup]
near = false
"""


def lines(*texts: str) -> str:
    return "".join(json.dumps({"text": text, "url": f"http://h.example/{number}"}) + "\n" for number, text in enumerate(texts))


def tried(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["try", *arguments])
    return result.exit_code, result.stdout + result.stderr


def row(said: str, signal: str) -> list[str]:
    return next(line.split() for line in said.splitlines() if line.startswith(signal + " "))


def test_a_page_is_extracted_measured_and_judged(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<title>x</title><p>{PROSE * 2}</p>")
    status, said = tried("gopher_quality", str(tmp_path / "page.html"))
    assert status == 0
    assert row(said, "words") == ["words", "✗", "32", ">=", "50", "and", "<=", "100000"]
    assert "✗" not in row(said, "stop_words")
    assert "kept 0 of 1 records\n       1 gopher_quality.words.min" in said


def test_settings_and_bounds_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<p>{PROSE * 2}</p>")
    said = tried("gopher_quality", str(tmp_path / "page.html"), "--set", "gopher_quality.words.min=32")[1]
    assert "kept 1 of 1 records" in said


def test_what_a_step_changes_is_shown(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(lines(f"{PROSE}\nMenu\nIt is read[12] here."))
    said = tried("c4_lines", str(tmp_path / "texts.jsonl"))[1]
    assert "- Menu" in said
    assert "- It is read[12] here." in said
    assert "+ It is read here." in said
    assert f"- {PROSE[:20]}" not in said


@pytest.mark.parametrize("name", ["texts.tsv", "texts.TSV.gz", "texts.csv", "texts.json", "texts.ndjson.gz"])
def test_a_files_suffix_says_how_it_is_read(tmp_path: Path, name: str) -> None:
    separator = "," if ".csv" in name else "\t"
    table = f'url{separator}text\nhttp://h.example/0{separator}"{PROSE * 2}"\n'
    data = (lines(PROSE * 2) if "json" in name else table).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    said = tried("gopher_quality", str(tmp_path / name))[1]
    assert row(said, "words")[1:3] == ["✗", "32"]


def test_of_many_records_it_says_how_their_values_lie(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl.gz").write_bytes(gzip.compress(lines(*(PROSE * count for count in range(1, 12))).encode()))
    said = tried("gopher_quality", str(tmp_path / "texts.jsonl.gz"))[1]
    assert row(said, "words")[1:8] == ["16", "32", "96", "160", "176", "3", ">="]
    assert "kept 8 of 11 records" in said


def test_a_recipe_brings_its_steps_and_bounds(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    (tmp_path / "other.jsonl").write_text(lines(PROSE * 2, PROSE * 40))
    said = tried("gopher_quality", str(tmp_path / "other.jsonl"), "--recipe", str(tmp_path / "small.toml"))[1]
    assert "1 c4_lines.sentences.min" in said
    assert row(said, "words")[1:3] == ["640", ">="], "the gate let one through"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("gopher", "{page}"), "gopher: no such step; there are bad_words, c4_lines, "),
        (("gopher_quality", "{folder}/none.html"), "none.html: no such file"),
        (("gopher_quality", "{folder}"), ": no such file"),
        (("language", "{page}", "--recipe", "{recipe}"), "language: no such step in it; there are c4_lines, gopher_quality"),
        (("gopher_quality", "{page}", "--set", "gopher_quality.wrods.min=1"), "wrods: unknown key"),
        (("gopher_quality", "{empty}"), "empty.jsonl: no record in it"),
    ],
)
def test_what_cannot_be_tried_is_one_line(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    places = {"page": tmp_path / "page.html", "folder": tmp_path, "recipe": tmp_path / "small.toml", "empty": tmp_path / "empty.jsonl"}
    places["page"].write_text("<p>x</p>")
    places["recipe"].write_text(RECIPE)
    places["empty"].write_text("")
    status, said = tried(*(argument.format(**places) for argument in arguments))
    assert (status, said.count("\n")) == (2, 1)
    assert expected in said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> job.Job:
    folder: Path = tmp_path_factory.mktemp("explained")
    (folder / "texts.jsonl").write_text(lines(PROSE, f"{PROSE * 3}\nMenu\n" * 2))
    (folder / "small.toml").write_text(RECIPE)
    found = job.make(str(folder / "small.toml"), str(folder / "root"), workers=1)
    stages.curate(found, partial(line.in_processes, 1))
    return found


def explained(made: job.Job, which: str) -> str:
    out = Console(file=io.StringIO(), width=140)
    explain.show(out, made, which)
    return out.file.getvalue()  # type: ignore[attr-defined]


def test_explain_shows_what_each_step_changed(made: job.Job) -> None:
    said = explained(made, "http://h.example/1")
    assert "c4_lines changed the text, 456 to 443 characters" in said
    assert said.count("- Menu") == 2


def test_explain_sets_signals_beside_their_bounds(made: job.Job) -> None:
    said = explained(made, "http://h.example/0")
    (sentences,) = (line.split() for line in said.splitlines() if line.strip().startswith("c4_lines_sentences"))
    assert sentences == ["c4_lines_sentences", "1", "min", "3", "✗"]


def test_explain_takes_a_record_by_its_own_id(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps({"id": "row 7", "text": PROSE}) + "\n")
    (tmp_path / "small.toml").write_text(RECIPE.replace('files = ["texts.jsonl"]', 'files = ["texts.jsonl"]\nid_key = "id"'))
    made = job.make(str(tmp_path / "small.toml"), str(tmp_path / "root"), workers=1)
    stages.curate(made, partial(line.in_processes, 1))
    assert re.search(r"id +row 7", explained(made, "row 7"))


def test_explain_without_the_files_says_what_it_needs(made: job.Job, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE)
    said = explained(job.make(str(tmp_path / "small.toml"), made.root), "http://h.example/1")
    assert "needs the document's recipe (--recipe) and its files" in said
    assert "c4_lines_sentences" in said


def test_changes_of_long_lines_show_the_place_alone() -> None:
    before = "a " * 200 + "x" + " b" * 200
    assert list(changes.changes(before, before.replace("x", "yy"))) == [f"- …{'a ' * 20}x{' b' * 20}…", f"+ …{'a ' * 20}yy{' b' * 20}…"]


def test_changes_in_white_space_are_told() -> None:
    assert list(changes.changes("a  b\nc", "a b\nc")) == ["- a  b", "+ a b"]
    assert list(changes.changes("a  b\nc", "a b\nd")) == ["- c", "+ d", "… 1 lines differ in white space alone"]


def test_changes_of_hostile_texts_end() -> None:
    before = "x\n" * 100_000
    assert list(changes.changes(before, before + "y"))[-1].startswith("… only the first 2,000 lines")
