"""Run a recipe's steps over one shard: the only writer of step output.

A row goes through the steps until a step fails on it or a gate ends it; what was measured until then stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import ingest, schema
from pipeline.bounds import LANGUAGE_COLUMN, broken
from pipeline.ingest.inputs import Input
from pipeline.ingest.rows import carriable
from pipeline.recipe import Recipe, Source, StepUse
from pipeline.shard_tables import FILE
from pipeline.step import RowError, StepResult, columns, versions
from pipeline.store import Built, Rows, Store, Version, fingerprint

VERSION = 5
DAMAGES = ("unreadable", "truncated")  # errors of a reader that say something of a file, not of one record
SMALL_BYTES = 1_000_000  # an input of at most so many is read together with others
SMALL_INPUTS = 256  # in a bundle, on average
MAX_INPUTS = 1024
MAX_BUNDLE_BYTES = 32_000_000


@dataclass(frozen=True)
class Shard:
    """A bounded run of one source's input records, and the steps to run over it."""

    source: Source
    inputs: tuple[Input, ...]
    steps: tuple[StepUse, ...]

    def spec(self) -> dict[str, Any]:
        """All that determines the shard's bytes. Bounds that are no gate do not."""
        return {
            "version": VERSION,
            "source": self.source.name,
            "inputs": [[given.name, given.digest, given.start, given.end] for given in self.inputs],
            "reader": ingest.reader_spec(self.source),
            "steps": [step_spec(use) for use in self.steps],
        }

    @property
    def fingerprint(self) -> str:
        """The name of the shard's folder."""
        return fingerprint(self.spec())

    @property
    def bytes(self) -> int:
        """Of its inputs, near enough to say which shard takes longest."""
        return sum(given.bytes for given in self.inputs)


def step_spec(use: StepUse) -> dict[str, Any]:
    """What of a step's use determines its output and which rows go on."""
    gate = {signal: bound.model_dump(mode="json", by_alias=True) for signal, bound in use.bounds.items()} if use.gate else None
    return {
        "name": use.name,
        "use": use.use,
        "version": use.step.VERSION,
        "uses": versions(use.step.USES),
        "config": use.config.model_dump(mode="json"),
        "gate": gate,
    }


def plan(recipe: Recipe, inputs: Mapping[str, list[Input]]) -> list[Shard]:
    """The shards of a recipe over the inputs of its sources, by source name."""
    return [Shard(source, bundle, recipe.steps) for source in recipe.sources for bundle in bundles(inputs[source.name])]


def bundles(inputs: Iterable[Input]) -> Iterator[tuple[Input, ...]]:
    """Small inputs together, in bundles whose ends depend on the inputs alone: one that is new or gone changes its own bundle.

    A bundle ends behind an input whose digest says so, one in SMALL_INPUTS, or where it grows too large.
    """
    held: list[Input] = []
    for given in inputs:
        if given.bytes > SMALL_BYTES:
            yield (given,)
            continue
        held.append(given)
        ends = int(given.digest[:8], 16) % SMALL_INPUTS == 0 or len(held) == MAX_INPUTS
        if ends or sum(each.bytes for each in held) > MAX_BUNDLE_BYTES:
            yield tuple(held)
            held = []
    if held:
        yield tuple(held)


def signals_schema(steps: tuple[StepUse, ...]) -> pa.Schema:
    """`schema.SIGNALS` and a column for each signal of each step."""
    measured = [pa.field(f"{use.name}_{name}", kind) for use in steps for name, (kind, _) in use.step.SIGNALS.items()]
    return pa.schema([*schema.SIGNALS, *measured])


def texts_schema(steps: tuple[StepUse, ...]) -> pa.Schema:
    """`schema.TEXTS` and a column for each that a step adds."""
    added = {name: kind for use in steps for name, (kind, _) in columns(use.step).items()}
    return pa.schema([*schema.TEXTS, *(pa.field(name, kind) for name, kind in added.items())])


def process(store: Store, shard: Shard) -> Built:
    """Read the shard's input, run the steps, write records, texts and signals; nothing where that is done already."""

    def write(version: Version) -> dict[str, int]:
        with (
            version.parquet(f"records/{FILE}", schema.RECORDS) as records,
            version.parquet(f"texts/{FILE}", texts_schema(shard.steps)) as texts,
            version.parquet(f"signals/{FILE}", signals_schema(shard.steps)) as signals,
        ):
            damaged = 0
            for batch in ingest.read(shard.source, shard.inputs):
                records.write(batch.select(schema.RECORDS.names))
                damaged += pc.sum(_damaged(batch)).as_py() or 0
                _write_steps(batch, shard.steps, texts, signals)
        return {"records": records.count, "texts": texts.count, "damaged": damaged}

    return store.build("shards", shard.spec(), write)


def _damaged(records: pa.RecordBatch | pa.Table) -> pa.Array:
    return pc.is_in(records["error"], pa.array(DAMAGES))


class Damaged(NamedTuple):
    """A raw file that could not be read, or not to its end."""

    source: str
    file: str
    why: str


def damaged(store: Store, fingerprints: Iterable[str]) -> list[Damaged]:
    """The raw files of finished shards that could not be read, or not to their end."""
    found: dict[Damaged, None] = {}
    for place in (f"shards/{name}" for name in fingerprints):
        manifest = store.manifest(place)
        if manifest and manifest.counts["damaged"]:
            for path in manifest.paths("records"):
                records = store.table(f"{place}/{path}", ["source", "file", "error", "error_detail"])
                rows = records.filter(_damaged(records)).to_pylist()
                found |= {Damaged(row["source"], row["file"], f"{row['error']}: {row['error_detail']}"): None for row in rows}
    return sorted({(each.source, each.file): each for each in found}.values())


