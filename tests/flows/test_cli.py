"""The command line's manners: one clear line for a bad recipe, exit status 2, no traceback unless asked."""

from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app

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
