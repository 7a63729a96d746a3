"""The whole line on a small recipe, as plain calls: what it makes, that it makes it once, and what a change costs."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dashboards import query
from flows import job, line, plan, process, stages
from pipeline import check
from pipeline.ingest import inputs
from pipeline.store import Store
from training import records


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> str:
    root = str(tmp_path_factory.mktemp("line"))
    line.run(str(recipe), root, (), 1, plain=True)
    return root


def test_a_second_run_does_no_work(root: str, recipe: Path) -> None:
    again = line.run(str(recipe), root, (), 1, plain=True)
    assert [stage.name for stage in again if stage.made] == []


def test_every_record_has_a_fate(root: str, recipe: Path) -> None:
    made = job.make(str(recipe), root)
    given = [(source, each) for source in made.recipe.sources for each in inputs.find(made.store, source, made.recipe.folder)]
    findings = list(check.corpus(made.store, job.current(made.store, "corpora", "small"), given))
    assert all(finding.holds for finding in findings)
    fates = {row["rule"]: row["n"] for row in query.run(made.store, "select rule, count(*) n from fates group by all").to_pylist()}
    assert fates["gopher_quality.words.min"] >= 1
    assert fates["exact.duplicate"] == 1


def test_a_changed_bound_processes_no_shard_again(root: str, recipe: Path, tmp_path: Path) -> None:
    changed = ("gopher_quality.words.min=200",)
    before = plan.of(job.make(str(recipe), root, changed))
    assert ("steps", "all 1 shards in place") in before.states
    assert ("corpus", "would decide and deduplicate anew") in before.states
    done = stages.curate(job.make(str(recipe), root, changed))
    assert {stage.name: stage.made for stage in done} == {"steps": False, "corpus": True}
    stages.curate(job.make(str(recipe), root))  # the recipe as it is, for the tests that follow


def test_what_a_changed_corpus_makes_needless_is_told_stage_by_stage(root: str, recipe: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(root, tmp_path / "root")
    changed = ("gopher_quality.words.min=200",)
    stages.curate(job.make(str(recipe), str(copied), changed))
    later = dict(plan.of(job.make(str(recipe), str(copied), changed)).states)
    anew = dict.fromkeys(("tokenizers", "tokens", "runs", "evaluations"), "would be made anew")
    assert {kind: later[kind] for kind in (*anew, "order")} == {**anew, "order": "would be made"}
    stages.curate(job.make(str(recipe), str(copied)))
    as_it_was = dict(plan.of(job.make(str(recipe), str(copied))).states)
    assert all("made again only where its settings changed" in as_it_was[kind] for kind in anew)


def test_what_a_mixture_takes_is_told_before_it_is_written(root: str, recipe: Path) -> None:
    mixed = ("mixture.weights={pydoc=1}", "mixture.tokens=100000000")
    found = plan.of(job.make(str(recipe), root, mixed))
    (part,) = found.mixing.parts
    assert (part.name, part.capped, part.target, found.mixing.estimated) == ("pydoc", True, 4 * part.tokens, False)
    out = Console(file=io.StringIO(), width=200)
    plan.show(out, found)
    said = out.file.getvalue()
    assert "too small for its share, read 4 times: its cap" in said
    assert "padding" not in said  # that order is not made yet
    plan.show(out, plan.of(job.make(str(recipe), root)))
    assert re.search(r"padding, [\d.]+% of documents cut \(concatenate-and-split: [\d.]+%\)", out.file.getvalue())


def test_what_training_costs_is_told_before_it_is_begun(root: str, recipe: Path) -> None:
    found = dict(plan.of(job.make(str(recipe), root)).training)
    (counts,) = query.run(Store(root), "select sum(tokens) as tokens, count(*) as steps from steps").to_pylist()
    tokens, _, steps, _ = found["tokens"].replace(",", "").split()
    assert int(tokens) >= counts["tokens"]
    assert int(steps) == counts["steps"]
    assert "tokens a second of the run before" in found["time"]
    assert "too much" not in found["memory"]
    vast = dict(plan.of(job.make(str(recipe), root, ("model.width=65536", "model.heads=64", "model.kv_heads=64"))).training)
    assert vast["memory"].endswith("too much")
    assert float(vast["operations"]) > 1e4 * float(found["operations"])


def test_training_under_way_can_be_looked_at(root: str, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WATCH_S", 0)
    seen: list[int] = []
    stages.trained(
        job.make(str(recipe), root, ("train.seed=7",)),
        job.current(Store(root), "tokens", "small"),
        lambda stream: seen.append(sum("loss" in row for row in records.rows(stream))),
    )
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_before_there_are_tokens_a_mixture_is_an_estimate(root: str, recipe: Path, tmp_path: Path) -> None:
    for kind in ("corpora", "shards"):
        shutil.copytree(Path(root, kind), tmp_path / kind)
    found = plan.of(job.make(str(recipe), str(tmp_path)))
    (part,) = found.mixing.parts
    (exact,) = plan.of(job.make(str(recipe), root)).mixing.parts
    assert (found.mixing.estimated, part.documents) == (True, exact.documents)
    assert part.tokens != exact.tokens
    out = Console(file=io.StringIO(), width=200)
    plan.show(out, found)
    assert "tokens, estimated" in out.file.getvalue()


def test_the_model_opens_in_a_bare_python(root: str) -> None:
    folder = Path(root, job.current(Store(root), "runs", "small"), "model")
    program = (
        "import sys; from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model, tokenizer = (kind.from_pretrained(sys.argv[1]) for kind in (AutoModelForCausalLM, AutoTokenizer))\n"
        "ids = tokenizer('import os', return_tensors='pt').input_ids\n"
        "print(model(ids).logits.shape[-1] >= len(tokenizer), ids[0, 0].item() == tokenizer.bos_token_id)"
    )
    said = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, cwd="/", check=True)
    assert said.stdout.strip() == "True True"


def test_losses_scores_and_the_trace_are_open_to_sql(root: str) -> None:
    store = Store(root)
    assert query.run(store, "select count(*) n from steps")["n"].to_pylist() == [6]
    metrics = query.run(store, "select distinct name from evaluation_scores where metric = 'bits_per_byte'")["name"].to_pylist()
    assert {"model", "unigram", "five_gram", "gzip", "xz", "xz_primed"} <= set(metrics)
    traced = query.run(store, "select count(*) n from step_documents join documents using (doc_id) where url is not null")
    assert traced["n"].to_pylist()[0] > 0


def test_results_name_no_place_and_no_time(root: str, recipe: Path) -> None:
    for manifest in Path(root).rglob("manifest.json"):
        assert str(recipe.parent) not in manifest.read_text()
        if manifest.parent.parent.name != "checkpoints":  # those of a run that is under way, named by their step
            assert json.loads(manifest.read_text())["fingerprint"] == manifest.parent.name