def _write_steps(batch: pa.RecordBatch, steps: tuple[StepUse, ...], texts: Rows, signals: Rows) -> None:
    passage = Passage(batch)
    for use in steps:
        passage.apply(use)
    signals.write(passage.signals(signals_schema(steps)))
    texts.write(passage.texts(texts_schema(steps)))


class Passage:
    """One batch on its way through the steps: what is known of each row so far, and which rows go on."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        rows = batch.num_rows
        self.batch = batch
        self.going = np.ones(rows, bool)
        self.gated_by: list[str | None] = [None] * rows
        self.errors: dict[int, tuple[str, RowError]] = {}
        self.columns: dict[str, pa.Array] = {}
        for row, kind in enumerate(batch["error"].to_pylist()):
            if kind is not None:
                self._fail("ingest", row, RowError(kind, batch["error_detail"][row].as_py() or ""))

    def _fail(self, step: str, row: int, error: RowError) -> None:
        self.errors[row] = (step, RowError(error.kind, carriable(error.detail) or ""))
        self.going[row] = False

    def apply(self, use: StepUse) -> None:
        """Run one step on the rows that go on, and put what it made back beside the others."""
        rows = np.flatnonzero(self.going)
        if not len(rows):
            return
        result = use.step.run(self.batch.take(pa.array(rows)), use.config)
        _check(result, use, len(rows))
        place = np.full(self.batch.num_rows, -1)
        place[rows] = np.arange(len(rows))
        back = pa.array(place, mask=place < 0)
        self.columns |= {f"{use.name}_{name}": values.take(back) for name, values in result.signals.items()}
        self.columns |= {name: values.take(back) for name, values in result.columns.items()}
        if result.text is not None:
            text = pc.if_else(pa.array(self.going), result.text.cast(pa.string()).take(back), self.batch["text"])
            self.batch = self.batch.set_column(self.batch.schema.get_field_index("text"), "text", text)
        for row, error in result.errors.items():
            self._fail(use.name, int(rows[row]), error)
        if use.gate:
            self._close_gate(use)

    def _close_gate(self, use: StepUse) -> None:
        out = np.zeros(self.batch.num_rows, bool)
        for signal, bound in use.bounds.items():
            for mask, _ in broken(bound, self.columns[f"{use.name}_{signal}"], self._languages()).values():
                out |= mask
        for row in np.flatnonzero(out & self.going):
            self.gated_by[row] = use.name
        self.going &= ~out

    def _languages(self) -> pa.Array | None:
        return self.columns.get(LANGUAGE_COLUMN)

    def signals(self, wanted: pa.Schema) -> pa.RecordBatch:
        """A row for each row of the batch: what was measured, and where it ended."""
        rows = range(self.batch.num_rows)
        failed = [self.errors.get(row) for row in rows]
        known = {
            **self.columns,
            "doc_id": self.batch["doc_id"],
            "gated_by": pa.array(self.gated_by, pa.string()),
            "error_step": pa.array([entry and entry[0] for entry in failed], pa.string()),
            "error": pa.array([entry and entry[1].kind for entry in failed], pa.string()),
            "error_detail": pa.array([entry and entry[1].detail for entry in failed], pa.string()),
            "text_bytes": pc.binary_length(self.batch["text"]).cast(pa.int64()),
        }
        return _batch(known, wanted, self.batch.num_rows)

    def texts(self, wanted: pa.Schema) -> pa.RecordBatch:
        """The rows that went through all steps. Raises ValueError where one has no text."""
        known = {**self.columns, "doc_id": self.batch["doc_id"], "text": self.batch["text"]}
        passed = _batch(known, wanted, self.batch.num_rows).filter(pa.array(self.going))
        if passed["text"].null_count:
            row = passed["text"].is_null().index(True).as_py()
            doc_id = passed["doc_id"].storage[row].as_py()
            place = self.batch["doc_id"].storage.to_pylist().index(doc_id)
            source, file, offset = (self.batch[name][place].as_py() for name in ("source", "file", "offset"))
            raise ValueError(
                f"source {source!r}: {file}, record at {offset}: went through all steps and has no text, only bytes; expected the step "
                "`extract` in the recipe, before those that measure text"
            )
        return passed


def _batch(known: Mapping[str, pa.Array], wanted: pa.Schema, rows: int) -> pa.RecordBatch:
    """The wanted columns; one that no row reached is null throughout."""
    return pa.record_batch([known.get(field.name, pa.nulls(rows, field.type)) for field in wanted], schema=wanted)


def _check(result: StepResult, use: StepUse, rows: int) -> None:
    """A step that breaks its contract stops the run: its output would be silently wrong."""
    for what, given, declared in (("signals", result.signals, use.step.SIGNALS), ("columns", result.columns, columns(use.step))):
        if given.keys() != declared.keys():
            raise TypeError(f"step {use.use!r} returned {what} {sorted(given)}, its {what.upper()} are {sorted(declared)}")
        for name, (kind, _) in declared.items():
            if given[name].type != kind:
                raise TypeError(f"step {use.use!r} returned {name!r} as {given[name].type}, its {what.upper()} say {kind}")
    for name, values in (*result.signals.items(), *result.columns.items(), ("text", result.text)):
        if values is not None and len(values) != rows:
            raise TypeError(f"step {use.use!r} returned {len(values)} values of {name!r} for {rows} rows")
    if wild := [row for row in result.errors if not 0 <= row < rows]:
        raise TypeError(f"step {use.use!r} returned an error for row {wild[0]} of {rows}")
