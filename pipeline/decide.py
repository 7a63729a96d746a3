"""Signals and bounds make fates: exactly one row for every record, before deduplication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema
from pipeline.bounds import LANGUAGE_COLUMN, Mask, broken
from pipeline.recipe import StepUse


@dataclass(frozen=True)
class Rule:
    """One limit on one signal, and what breaks it."""

    name: str  # step.signal.kind
    step: str
    column: str
    out: Mask  # rows that were evaluated and break it
    limits: np.ndarray


def decide(records: pa.Table, signals: pa.Table, steps: tuple[StepUse, ...]) -> pa.Table:
    """Fates (`schema.FATES`) of one shard's records, in their order. `records` and `signals` have the same rows."""
    if records["doc_id"].combine_chunks() != signals["doc_id"].combine_chunks():
        raise ValueError("records and signals of a shard must have the same rows in the same order")
    signals = signals.combine_chunks()
    found = [rule for use in steps for rule in rules(use, signals, evaluated(use, signals, steps))]
    failed = _column(signals, "error_step").is_valid().to_numpy(zero_copy_only=False)
    first = np.full(signals.num_rows, -1)
    for number in reversed(range(len(found))):
        first[found[number].out] = number
    first[failed] = -1  # a row that a step failed on has that for its fate
    dropped = failed | (first >= 0)
    columns = {
        "doc_id": records["doc_id"],
        "source": records["source"],
        "kept": pa.array(~dropped),
        "step": _pick(first, [rule.step for rule in found], failed, _column(signals, "error_step")),
        "rule": _pick(first, [rule.name for rule in found], failed, _failure(signals)),
        "value": _numbers(first, [_as_floats(signals, rule) for rule in found]),
        "bound": _numbers(first, [rule.limits for rule in found]),
        "broken": _lists(found, signals.num_rows),
        "gated_by": _column(signals, "gated_by"),
        "detail": _details(first, found, signals),
    }
    return pa.table([columns.get(field.name, pa.nulls(signals.num_rows, field.type)) for field in schema.FATES], schema=schema.FATES)


def _column(table: pa.Table, name: str) -> pa.Array:
    """One column as one array: the table is combined, so at most one chunk."""
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def evaluated(use: StepUse, signals: pa.Table, steps: tuple[StepUse, ...]) -> Mask:
    """The rows that a step ran on: no earlier gate ended them and neither it nor an earlier step failed on them."""
    order = [each.name for each in steps]
    place = order.index(use.name)
    gates = pa.array(order[:place], pa.string())
    failures = pa.array(["ingest", *order[: place + 1]], pa.string())
    ended = pc.or_(pc.is_in(_column(signals, "gated_by"), gates), pc.is_in(_column(signals, "error_step"), failures))
    return ~ended.to_numpy(zero_copy_only=False)


def rules(use: StepUse, signals: pa.Table, ran: Mask) -> list[Rule]:
    """What each limit of a step says of each row. `ran`: the rows that the step ran on."""
    languages = _column(signals, LANGUAGE_COLUMN) if LANGUAGE_COLUMN in signals.column_names else None
    found = []
    for signal, bound in use.bounds.items():
        column = f"{use.name}_{signal}"
        for kind, (out, limits) in broken(bound, _column(signals, column), languages).items():
            found.append(Rule(f"{use.name}.{signal}.{kind}", use.name, column, out & ran, limits))
    return found


def _failure(signals: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(_column(signals, "error_step"), _column(signals, "error"), ".")


def _pick(first: np.ndarray, names: list[str], failed: Mask, failure: pa.Array) -> pa.Array:
    chosen = pa.array(names, pa.string()).take(pa.array(first, mask=first < 0))
    return pc.if_else(pa.array(failed), failure, chosen)


def _as_floats(signals: pa.Table, rule: Rule) -> np.ndarray:
    values = _column(signals, rule.column)
    if pa.types.is_string(values.type):
        return np.full(len(values), np.nan)
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _numbers(first: np.ndarray, by_rule: list[np.ndarray]) -> pa.Array:
    chosen = np.full(len(first), np.nan)
    for number, values in enumerate(by_rule):
        rows = first == number
        chosen[rows] = values[rows]
    return pa.array(chosen, mask=np.isnan(chosen))


def _lists(rules: list[Rule], rows: int) -> pa.Array:
    """For each row the names of all the rules it broke, in recipe order."""
    if not rules:
        return pa.array([[]] * rows, pa.list_(pa.string()))
    out = np.stack([rule.out for rule in rules], axis=1)
    offsets = np.concatenate([[0], np.cumsum(out.sum(axis=1))]).astype(np.int32)
    names = pa.array([rule.name for rule in rules], pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(np.nonzero(out)[1])))


def _details(first: np.ndarray, rules: list[Rule], signals: pa.Table) -> pa.Array:
    """The step's own words for a failure; the value for a rule on a text."""
    details = _column(signals, "error_detail")
    for number, rule in enumerate(rules):
        values = _column(signals, rule.column)
        if pa.types.is_string(values.type):
            details = pc.if_else(pa.array(first == number), values, details)
    return details
