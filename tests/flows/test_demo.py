"""The demo, with a model too small to learn: every fault's fate, what is kept, and every command that the README shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dashboards import query
from flows.demo import truth
from pipeline.store import Store

HERE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TINY = ("model.layers=1", "model.width=64", "model.heads=1", "model.kv_heads=1")
SMALL = [part for each in (*TINY, "train.steps=10", "train.epochs=1", "evaluate.bootstrap_resamples=20") for part in ("--set", each)]
README = (HERE / "README.md").read_text("utf-8")


def run(command: list[str], folder: Path = HERE) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, cwd=folder, timeout=200)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    said = run(["corpusmill", "demo", "--root", str(root), "--plain", *SMALL])
    assert said.returncode == 0, said.stdout + said.stderr
    for part in ("Planted faults: 37 of 37", "Bits per byte on", "What the model says", "corpusmill explain", "report.html"):
        assert part in said.stdout
    return root


def test_every_planted_fault_has_the_fate_it_should(root: Path) -> None:
    assert {verdict.fault.name: verdict.wrong for verdict in truth.verdicts(Store(root)) if verdict.wrong} == {}


def test_most_of_the_clean_reference_pages_are_kept(root: Path) -> None:
    (row,) = query.run(Store(root), "select count(*) n, avg(kept::int) share from fates where source = 'pydoc'").to_pylist()
    assert row["n"] >= 300
    assert row["share"] >= 0.6


def test_enough_is_held_out_to_measure_on(root: Path) -> None:
    sql = "select documents, bytes from evaluation_scores where name = 'model' and metric = 'loss' and split is null and breakdown is null"
    (row,) = query.run(Store(root), sql).to_pylist()
    assert row["documents"] >= 100
    assert row["bytes"] >= 500_000


def test_a_page_that_robots_disallows_stands_in_the_crawl_log_and_nowhere_else(root: Path) -> None:
    store = Store(root)
    assert query.run(store, "select outcome from crawl_log where url like '%/private/%'")["outcome"].unique().to_pylist() == ["robots"]
    assert query.run(store, "select count(*) n from records where url like '%/private/%'")["n"].to_pylist() == [0]
    for warc in root.rglob("*.warc.gz"):
        assert b"/private/ledger" not in _opened(warc)


def _opened(path: Path) -> bytes:
    """The request lines and headers of a WARC file."""
    from fastwarc.warc import ArchiveIterator

    return b"\n".join(record.headers.get("WARC-Target-URI", "").encode() for record in ArchiveIterator(path.open("rb"), parse_http=False))


def test_a_fault_with_another_fate_fails_the_demo(root: Path) -> None:
    said = run(["corpusmill", "demo", "--root", str(root), "--plain", *SMALL, "--set", "gopher_quality.words.min=10"])
    assert said.returncode == 1
    assert "WRONG" in said.stdout


def commands() -> list[str]:
    """What the README and the docs show after a prompt, make's own targets apart."""
    pages = README + "".join(path.read_text("utf-8") for path in sorted((HERE / "docs").glob("*.md")))
    blocks = re.findall(r"```console\n(.*?)```", pages, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("make ")]


@pytest.mark.parametrize("command", commands())
def test_each_command_that_is_shown_works(root: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(root)
    said = run(shlex.split(command), tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()


def test_each_statement_of_the_docs_is_answered(root: Path) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", (HERE / "docs" / "catalog.md").read_text("utf-8"), re.DOTALL)
    for statement in block.replace("step = 100", "step = 5").split(";")[:-1]:
        assert query.run(Store(root), statement).num_rows > 0


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (HERE / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", README)) <= targets


def test_the_recipe_of_the_readme_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "articles.toml").write_text(text)
    from flows import job

    assert [use.name for use in job.make(str(tmp_path / "articles.toml"), str(tmp_path)).recipe.steps][-1] == "gopher_repetition"
