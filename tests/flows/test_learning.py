"""The commands that train models: from files and corpora to a model, a report and a recipe that works."""

from __future__ import annotations

import json
import random
import re
import tomllib
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from flows import job, line, stages
from flows.cli import app
from pipeline import recipe as recipes

_WORDS = {
    "sea": "harbour boat tide sail anchor the of and".split(),  # noqa: SIM905
    "farm": "field plough barn harvest cattle the of and".split(),  # noqa: SIM905
}
CORPUS = """
name = "farm"
[[source]]
name = "texts"
format = "jsonl"
files = ["farm.jsonl"]
[dedup]
near = false
[split]
validation = 0.2
test = 0.1
"""


def texts(kind: str, count: int = 400) -> list[str]:
    chance = random.Random(kind)
    return [" ".join(chance.choices(_WORDS[kind], k=25)) for _ in range(count)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are, and where the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORPUSMILL_ROOT", raising=False)
    lines(tmp_path / "sea.jsonl", texts("sea"))
    lines(tmp_path / "farm.jsonl", texts("farm"))
    return tmp_path


def lines(path: Path, rows: list[str], key: str = "text") -> None:
    path.write_text("".join(json.dumps({key: row}) + "\n" for row in rows))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def said(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_classifier_is_trained_and_its_recipe_works(folder: Path) -> None:
    found = said(run("train-classifier", "--positive", "sea.jsonl", "--negative", "farm.jsonl", "--out", "good.safetensors"))
    assert re.search(r"positive +400 +[\d,]+ +\d+\n", found)
    area = re.search(r"area under the ROC curve +([\d.]+) \(95 %: ([\d.]+) to ([\d.]+)\)", found)
    assert area
    assert float(area[2]) <= float(area[1]) <= float(area[3])
    assert float(area[1]) > 0.95
    for measure in ("accuracy at 0.5", "expected calibration error", "from a score of 0.5", "of the best F1", "precision", "recall"):
        assert measure in found
    snippet = found[found.index("[[step]]") :]
    assert tomllib.loads(snippet)["step"][0]["keep"] == {"score": {"min": 0.5}}
    (folder / "use.toml").write_text(snippet)
    (use,) = recipes.load(folder / "use.toml").steps
    batch = pa.record_batch({"text": ["the harbour and the tide", "the barn and the plough"]})
    high, low = use.step.run(batch, use.config).signals["score"].to_pylist()
    assert high > 0.5 > low


def test_a_language_model_is_trained_and_its_recipe_works(folder: Path) -> None:
    found = said(run("train-perplexity", "--good", "sea.jsonl", "--out", "models/good.safetensors"))
    assert re.search(r"trained on +3\d\d ", found)
    assert re.search(r"held out +\d+ +[\d,]+ +[\d.]+ +[\d.]+\n", found)
    assert re.search(r"head up to a perplexity of [\d.]+, middle up to [\d.]+, tail above", found)
    (folder / "models" / "use.toml").write_text(found[found.index("[[step]]") :])
    (use,) = recipes.load(folder / "models" / "use.toml").steps
    batch = pa.record_batch({"text": ["the plough and the cattle of the barn and the field of the harvest"]})
    assert use.step.run(batch, use.config).signals["bucket"].to_pylist() == ["tail"]


def test_any_format_in_any_order_gives_the_same_model(folder: Path) -> None:
    first, second = texts("sea")[:150], texts("sea")[150:]
    pq.write_table(pa.table({"body": first}), folder / "a.parquet")
    (folder / "b.csv").write_text("id,body\n" + "".join(f'{place},"{text}"\n' for place, text in enumerate(second)))
    lines(folder / "sea.jsonl", texts("sea"), "body")
    lines(folder / "farm.jsonl", texts("farm"), "body")
    for name, given in {"one": ["sea.jsonl"], "two": ["a.parquet", "b.csv"], "three": ["b.csv", "*.parquet"]}.items():
        positive = [part for each in given for part in ("--positive", each)]
        said(run("train-classifier", *positive, "--negative", "farm.jsonl", "--text-key", "body", "--out", name))
    assert len({(folder / name).read_bytes() for name in ("one", "two", "three")}) == 1


def test_a_corpus_gives_its_training_texts(folder: Path) -> None:
    (folder / "farm.toml").write_text(CORPUS)
    made = job.make(str(folder / "farm.toml"), "data", workers=1)
    stages.curate(made, partial(line.in_processes, 1))
    found = said(run("train-classifier", "--positive", "sea.jsonl", "--negative", "corpus:farm", "--out", "m"))
    (count,) = re.findall(r"negative +(\d+) ", found)
    assert 240 < int(count) < 320


BAD = {
    "no such file": (["--positive", "none.jsonl"], 2, ["--positive", "none.jsonl", "a file that exists, or `corpus:NAME`"]),
    "unknown kind of file": (["--positive", "sea.txt"], 2, ["--positive", "sea.txt", ".parquet"]),
    "no such corpus": (["--positive", "corpus:none"], 1, ["corpora/none", "nothing there yet"]),
    "empty file": (["--positive", "empty.jsonl"], 2, ["--positive", "empty.jsonl", "expected texts; there are none"]),
    "missing key": (["--positive", "other.jsonl"], 2, ["other.jsonl: at 0: no_text", "expected a text under 'text'; there are 'body'"]),
    "broken line": (["--positive", "broken.jsonl"], 2, ["broken.jsonl: at 1: not_json", "line 1 column 2"]),
    "bytes": (["--positive", "bytes.parquet"], 2, ["bytes.parquet: at 0", "expected a text under 'text', not bytes"]),
    "a folder": (["--positive", "models"], 2, ["--positive", "models"]),
    "a folder named as a file": (["--positive", "models.jsonl"], 2, ["models.jsonl", "a folder"]),
    "too few": (["--positive", "few.jsonl"], 1, ["expected texts of both kinds", "there are 2 positive and 400 negative"]),
    "no words": (["--positive", "marks.jsonl"], 1, ["expected texts of both kinds"]),
    "out is a folder": (["--positive", "sea.jsonl", "--out", "models"], 2, ["--out", "models", "not a folder"]),
}


@pytest.mark.parametrize("wrong", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(folder: Path, wrong: str) -> None:
    given, status, named = BAD[wrong]
    (folder / "models").mkdir()
    (folder / "models.jsonl").mkdir()
    (folder / "sea.txt").write_text("a text")
    (folder / "empty.jsonl").write_text("")
    lines(folder / "other.jsonl", texts("sea"), "body")
    lines(folder / "few.jsonl", texts("sea", 2))
    lines(folder / "marks.jsonl", ["." * count for count in range(400)])
    pq.write_table(pa.table({"text": [b"a text"]}), folder / "bytes.parquet")
    (folder / "broken.jsonl").write_text(json.dumps({"text": "a"}) + "\n{oh no\n")
    before = sorted(folder.rglob("*"))
    result = run("train-classifier", "--out", "m", "--negative", "farm.jsonl", *given)
    assert result.exit_code == status
    assert result.stderr.count("\n") == 1
    for part in named:
        assert part in result.stderr
    assert sorted(folder.rglob("*")) == before


def test_only_one_kind_is_told_by_the_command_line(folder: Path) -> None:
    result = run("train-classifier", "--positive", "sea.jsonl", "--out", "m")
    assert result.exit_code == 2
    assert "--negative" in result.stderr
