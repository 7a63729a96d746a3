"""The demo, with a model too small to learn: every fault's fate, what is kept, and every command that the README shows."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from dashboards import query
from flows.demo import truth
from pipeline import order
from pipeline.dedup.shingles import shingle_sets
from pipeline.mixture import MixtureConfig
from pipeline.order import OrderConfig
from pipeline.store import Store
from training.settings import TrainConfig

HERE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TINY = ("model.layers=1", "model.width=64", "model.heads=1", "model.kv_heads=1")
SMALL = [part for each in (*TINY, "train.steps=10", "train.epochs=1") for part in ("--set", each)]
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


def test_no_training_page_shares_too_much_with_a_held_out_one(root: Path) -> None:
    """By brute force: every page of train beside every held-out one, by the shingles of both."""
    rows = query.run(Store(root), "select split, text from documents order by doc_id")
    training = np.array(rows["split"].to_pylist()) == "train"
    sets = shingle_sets(rows["text"], shingle_words=5)
    _, columns = np.unique(sets.values.to_numpy(), return_inverse=True)
    member, sizes = csr_array((np.ones(len(columns), np.int64), columns, sets.offsets.to_numpy())), np.diff(sets.offsets.to_numpy())
    shared = (member[training] @ member[~training].T).toarray()
    own, others = sizes[training][:, None], sizes[~training][None, :]
    assert shared.shape[0] > 100 < shared.shape[1]
    assert (shared / (own + others - shared)).max() < 0.5
    assert (shared / np.minimum(own, others)).max() < 0.8
    dropped = query.run(Store(root), "select kind, similarity from duplicates where kind in ('overlap', 'contained')").to_pylist()
    assert all(row["similarity"] >= (0.5 if row["kind"] == "overlap" else 0.8) for row in dropped)
    assert {row["kind"] for row in dropped} == {"overlap", "contained"}


# Documents of train whose tokens do not stand in the plan exactly as often as `times` says, each range behind the one before it.
MISPLACED = """
WITH counted AS (
    SELECT doc_id, start, start + length AS stop, count(*) AS times FROM orders WHERE plan = '{plan}' GROUP BY ALL
), ranges AS (
    SELECT *, lead(start) OVER (PARTITION BY doc_id ORDER BY start) AS following FROM counted
), placed AS (
    SELECT doc_id, min(start) AS first, max(stop) AS last, min(times) AS least, max(times) AS most,
           count(*) FILTER (following <> stop) AS gaps
    FROM ranges GROUP BY ALL
)
SELECT source, coalesce(least, 0) AS times, count(*) AS documents
FROM (SELECT doc_id, source, tokens FROM tokens WHERE split = 'train') FULL JOIN placed USING (doc_id)
WHERE tokens IS NULL
   OR NOT coalesce(first = 0 AND last = tokens AND gaps = 0 AND least = most AND list_contains({times}, least), {may_lack})
GROUP BY ALL
"""


def test_every_token_of_train_stands_exactly_once_an_epoch(root: Path) -> None:
    store = Store(root)
    plans = query.run(store, "select unnest(plans) as plan from runs")["plan"].to_pylist()
    assert plans
    for plan in plans:
        assert query.run(store, MISPLACED.format(plan=plan, times=[1], may_lack=False)).to_pylist() == []
    rows = [row for row in query.run(store, "packing").to_pylist() if row["plan"] in plans]
    assert [row["padding_share"] <= 0.01 and row["cut_share"] <= row["cut_share_concatenated"] for row in rows] == [True] * len(plans)


def test_with_a_mixture_every_token_stands_as_often_as_its_epochs_say(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "tokens", tmp_path / "tokens")
    store = Store(tmp_path)
    tokens = f"tokens/demo/{store.current('tokens/demo')}"
    mixture = MixtureConfig(epochs={"site": 3.0, "pydoc": 0.5})
    built = order.build(store, tokens, OrderConfig(sequence_tokens=128), 0, mixture)
    assert query.run(store, MISPLACED.format(plan=built.manifest.fingerprint, times=[1, 3], may_lack=True)).to_pylist() == []
    rows = {row["component"]: row for row in query.run(store, "mixture").to_pylist()}
    assert rows["site"]["epochs"] == 3.0
    assert abs(rows["pydoc"]["taken"] - rows["pydoc"]["tokens"] / 2) < 20_000
    assert abs(rows["pydoc"]["share_taken"] - rows["pydoc"]["share_asked"]) < 0.005


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

    made = job.make(str(tmp_path / "articles.toml"), str(tmp_path)).recipe
    assert [use.name for use in made.steps][-1] == "gopher_repetition"
    assert made.order.sequence_tokens == made.section(TrainConfig).sequence_tokens


@pytest.mark.verify
def test_the_demos_model_beats_a_unigram_and_gzip_of_each_document(tmp_path: Path) -> None:
    said = subprocess.run([BIN / "corpusmill", "demo", "--root", tmp_path], capture_output=True, text=True, cwd=HERE, check=True)
    sql = "select name, value from evaluation_scores where metric = 'bits_per_byte' and split is null and breakdown is null"
    bits = {row["name"]: row["value"] for row in query.run(Store(tmp_path), sql).to_pylist()}
    print(bits)
    assert bits["model"] < bits["unigram"]
    assert bits["model"] < bits["gzip"]
    assert re.search(r"The model is [0-9.]+ ± [0-9.]+ bits per byte (above|below) the 5-gram", said.stdout)
