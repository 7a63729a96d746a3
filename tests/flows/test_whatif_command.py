"""The command `whatif`: what is asked amiss is one line, what is asked rightly a table."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from flows import job, line, stages, whatif
from flows.usage import UsageError

RECIPE = """
name = "small"
[[source]]
name = "texts"
format = "jsonl"
files = ["texts.jsonl"]
[[step]]
use = "language"
[[step]]
use = "gopher_quality"
gate = true
[[step]]
use = "gopher_repetition"
[limits]
max_error_share = 1
[dedup]
near = false
[split]
validation = 0
test = 0
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> job.Job:
    folder: Path = tmp_path_factory.mktemp("whatif")
    texts = [" ".join(["The tide comes in and goes out with the moon, and that of spring is high."] * count) for count in range(1, 12)]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (folder / "small.toml").write_text(RECIPE)
    found = job.make(str(folder / "small.toml"), str(folder / "root"), workers=1)
    stages.curate(found, partial(line.in_processes, 1))
    return found


def said(made: job.Job, rule: str, sweep: str, by: str | None = None) -> str:
    out = Console(file=io.StringIO(), width=120)
    whatif.show(out, made.store, "small", rule, sweep, by)
    return out.file.getvalue()


def test_a_line_for_each_limit(made: job.Job) -> None:
    lines = said(made, "gopher_repetition.duplicate_10gram_char_ratio.max", "0:1:3").splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["0", "0.5", "1"]
    assert "before deduplication; tokens estimated at 4.00 bytes each (no token set yet)" in lines[-1]


def test_what_a_looser_gate_lets_on_is_unknown(made: job.Job) -> None:
    first, second = (row.split() for row in said(made, "gopher_quality.words.min", "20:200:2", "language").splitlines()[2:4])
    assert (first[0], first[1]) == ("20", "en")
    assert int(first[-1]) > 0
    assert second[-1] == "0"
    assert "unknown: let on by the looser gate" in said(made, "gopher_quality.words.min", "20:200:2")


@pytest.mark.parametrize("sweep", ["", "10", "1:2", "1:2:0", "1:2:9999", "a:b:3", "1:2:x", "nan:1:3", "1:inf:3"])
def test_a_sweep_that_is_none_is_told_in_one_line(made: job.Job, sweep: str) -> None:
    with pytest.raises(UsageError, match="--sweep: expected A:B:N"):
        said(made, "gopher_quality.words.min", sweep)


def test_a_corpus_that_is_not_there_is_told_in_one_line(made: job.Job) -> None:
    with pytest.raises(FileNotFoundError, match="nothing there yet; run the stages before this one first"):
        whatif.show(Console(file=io.StringIO()), made.store, "other", "gopher_quality.words.min", "1:2:3", None)
