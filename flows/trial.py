"""One step on a file: what it measures of each document, what the bounds say, and what it changes in the texts."""

from __future__ import annotations

import glob
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboards.table import shown, visible
from flows import changes, job
from flows.usage import UsageError
from pipeline import decide, ingest
from pipeline import recipe as recipes
from pipeline import step as steps
from pipeline.bounds import Mask, describe
from pipeline.ingest import formats, inputs
from pipeline.ingest.rows import MAX_ROWS
from pipeline.recipe import Recipe, Source, StepUse
from pipeline.shard import Passage, signals_schema
from pipeline.store import Store
from pipeline.typed import RecipeError

MAX_COLUMNS = 4  # with more documents the table says how their values lie
EXTRACT = "extract"
_QUANTILES = {"least": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "most": 1.0}


@dataclass(frozen=True)
class Trial:
    """What came of some records in a recipe's steps; `use` is the last, the one that is tried."""

    use: StepUse
    names: list[str]  # of the records: URLs, or where they lie
    values: dict[str, pa.Array]  # by signal; null where the step did not run
    out: dict[str, Mask]  # by bounded signal: beyond the bound
    fates: pa.Table
    texts: list[tuple[str | None, str | None]]  # before and after the step


def of(step: str, file: str, recipe: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe that ends with a step and has one file for its source: a recipe's own steps up to it, or `extract` before it.

    Raises RecipeError or UsageError.
    """
    if not Path(file).is_file():
        raise UsageError(file, "no such file")
    told = formats.settings(file) or {"format": "pages"}
    source = {"name": "file", "files": [glob.escape(str(Path(file).resolve()))], **told}
    if recipe is None:
        if step not in steps.names():
            raise UsageError(step, f"no such step; there are {', '.join(steps.names())}")
        uses = [{"use": name} for name in dict.fromkeys((EXTRACT, step))]
        return recipes.made({"name": "try", "source": [source], "step": uses}, "try", Path.cwd(), tuple(overrides), job.SECTIONS)
    made = job.load(job.find(recipe), tuple(overrides))
    names = [use.name for use in made.steps]
    if step not in names:
        raise RecipeError(recipe, step, f"no such step in it; there are {', '.join(names)}")
    return replace(made, sources=(Source.model_validate(source),), steps=made.steps[: names.index(step) + 1])


def run(recipe: Recipe) -> Trial:
    """The steps on the first records of the recipe's file, a batch of them. UsageError where it holds none."""
    source, use = recipe.sources[0], recipe.steps[-1]
    with tempfile.TemporaryDirectory() as folder:
        given = inputs.find(Store(folder), source, recipe.folder)
    batch = next(ingest.read(source, given), None)
    if batch is None:
        raise UsageError(source.files[0], "no record in it")
    passage = Passage(batch)
    for each in recipe.steps[:-1]:
        passage.apply(each)
    before = passage.batch["text"]
    passage.apply(use)
    signals = pa.Table.from_batches([passage.signals(signals_schema(recipe.steps))])
    ran = decide.evaluated(use, signals, recipe.steps)
    out = {signal: np.zeros(batch.num_rows, bool) for signal in use.bounds}
    for signal in out:
        for rule in decide.rules(replace(use, bounds={signal: use.bounds[signal]}), signals, ran):
            out[signal] |= rule.out
    return Trial(
        use=use,
        names=_names(batch),
        values={name: signals[f"{use.name}_{name}"].combine_chunks() for name in use.step.SIGNALS},
        out=out,
        fates=decide.decide(pa.Table.from_batches([batch]), signals, recipe.steps),
        texts=list(zip(before.to_pylist(), passage.batch["text"].to_pylist(), strict=True)),
    )


def _names(batch: pa.RecordBatch) -> list[str]:
    rows = zip(*(batch[name].to_pylist() for name in ("url", "file", "offset")), strict=True)
    return [url or f"{PurePath(file).name} at {offset}" for url, file, offset in rows]


def show(out: Console, trial: Trial) -> None:
    """Print the values against their bounds, what changed in the first texts, and the verdict."""
    out.print(_each(trial) if len(trial.names) <= MAX_COLUMNS else _spread(trial))
    for name, (before, after) in list(zip(trial.names, trial.texts, strict=True))[:MAX_COLUMNS]:
        if before is not None and after is not None and before != after:
            out.print(f"\nchanged in {visible(name)}", markup=False, highlight=False, style="bold")
            changes.show(out, before, after)
    kept = pc.sum(trial.fates["kept"]).as_py()
    more = f", the first {MAX_ROWS} of the file" if len(trial.names) == MAX_ROWS else ""
    out.print(f"\nkept {kept} of {len(trial.names)} records{more}", highlight=False)
    for rule, count in Counter(filter(None, trial.fates["rule"].to_pylist())).most_common():
        out.print(f"  {count:>6} {rule}", highlight=False, markup=False)


def _table(trial: Trial, *columns: str) -> Table:
    made = Table(box=None, pad_edge=False, title=f"{trial.use.name}", title_justify="left")
    made.add_column("signal")
    for column in columns:
        made.add_column(Text(visible(column)), justify="right", overflow="fold")
    made.add_column("keeps")
    return made


def _keeps(trial: Trial, signal: str) -> str:
    return describe(trial.use.bounds[signal]) if signal in trial.use.bounds else ""


def _each(trial: Trial) -> Table:
    """A column for each record; a value out of bounds is marked."""
    made = _table(trial, *trial.names)
    for signal, values in trial.values.items():
        out = trial.out.get(signal, np.zeros(len(values), bool))
        cells = [
            Text(f"✗ {shown(value)}", "red") if broken else Text(shown(value))
            for value, broken in zip(values.to_pylist(), out, strict=True)
        ]
        made.add_row(signal, *cells, _keeps(trial, signal))
    return made


def _spread(trial: Trial) -> Table:
    """How the values of many records lie, and how many are out of bounds."""
    made = _table(trial, *_QUANTILES, "out")
    for signal, values in trial.values.items():
        out = f"{int(trial.out[signal].sum())}" if signal in trial.out else ""
        made.add_row(signal, *_quantiles(values), out, _keeps(trial, signal))
    return made


def _quantiles(values: pa.Array) -> list[str]:
    if pa.types.is_string(values.type):
        common = Counter(value for value in values.to_pylist() if value is not None).most_common(len(_QUANTILES))
        cells = [f"{visible(value)} ({count})" for value, count in common]
        return cells + [""] * (len(_QUANTILES) - len(cells))
    return [shown(value) for value in pc.quantile(values, list(_QUANTILES.values())).to_pylist()]
