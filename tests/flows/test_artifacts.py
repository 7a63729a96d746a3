"""What a flow shows in Prefect's UI, as it is asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import artifacts, job, stages

LINES = '{"text": "a b"}\n{"text": "c d"}\n'
RECIPE = """
name = "{0}"
[[source]]
name = "{0}"
format = "jsonl"
files = ["{0}.jsonl"]
[dedup]
near = false
"""


def test_the_fates_are_those_of_one_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda **said: shown.append(said))
    for name, lines in (("one", LINES), ("other_one", LINES * 20)):
        (tmp_path / f"{name}.toml").write_text(RECIPE.format(name))
        (tmp_path / f"{name}.jsonl").write_text(lines)
        made = job.make(str(tmp_path / f"{name}.toml"), str(tmp_path / "root"), ('dedup.allow_loss=["other_one"]',))
        stages.curate(made)
    artifacts.fates(made.store, "one")
    artifacts.fates(made.store, "other_one")
    assert [(each["key"], sum(row["records"] for row in each["table"])) for each in shown] == [("fates-one", 2), ("fates-other-one", 40)]
