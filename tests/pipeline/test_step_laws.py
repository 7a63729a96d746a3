"""What holds of every step, found by its place: a new one is held to it without a word here."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import golden
import pyarrow as pa
import pytest
from examples import batch_of, config, nasty_batch, plain_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import step
from pipeline.bounds import broken
from pipeline.step import RowError, StepResult

HERE = Path(__file__).parent
NAMES = step.names()
each_step = pytest.mark.parametrize("name", NAMES)


def run(name: str, batch: pa.RecordBatch) -> StepResult:
    return step.find(name).run(batch, config(name))


@cache
def nasty_result(name: str) -> StepResult:
    return run(name, nasty_batch(name))


def values(result: StepResult) -> dict[str, pa.Array]:
    text = {} if result.text is None else {"text": result.text}
    return {**text, **result.signals, **result.columns}


@cache
def cases(name: str) -> dict[str, tuple[Any, Any]]:
    """The `CASES` of a step's test module: for each bound, what it keeps and what it drops."""
    path = HERE / "steps" / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location(f"cases_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, tuple[Any, Any]] = module.CASES
    return found


def every_bound() -> list[tuple[str, str, str]]:
    return [
        (name, signal, kind)
        for name in NAMES
        for signal, bound in step.find(name).BOUNDS.items()
        for kind in bound.model_dump(exclude_unset=True, by_alias=True)
        if kind in ("min", "max", "in", "not_in")
    ]


def test_there_are_steps() -> None:
    assert {"extract", "repair", "language", "gopher_quality", "gopher_repetition", "fineweb_quality", "c4_lines"} <= set(NAMES)


@each_step
def test_a_step_says_what_it_is(name: str) -> None:
    module: Any = step.find(name)
    assert module.__doc__
    assert module.VERSION >= 1
    assert step.versions(module.USES).keys() == set(module.USES)
    assert set(module.BOUNDS) <= set(module.SIGNALS)
    for kind, meaning in [*module.SIGNALS.values(), *step.columns(module).values()]:
        assert isinstance(kind, pa.DataType)
        assert meaning
    assert (HERE / "steps" / f"test_{name}.py").exists()


@each_step
def test_as_many_rows_come_out_as_went_in(name: str) -> None:
    for batch in (plain_batch(name), plain_batch(name).slice(0, 0)):
        result = run(name, batch)
        assert {len(array) for array in values(result).values()} == {batch.num_rows}
        assert all(0 <= row < batch.num_rows for row in result.errors)


@each_step
def test_what_comes_out_is_what_was_declared(name: str) -> None:
    module = step.find(name)
    for result in (run(name, plain_batch(name)), nasty_result(name)):
        assert {signal: array.type for signal, array in result.signals.items()} == {key: kind for key, (kind, _) in module.SIGNALS.items()}
        declared = {key: kind for key, (kind, _) in step.columns(module).items()}
        assert {column: array.type for column, array in result.columns.items()} == declared
        assert result.text is None or result.text.type == pa.string()


@each_step
def test_nasty_rows_raise_nothing_and_give_valid_text(name: str) -> None:
    result = nasty_result(name)
    for array in values(result).values():
        array.validate(full=True)
    if result.text is not None:
        going = [row for row in range(len(result.text)) if row not in result.errors]
        assert result.text.take(pa.array(going, pa.int64())).null_count == 0


@each_step
def test_a_failed_row_has_nothing_but_its_error(name: str) -> None:
    result = nasty_result(name)
    for row, error in result.errors.items():
        assert isinstance(error, RowError)
        assert error.kind.isidentifier()
        assert error.detail
        assert all(not array[row].is_valid for array in values(result).values())


@each_step
def test_however_a_batch_is_split_nothing_changes(name: str) -> None:
    plain, hostile = plain_batch(name), nasty_batch(name)
    small = [row for row in range(hostile.num_rows) if len(hostile["text"][row].as_py() or hostile["content"][row].as_py() or b"") < 10_000]
    batch = pa.Table.from_batches([plain, hostile.take(pa.array(small))]).combine_chunks().to_batches()[0]
    whole = golden.rows(run(name, batch), batch.num_rows)

    @given(st.lists(st.integers(0, batch.num_rows), max_size=6))
    @settings(max_examples=10, database=None, derandomize=True)
    def check(cuts: list[int]) -> None:
        edges = [0, *sorted(cuts), batch.num_rows]
        parts = [batch.slice(start, end - start) for start, end in pairwise(edges)]
        assert [row for part in parts for row in golden.rows(run(name, part), part.num_rows)] == whole

    check()


@each_step
def test_a_row_does_not_see_its_neighbours(name: str) -> None:
    batch = plain_batch(name)
    whole = golden.rows(run(name, batch), batch.num_rows)
    order = random.Random(1).sample(range(batch.num_rows), batch.num_rows)
    assert golden.rows(run(name, batch.take(pa.array(order))), batch.num_rows) == [whole[row] for row in order]


@each_step
def test_threads_do_not_disturb_each_other(name: str) -> None:
    batch = plain_batch(name)
    whole = golden.rows(run(name, batch), batch.num_rows)
    rows = list(range(batch.num_rows)) * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: golden.rows(run(name, batch.slice(row, 1)), 1)[0], rows))
    assert found == [whole[row] for row in rows]


def test_other_processes_give_the_same_bytes() -> None:
    here = {name: golden.entry(name)["digest"] for name in NAMES}
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(HERE.parent.parent)}
        done = subprocess.run([sys.executable, golden.__file__], env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == here


@each_step
def test_a_changed_output_has_a_changed_version(name: str) -> None:
    old, new = golden.known().get(name), golden.entry(name)
    assert golden.refusal(name, old, new) is None
    assert old == new, f"the entry of {name!r} in golden.json is out of date: run {Path(golden.__file__).name} --update"


def test_the_golden_file_is_not_updated_without_a_new_version() -> None:
    old = {"version": 1, "uses": {"lib": "1"}, "digest": "a"}
    assert golden.refusal("words", old, {**old, "digest": "b"})
    assert not golden.refusal("words", old, {**old, "digest": "b", "version": 2})
    assert not golden.refusal("words", old, {**old, "digest": "b", "uses": {"lib": "2"}})
    assert not golden.refusal("words", None, old)


@pytest.mark.parametrize(("name", "signal", "kind"), every_bound())
def test_every_bound_keeps_and_drops(name: str, signal: str, kind: str) -> None:
    """As published: what `CASES` says is kept is within the bound, what it says is dropped is not."""
    kept, dropped = cases(name)[f"{signal}.{kind}"]
    out, _ = broken(step.find(name).BOUNDS[signal], run(name, batch_of(name, [kept, dropped])).signals[signal], None)[kind]
    assert out.tolist() == [False, True]
