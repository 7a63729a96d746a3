"""The command line's manners: one clear line for a bad recipe, exit status 2, no traceback unless asked."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import job, stages
from flows.cli import app
from pipeline.typed import RecipeError
from training.settings import TrainConfig

GOOD = '[[source]]\nname = "a"\nformat = "jsonl"\nfiles = ["a.jsonl"]\n'
WORDS = GOOD + '[[step]]\nuse = "gopher_quality"\n'

# what is wrong: (the recipe, what the line must name)
BAD = {
    "unknown key": (GOOD + "[split]\nvalidatoin = 0.1\n", ["bad.toml", "split.validatoin", "expected one of by, validation"]),
    "unknown table": (GOOD + "[tokeniser]\n", ["bad.toml", "tokeniser", "unknown key"]),
    "wrong type": (GOOD + '[split]\nvalidation = "much"\n', ["bad.toml", "split.validation", "number", "'much'"]),
    "unknown step": (GOOD + '[[step]]\nuse = "gopher"\n', ["bad.toml", "step[0].use", "'gopher'", "gopher_quality"]),
    "unknown signal": (WORDS + "keep.wrods = { min = 1 }\n", ["bad.toml", "keep.wrods", "words"]),
    "min above max": (WORDS + "keep.words = { min = 10, max = 5 }\n", ["bad.toml", "keep.words", "min 10 above max 5"]),
    "no source": ('[[step]]\nuse = "gopher_quality"\n', ["bad.toml", "source", "expected at least one [[source]]"]),
    "not TOML": ("name = \n", ["bad.toml", "TOML", "line 1"]),
}


@pytest.mark.parametrize("command", ["run", "plan", "curate"])
@pytest.mark.parametrize("wrong", BAD)
def test_a_bad_recipe_gives_one_line_and_status_2(tmp_path: Path, wrong: str, command: str) -> None:
    text, named = BAD[wrong]
    (tmp_path / "bad.toml").write_text(text)
    result = CliRunner().invoke(app, [command, str(tmp_path / "bad.toml"), "--root", str(tmp_path / "data")])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    for part in named:
        assert part in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(tmp_path / "none.toml")])
    assert result.exit_code == 2
    assert "none.toml: no such file" in result.stderr


def test_a_bad_override_names_itself(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(WORDS)
    result = CliRunner().invoke(app, ["plan", str(tmp_path / "good.toml"), "--set", "gopher_qualty.words.min=1"])
    assert result.exit_code == 2
    assert "gopher_qualty" in result.stderr


def test_it_tells_its_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"corpusmill {metadata.version('corpusmill')}\n"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--debug", "run", str(tmp_path / "none.toml")])
    assert isinstance(result.exception, ValueError)


def test_sql_without_a_question_lists_the_stored_ones(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sql", "--root", str(tmp_path)])
    assert result.exit_code == 0
    assert "funnel" in result.stdout


def test_a_root_that_is_not_there_is_not_made_by_a_question(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sql", "funnel", "--root", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "none: no such folder" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_root_that_is_a_file_and_a_path_with_colons_are_told_as_they_are(tmp_path: Path) -> None:
    (tmp_path / ":b:").write_text("")
    result = CliRunner().invoke(app, ["sql", "funnel", "--root", str(tmp_path / ":b:")])
    assert result.exit_code == 1
    assert "/:b:: a folder was expected as the root, not a file\n" in result.stderr


@pytest.mark.parametrize("root", ["gs://bucket/prefix", "S3://bucket", "http://h.example/", "s3:/bucket/x"])
def test_a_root_of_another_kind_is_refused(root: str) -> None:
    result = CliRunner().invoke(app, ["sql", "funnel", "--root", root])
    assert result.exit_code == 1
    assert f"{root.rstrip('/')}: a folder or s3://bucket/prefix was expected as the root\n" in result.stderr


def test_a_form_that_is_none_is_an_error_of_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sql", "funnel", "--root", str(tmp_path), "--format", "yaml"])
    assert (result.exit_code, result.stderr) == (2, "corpusmill: --format: expected one of table, csv, json, not 'yaml'\n")


@pytest.mark.parametrize(
    ("given", "lengths"),
    [
        ("", (128, 128)),
        ("[order]\nsequence_tokens = 64\n", (64, 64)),
        ("[train]\nsequence_tokens = 256\n", (256, 256)),
        ("[order]\nsequence_tokens = 64\n[train]\nsequence_tokens = 256\n", (64, 256)),
    ],
)
def test_sequences_are_packed_as_long_as_training_reads_them(tmp_path: Path, given: str, lengths: tuple[int, int]) -> None:
    (tmp_path / "a.toml").write_text(GOOD + given)
    made = job.make(str(tmp_path / "a.toml"), str(tmp_path)).recipe
    assert (made.order.sequence_tokens, made.section(TrainConfig).sequence_tokens) == lengths


def test_sequences_longer_than_training_reads_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD + "[order]\nsequence_tokens = 512\n[train]\nsequence_tokens = 256\n")
    with pytest.raises(RecipeError, match=r"a\.toml: train\.sequence_tokens: expected at least 512, as order\.sequence_tokens says"):
        job.make(str(tmp_path / "a.toml"), str(tmp_path))


def test_a_stage_can_run_without_prefect(recipe: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["curate", str(recipe), "--root", str(tmp_path), "--workers", "1", "--plain"])
    assert result.exit_code == 0, result.stderr
    assert re.search(r"corpus +made +records", result.stdout)
    assert not (tmp_path / "prefect").exists()


def test_where_another_corpus_is_there_its_recipe_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "corpora/mine").mkdir(parents=True)
    result = CliRunner().invoke(app, ["whatif", "gopher_quality.words.min", "--sweep", "1:9:3", "--root", str(tmp_path)])
    assert result.exit_code == 1
    assert "corpora/demo: nothing there yet" in result.stderr
    assert result.stderr.endswith("or name the recipe of what is there: mine\n")


def test_that_nothing_was_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one two"}\n')
    (tmp_path / "short.toml").write_text(WORDS)
    made = job.make(str(tmp_path / "short.toml"), str(tmp_path / "data"))
    *_, corpus = stages.curate(made)
    assert (corpus.counts["records"], corpus.counts["kept"]) == (1, 0)
    assert corpus.notes == ("nothing was kept: `corpusmill sql funnel` tells what each rule dropped",)


def test_a_long_answer_says_how_to_have_all_of_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sql", "select range as n from range(300)", "--root", str(tmp_path)])
    assert result.stdout.rstrip().endswith("100 of 300 rows; --format csv has all")
