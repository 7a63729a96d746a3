"""Whatever a file holds, the run ends, every record has its fate, and every reason is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from bestiary import ALL, Beast

from pipeline import check, corpus, recipe, shard
from pipeline.ingest import inputs
from pipeline.store import Store

RECIPE = """
[[source]]
name = "beasts"
format = "{format}"
files = ["beast*"]
{settings}
[[step]]
use = "extract"
[[step]]
use = "repair"
[limits]
max_error_share = 1
[dedup]
exact = false
near = false
[split]
validation = 0
test = 0
"""


def _recipe(folder: Path, beast: Beast) -> recipe.Recipe:
    settings = "\n".join(f"{key} = {value!r}" for key, value in beast.settings.items()).replace("'", '"')
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(format=beast.format, settings=settings))
    return recipe.load(path)


def test_there_are_enough_kinds() -> None:
    assert len({(beast.format, beast.name) for beast in ALL}) == len(ALL) >= 60


@pytest.mark.parametrize("beast", ALL, ids=lambda beast: f"{beast.format}: {beast.name}".replace(" ", "-"))
def test_every_record_of_a_bad_input_has_its_fate(tmp_path: Path, beast: Beast) -> None:
    beast.make(tmp_path / f"beast{beast.suffix}")
    made, store = _recipe(tmp_path, beast), Store(tmp_path / "root")
    source = made.sources[0]
    given = inputs.find(store, source, tmp_path)
    done = [shard.process(store, each).manifest.fingerprint for each in shard.plan(made, {source.name: given})]
    built = corpus.build(store, made, done)
    fates = [row for path in built.manifest.paths("fates") for row in store.table(f"{built.path}/{path}").to_pylist()]
    assert [row["rule"] or "kept" for row in fates] == beast.fates, [row["detail"] for row in fates]
    assert all(row["detail"] for row in fates if row["rule"] and row["rule"].startswith(("ingest.", "extract.")))
    assert [finding.what for finding in check.corpus(store, built.path, [(source, each) for each in given]) if not finding.holds] == []
