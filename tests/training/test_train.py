from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load
from training_world import World

from pipeline.schema import DOCUMENT_LOSSES, STEPS
from training import checkpoint, records
from training.settings import TrainJob, run_place
from training.train import Stopped, main, train

UNTIMED = ["seconds", "attempt", "memory_bytes", "mfu"]
Ending = Callable[[TrainJob], tuple[int, str, str]]


@pytest.fixture(scope="module")
def straight(world: World) -> str:
    return train(world.train_job("straight")).path


def written(world: World, run: str) -> tuple[bytes, pa.Table, pa.Table]:
    """The weights, the steps without their times, and the losses of documents."""
    manifest = world.store.manifest(run)
    assert manifest is not None
    tables = [
        pa.concat_tables([world.store.table(f"{run}/{path}") for path in manifest.paths(folder)]) for folder in ("steps", "document_losses")
    ]
    return world.store.read(f"{run}/model/model.safetensors"), tables[0].drop_columns(UNTIMED), tables[1]


def command(job: TrainJob, folder: Path) -> list[str]:
    (folder / "job.json").write_text(job.model_dump_json())
    return [sys.executable, "-m", "training.train", str(folder / "job.json")]


def started(world: World, job: TrainJob, folder: Path, steps: int) -> subprocess.Popen[str]:
    """A process of training that has done so many steps."""
    stream = Path(world.store.path(run_place(world.store, job))) / "progress.jsonl"
    process = subprocess.Popen(command(job, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(row.get("step", -1) >= steps for row in records.rows(stream)):
        time.sleep(0.01)
    return process


@pytest.fixture
def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ending:
    """The exit code, output and errors of the command for a job."""

    def run(job: TrainJob) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", command(job, tmp_path)[2:])
        monkeypatch.setattr("training.train.end_with_parent", lambda: None)
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(str(end.code))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return code, *capsys.readouterr()

    return run


def test_the_same_job_gives_the_same_bytes(world: World, straight: str) -> None:
    again = train(world.train_job("again")).path
    assert written(world, again) == written(world, straight)
    other = train(world.train_job("other", seed=1)).path
    assert written(world, other)[0] != written(world, straight)[0]


def test_it_learns_and_writes_down_every_step(world: World, straight: str) -> None:
    _, steps, losses = written(world, straight)
    assert steps.schema == pa.schema([field for field in STEPS if field.name not in UNTIMED])
    assert losses.schema == DOCUMENT_LOSSES
    assert steps["step"].to_pylist() == list(range(24))
    assert steps["loss"][-1].as_py() < steps["loss"][0].as_py() - 0.3
    assert (steps["first_sequence"].to_numpy()[:3]).tolist() == [0, 6, 12]


def test_the_losses_of_documents_add_up_to_the_steps(world: World, straight: str) -> None:
    _, steps, losses = written(world, straight)
    for row in steps.to_pylist():
        own = losses.filter(pa.array(losses["step"].to_numpy() == row["step"]))
        nats = own["loss"].to_numpy().astype(np.float64) * own["tokens"].to_numpy()
        assert own["tokens"].to_numpy().sum() == row["tokens"]
        assert nats.sum() / row["tokens"] == pytest.approx(row["loss"], rel=1e-6)


def test_which_documents_a_step_saw_follows_from_the_plan(world: World, straight: str) -> None:
    _, steps, losses = written(world, straight)
    plan = pa.concat_tables(
        [world.store.table(f"{world.orders[0]}/{name}") for name in world.store.manifest(world.orders[0]).paths("sequences")]
    )
    row = steps.to_pylist()[2]
    sequence = plan["sequence"].to_numpy()
    seen = plan.filter(pa.array((sequence >= row["first_sequence"]) & (sequence < row["first_sequence"] + row["sequences"])))
    own = losses.filter(pa.array(losses["step"].to_numpy() == 2))
    assert set(own["doc_id"].to_pylist()) == set(seen["doc_id"].to_pylist())


def test_several_passes_are_one_step(world: World, straight: str) -> None:
    job = world.train_job("passes", sequences_per_pass=4, precision="float32", optimizer="adamw")
    whole = world.train_job("whole", precision="float32", optimizer="adamw")
    _, parts, losses = written(world, train(job).path)
    _, expected, expected_losses = written(world, train(whole).path)
    np.testing.assert_allclose(parts["loss"].to_numpy(), expected["loss"].to_numpy(), rtol=1e-3)
    assert losses["doc_id"] == expected_losses["doc_id"]
    assert losses["tokens"] == expected_losses["tokens"]


def test_a_finished_run_is_left_as_it_is(world: World, straight: str) -> None:
    built = train(world.train_job("straight"))
    assert (built.path, built.made) == (straight, False)


def test_stopped_before_its_first_step_was_saved_it_goes_on(world: World, straight: str) -> None:
    job = world.train_job("early")
    with pytest.raises(Stopped):
        train(job, lambda: True)
    run = run_place(world.store, job)
    shutil.rmtree(world.store.path(f"{run}/checkpoints/00000001"))
    assert checkpoint.newest(world.store, run) == 0
    assert written(world, train(job).path) == written(world, straight)


def test_killed_and_then_asked_to_stop_it_goes_on_exactly(world: World, straight: str, tmp_path: Path) -> None:
    job = world.train_job("interrupted")
    run = run_place(world.store, job)
    killed = started(world, job, tmp_path, 8)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert checkpoint.newest(world.store, run) in (5, 10)

    stopped = started(world, job, tmp_path, 14)
    stopped.terminate()
    asked = time.monotonic()
    output, errors = stopped.communicate()
    assert time.monotonic() - asked < 20
    told = {"status": "stopped", "step": checkpoint.newest(world.store, run), "path": run}
    assert (stopped.returncode, json.loads(output)) == (0, told), errors
    assert world.store.manifest(run) is None

    assert written(world, train(job).path) == written(world, straight)
    stream = list(records.rows(Path(world.store.path(run)) / "progress.jsonl"))
    assert [row["attempt"] for row in stream if "step" not in row] == [0, 1, 2]


def test_training_ends_with_whoever_started_it(world: World, tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    job = world.train_job("orphan")
    parent = subprocess.Popen([sys.executable, "-c", code, *command(job, tmp_path)])
    stream = Path(world.store.path(run_place(world.store, job))) / "progress.jsonl"
    while not any(row.get("step", -1) >= 1 for row in records.rows(stream)):
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    time.sleep(3)
    told = stream.read_bytes()
    time.sleep(1)
    assert stream.read_bytes() == told


def test_a_damaged_checkpoint_falls_back_to_the_one_before(world: World, straight: str, capfd: pytest.CaptureFixture[str]) -> None:
    job = world.train_job("damaged")
    calls = iter(range(100))
    with pytest.raises(Stopped):
        train(job, lambda: next(calls) == 11)
    run = run_place(world.store, job)
    assert checkpoint.newest(world.store, run) == 12
    path = Path(world.store.path(f"{run}/checkpoints/00000012/rank-00000-00000.safetensors"))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert checkpoint.newest(world.store, run) == 10
    assert "checkpoint 12" in capfd.readouterr().err
    assert written(world, train(job).path) == written(world, straight)


def test_only_the_newest_checkpoints_stay(world: World, straight: str) -> None:
    assert world.store.list(f"{straight}/checkpoints") == ["00000020", "00000024"]


def test_a_loss_that_is_no_number_stops_the_run(world: World) -> None:
    with pytest.raises(FloatingPointError, match="max_skipped_steps: 10 in a row"):
        train(world.train_job("wild", learning_rate=1e30, clip_norm=1e30, precision="float32"))


def test_a_full_disk_stops_it_and_leaves_the_last_checkpoint(world: World, straight: str, tmp_path: Path) -> None:
    job = world.train_job("full")
    calls = iter(range(100))
    with pytest.raises(Stopped):
        train(job, lambda: next(calls) == 11)
    run = run_place(world.store, job)
    size = max(path.stat().st_size for path in Path(world.store.path(f"{run}/checkpoints/00000012")).iterdir())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1))

    done = subprocess.run(command(job, tmp_path), capture_output=True, text=True, preexec_fn=limit)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "File too large" in done.stderr
    assert checkpoint.newest(world.store, run) == 12
    assert written(world, train(job).path) == written(world, straight)


def test_the_command_tells_how_it_came_out(world: World, straight: str, tmp_path: Path, ending: Ending) -> None:
    assert ending(world.train_job("straight")) == (0, json.dumps({"status": "there already", "path": straight}) + "\n", "")
    code, output, errors = ending(world.train_job("short", steps=10_000))
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("train.steps: at most ")
    code, _, errors = ending(world.train_job("wild", learning_rate=1e30, clip_norm=1e30, precision="float32"))
    assert (code, errors.splitlines()[-1].count("max_skipped_steps")) == (1, 1)


def test_a_bare_python_opens_the_model_folder(world: World, straight: str, tmp_path: Path) -> None:
    code = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer("def wrap(text):", return_tensors="pt").input_ids
loss = model(ids, labels=ids).loss.item()
print(json.dumps([type(model).__name__, ids[0].tolist(), loss, tokenizer.decode(ids[0], skip_special_tokens=True)]))
"""
    folder = world.store.path(f"{straight}/model")
    done = subprocess.run([sys.executable, "-I", "-c", code, folder], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name, ids, loss, text = json.loads(done.stdout)
    assert (name, text, ids[0]) == ("Qwen3ForCausalLM", "def wrap(text):", 0)
    assert 1 < loss < 6
    assert set(load(world.store.read(f"{straight}/model/model.safetensors"))) >= {"model.embed_tokens.weight", "model.norm.weight"}
