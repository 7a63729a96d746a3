from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from training_world import World

from pipeline.step import Strict
from training.settings import (
    SIZES,
    GuardConfig,
    ModelConfig,
    StartConfig,
    TrainConfig,
    TrainJob,
    ValidationConfig,
    read_job,
    run_place,
)


def test_a_shape_by_name_is_the_same_shape_by_numbers() -> None:
    named = ModelConfig.model_validate({"size": "30m"})
    assert named == ModelConfig.model_validate(dict(SIZES["30m"]))
    assert ModelConfig.model_validate({"size": "30m", "layers": 3}).layers == 3
    assert ModelConfig.model_validate_json(named.model_dump_json()) == named


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": "huge"}, "a size among 1m, demo"),
        ({"size": "demo", "heads": 5}, "even number of channels"),
        ({"size": "demo", "width": 96, "heads": 32}, "even number of channels"),
        ({"size": "demo", "kv_heads": 2}, "divides the 3 heads"),
        ({"size": "demo", "depth": 2}, "depth"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(given: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        ModelConfig.model_validate(given)


def test_a_run_is_known_by_content_and_not_by_machine(world: World) -> None:
    job = world.train_job("known")
    moved = job.model_copy(update={"threads": 7, "cache": "/elsewhere"})
    assert run_place(world.store, moved) == run_place(world.store, job)
    for changed in (world.train_job("known", seed=1), job.model_copy(update={"orders": job.orders[::-1]})):
        assert run_place(world.store, changed) != run_place(world.store, job)


def test_a_job_comes_back_from_its_file_and_errors_name_the_key(world: World, tmp_path: Path) -> None:
    job = world.train_job("file")
    job_file = tmp_path / "job.json"
    job_file.write_text(job.model_dump_json())
    assert read_job(str(job_file), TrainJob) == job
    wrong = json.loads(job.model_dump_json())
    wrong["train"]["learning_rate"] = "fast"
    job_file.write_text(json.dumps(wrong))
    with pytest.raises(ValueError, match=r"job.json: train.learning_rate: .*number"):
        read_job(str(job_file), TrainJob)
    with pytest.raises(ValueError, match="readable file"):
        read_job(str(job_file.parent / "none.json"), TrainJob)


def test_a_missing_version_is_named(world: World) -> None:
    job = world.train_job("missing").model_copy(update={"tokens": "tokens/none"})
    with pytest.raises(ValueError, match="tokens/none: a finished version was expected"):
        run_place(world.store, job)


def test_the_documentation_has_every_setting_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs/pretraining.md").read_text("utf-8").split("## Settings")[1]
    shown = re.findall(r"^\| `(\w+)` \| (.*?) \| .{3,} \|$", text, re.MULTILINE)
    expected = []
    for kind in (ModelConfig, TrainConfig, GuardConfig, ValidationConfig, StartConfig):
        for name, field in kind.model_fields.items():
            missing = "by size" if kind is ModelConfig else "required"
            default = None if field.is_required() else field.get_default()
            if name != "start" and not isinstance(default, Strict):
                told = "none" if default is None else f"`{json.dumps(default)}`"
                expected.append((name, missing if field.is_required() else told))
    assert shown == expected
