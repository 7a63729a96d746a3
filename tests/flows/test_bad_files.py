"""A file that cannot be read is named at the end of the run, and so is why; the rest is worked on."""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from flows import account, job, line, stages
from pipeline.ingest import inputs
from pipeline.recipe import Source
from pipeline.store import Store

TEXTS = [{"text": f"A good page has enough words to be kept, and says so in sentence {number}."} for number in range(3)]
LINES = b"".join(json.dumps(text).encode() + b"\n" for text in TEXTS)
UNREADABLE = {
    "x.parquet": ("parquet", lambda path: path.mkdir(), "unreadable: a folder; name the files in it"),
    "loop.jsonl": ("jsonl", lambda path: path.symlink_to(path.name), "unreadable: Too many levels of symbolic links"),
    "gone.csv": ("csv", lambda path: path.symlink_to("nowhere"), "unreadable: No such file or directory"),
    "pipe.jsonl": ("jsonl", os.mkfifo, "unreadable: no regular file"),
    "nul.warc": ("warc", lambda path: path.write_bytes(b"\0" * 5000), "unreadable: Invalid WARC header"),
    "cut.jsonl.gz": ("jsonl", lambda path: path.write_bytes(gzip.compress(LINES)[:-20]), "unreadable: the file ends inside a gzip member"),
    "cut\x1b[2J.parquet": ("parquet", lambda path: path.write_bytes(b"PAR1" * 9), "unreadable: "),
}
SOURCE = '[[source]]\nname = "{name}"\nformat = "{format}"\nfiles = ["{file}"]\n'


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "good.jsonl").write_bytes(LINES)
    path = tmp_path / "recipe.toml"
    sources = [SOURCE.format(name="good", format="jsonl", file="good.jsonl")]
    for number, (name, (form, make, _)) in enumerate(UNREADABLE.items()):
        make(tmp_path / name)
        sources.append(SOURCE.format(name=f"bad{number}", format=form, file=name.replace("\x1b", "\\u001b").replace("[", "[[]")))
    path.write_text(
        "".join(sources)
        + '[[step]]\nuse = "extract"\n[limits]\nmax_error_share = 1\n[split]\nvalidation = 0\ntest = 0\n[dedup]\nnear = false\n'
    )
    return path


def curated(recipe: Path) -> str:
    made = job.make(str(recipe), str(recipe.parent / "root"), workers=1)
    out = Console(file=io.StringIO(), width=200)
    account.show(out, stages.curate(made, partial(line.in_processes, 1)))
    return out.file.getvalue()


def test_each_unreadable_file_is_named_in_the_summary(recipe: Path) -> None:
    said = curated(recipe)
    for number, (name, (_, _, why)) in enumerate(UNREADABLE.items()):
        assert f"bad{number}: {name} is {why}".replace("\x1b", "\\x1b") in said
    assert "\x1b[2J" not in said
    assert "records 10" in said
    assert "kept 3" in said
    assert curated(recipe).count("is unreadable") == len(UNREADABLE)  # and again where everything is in place


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_a_file_that_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret.jsonl").write_bytes(LINES)
        (folder / "secret.jsonl").chmod(0)
        for open_to_all in (folder, folder / "root"):
            open_to_all.mkdir(exist_ok=True)
            open_to_all.chmod(0o777)
        os.seteuid(65534)
        try:
            found = inputs.find(Store(folder / "root"), Source(name="x", format="jsonl", files=("secret.jsonl",)), folder)
        finally:
            os.seteuid(0)
    assert [each.error for each in found] == ["Permission denied"]
